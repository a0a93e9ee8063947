using System.IO.Compression;
using System.Text;

namespace VlmSdk.Tests.Weights;

/// <summary>Writes archives of NumPy arrays, sound and other.</summary>
internal static class NpzBytes
{
    /// <summary>An archive of members, whose names get the extension.</summary>
    internal static byte[] Zip(bool deflated, params (string Name, byte[] Bytes)[] members)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
            foreach ((string name, byte[] bytes) in members)
            {
                using Stream entry = zip.CreateEntry(name + ".npy", deflated ? CompressionLevel.Optimal : CompressionLevel.NoCompression).Open();
                entry.Write(bytes);
            }
        return stream.ToArray();
    }

    /// <summary>An array as numpy writes it.</summary>
    internal static byte[] Array(string descr, string shape, ReadOnlySpan<byte> data) =>
        Member($"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}", data);

    /// <summary>A member with any header.</summary>
    internal static byte[] Member(string header, ReadOnlySpan<byte> data)
    {
        byte[] text = Encoding.Latin1.GetBytes(header.PadRight(header.Length + 63 - (10 + header.Length) % 64) + "\n");
        return [0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)text.Length), .. text, .. data];
    }
}
