using System.Buffers.Binary;

namespace VlmSdk.Weights;

/// <summary>
/// The block layouts of spec sheet preprocess-tokenizers-quant, section 9, one function a type, written as the sheet writes
/// them: k counts the values of a block, and the order of the float32 operations is part of the format.
/// </summary>
internal static class BlockFormats
{
    /// <summary>Values of the 4-bit codes of the IQ4 types.</summary>
    internal static ReadOnlySpan<sbyte> Iq4Table => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    internal static void Q4_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        ReadOnlySpan<byte> qs = block[2..];
        for (int k = 0; k < 32; k++)
            values[k] = d * (Nibble(qs, k) - 8);
    }

    internal static void Q4_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        float m = Half(block, 2);
        ReadOnlySpan<byte> qs = block[4..];
        for (int k = 0; k < 32; k++)
            values[k] = d * Nibble(qs, k) + m;
    }

    internal static void Q5_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        uint qh = BinaryPrimitives.ReadUInt32LittleEndian(block[2..]);
        ReadOnlySpan<byte> qs = block[6..];
        for (int k = 0; k < 32; k++)
            values[k] = d * ((Nibble(qs, k) | FifthBit(qh, k)) - 16);
    }

    internal static void Q5_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        float m = Half(block, 2);
        uint qh = BinaryPrimitives.ReadUInt32LittleEndian(block[4..]);
        ReadOnlySpan<byte> qs = block[8..];
        for (int k = 0; k < 32; k++)
            values[k] = d * (Nibble(qs, k) | FifthBit(qh, k)) + m;
    }

    internal static void Q8_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        for (int k = 0; k < 32; k++)
            values[k] = d * (sbyte)block[2 + k];
    }

    internal static void IQ4_NL(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        ReadOnlySpan<byte> qs = block[2..];
        for (int k = 0; k < 32; k++)
            values[k] = d * Iq4Table[Nibble(qs, k)];
    }

    internal static void Q2_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> sc = block[..16];
        ReadOnlySpan<byte> qs = block[16..80];
        float d = Half(block, 80);
        float dmin = Half(block, 82);
        for (int k = 0; k < 256; k++)
        {
            byte scale = sc[k / 16];
            values[k] = d * (scale & 15) * TwoBits(qs, k) - dmin * (scale >> 4);
        }
    }

    internal static void Q3_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> hmask = block[..32];
        ReadOnlySpan<byte> qs = block[32..96];
        ReadOnlySpan<byte> s = block[96..108];
        float d = Half(block, 108);
        for (int k = 0; k < 256; k++)
        {
            int j = k / 16;
            int scale = (s[j % 8] >> 4 * (j / 8) & 15 | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
            int q = TwoBits(qs, k) - ((hmask[k % 32] >> k / 32 & 1) == 0 ? 4 : 0);
            values[k] = d * scale * q;
        }
    }

    internal static void Q4_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        float dmin = Half(block, 2);
        ReadOnlySpan<byte> qs = block[16..];
        for (int j = 0; j < 8; j++)
        {
            (int scale, int min) = ScaleAndMin(block[4..16], j);
            for (int k = 32 * j; k < 32 * j + 32; k++)
                values[k] = d * scale * PairNibble(qs, k) - dmin * min;
        }
    }

    internal static void Q5_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        float dmin = Half(block, 2);
        ReadOnlySpan<byte> qh = block[16..48];
        ReadOnlySpan<byte> qs = block[48..];
        for (int j = 0; j < 8; j++)
        {
            (int scale, int min) = ScaleAndMin(block[4..16], j);
            for (int k = 32 * j; k < 32 * j + 32; k++)
                values[k] = d * scale * (PairNibble(qs, k) | (qh[k % 32] >> j & 1) << 4) - dmin * min;
        }
    }

    internal static void Q6_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> ql = block[..128];
        ReadOnlySpan<byte> qh = block[128..192];
        ReadOnlySpan<byte> sc = block[192..208];
        float d = Half(block, 208);
        for (int k = 0; k < 256; k++)
        {
            int c = k / 128, r = k % 128;
            int q = ql[64 * c + r % 64] >> 4 * (r / 64) & 15 | (qh[32 * c + r % 32] >> 2 * (r / 32) & 3) << 4;
            values[k] = d * (sbyte)sc[k / 16] * (q - 32);
        }
    }

    internal static void IQ4_XS(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Half(block, 0);
        int sh = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        ReadOnlySpan<byte> sl = block[4..8];
        ReadOnlySpan<byte> qs = block[8..];
        for (int k = 0; k < 256; k++)
        {
            int j = k / 32;
            int scale = (sl[j / 2] >> 4 * (j % 2) & 15 | (sh >> 2 * j & 3) << 4) - 32;
            values[k] = d * scale * Iq4Table[qs[16 * j + k % 16] >> 4 * (k % 32 / 16) & 15];
        }
    }

    private static float Half(ReadOnlySpan<byte> block, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    /// <summary>Blocks of 32: value k in the low nibble of byte k, value k + 16 in its high nibble.</summary>
    private static int Nibble(ReadOnlySpan<byte> qs, int k) => qs[k % 16] >> 4 * (k / 16) & 15;

    private static int FifthBit(uint qh, int k) => (int)(qh >> k & 1) << 4;

    /// <summary>Q2_K and Q3_K: 2 bits of four values 32 apart share a byte.</summary>
    private static int TwoBits(ReadOnlySpan<byte> qs, int k) => qs[32 * (k / 128) + k % 32] >> 2 * (k % 128 / 32) & 3;

    /// <summary>Q4_K and Q5_K: the nibbles of two values 32 apart share a byte.</summary>
    private static int PairNibble(ReadOnlySpan<byte> qs, int k) => qs[32 * (k / 64) + k % 32] >> 4 * (k / 32 % 2) & 15;

    /// <summary>Q4_K and Q5_K: eight 6-bit scales and minima in 12 bytes.</summary>
    private static (int Scale, int Min) ScaleAndMin(ReadOnlySpan<byte> s, int j) => j < 4
        ? (s[j] & 63, s[j + 4] & 63)
        : (s[j + 4] & 15 | s[j - 4] >> 6 << 4, s[j + 4] >> 4 | s[j] >> 6 << 4);
}
