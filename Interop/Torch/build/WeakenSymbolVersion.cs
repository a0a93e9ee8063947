// Compiled by the build itself (RoslynCodeTaskFactory), so it keeps to what netstandard2.0 and C# 7.3 offer.
using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies a 64-bit little-endian ELF library and marks one symbol version it needs as weak, so that a loader which lacks
/// that version goes on instead of refusing the library. Refuses files of another kind or without the version.
/// </summary>
public class WeakenSymbolVersion : Task
{
    private const uint VersionNeeds = 0x6ffffffe;
    private const int Weak = 2;

    [Required]
    public string Source { get; set; }

    [Required]
    public string Target { get; set; }

    [Required]
    public string SymbolVersion { get; set; }

    public override bool Execute()
    {
        byte[] file = File.ReadAllBytes(Source);
        try
        {
            if (Patch(file) == 0)
            {
                Log.LogError("{0} does not ask for {1}; the loader cure in Interop/Torch is out of date.", Source, SymbolVersion);
                return false;
            }
        }
        catch (Exception fault) when (fault is ArgumentException || fault is IndexOutOfRangeException || fault is OverflowException)
        {
            Log.LogError("{0} is not an ELF library this task understands: {1}", Source, fault.Message);
            return false;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(Target));
        File.WriteAllBytes(Target, file);
        return true;
    }

    private int Patch(byte[] file)
    {
        if (BitConverter.ToUInt32(file, 0) != 0x464c457f || file[4] != 2 || file[5] != 1)
            throw new ArgumentException("no 64-bit little-endian ELF header");
        int headers = checked((int)BitConverter.ToInt64(file, 0x28)), size = Half(file, 0x3a), count = Half(file, 0x3c), patched = 0;
        for (int section = headers; section < headers + size * count; section += size)
        {
            if (BitConverter.ToUInt32(file, section + 4) != VersionNeeds)
                continue;
            int strings = Offset(file, headers + size * checked((int)BitConverter.ToUInt32(file, section + 40)));
            for (int need = Offset(file, section), step = 1; step != 0; need += step)
            {
                int entry = need + Word(file, need + 8);
                for (int left = Half(file, need + 2); left > 0; left--)
                {
                    if (Name(file, strings + Word(file, entry + 8)) == SymbolVersion)
                    {
                        file[entry + 4] |= Weak;
                        patched++;
                    }
                    entry += Word(file, entry + 12);
                }
                step = Word(file, need + 12);
            }
        }
        return patched;
    }

    private static int Offset(byte[] file, int section)
    {
        return checked((int)BitConverter.ToInt64(file, section + 24));
    }

    private static int Word(byte[] file, int at)
    {
        return checked((int)BitConverter.ToUInt32(file, at));
    }

    private static int Half(byte[] file, int at)
    {
        return BitConverter.ToUInt16(file, at);
    }

    private static string Name(byte[] file, int at)
    {
        return Encoding.ASCII.GetString(file, at, Array.IndexOf(file, (byte)0, at) - at);
    }
}
