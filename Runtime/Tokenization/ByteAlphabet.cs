using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// The alphabet of byte-level vocabularies: every byte has a printable stand-in. 33-126, 161-172 and 174-255 stand for
/// themselves, the other 68 bytes in order for U+0100 onwards.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = new char[256];
    private static readonly short[] Bytes = new short[0x144];

    static ByteAlphabet()
    {
        Array.Fill(Bytes, (short)-1);
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            Characters[value] = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174 ? (char)value : next++;
            Bytes[Characters[value]] = (short)value;
        }
    }

    /// <summary>The stand-in of a byte.</summary>
    internal static char CharacterOf(byte value) => Characters[value];

    /// <summary>The spelling of bytes.</summary>
    internal static string Encode(byte[] bytes) => string.Create(bytes.Length, bytes, (spelling, from) =>
    {
        for (int i = 0; i < from.Length; i++)
            spelling[i] = Characters[from[i]];
    });

    /// <summary>The bytes a spelling stands for; a spelling with any other character is its own UTF-8.</summary>
    internal static byte[] Decode(string spelling)
    {
        var bytes = new byte[spelling.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (spelling[i] >= Bytes.Length || Bytes[spelling[i]] < 0)
                return Encoding.UTF8.GetBytes(spelling);
            bytes[i] = (byte)Bytes[spelling[i]];
        }
        return bytes;
    }
}
