namespace VlmSdk.Tests.Interop.Imaging;

/// <summary>
/// A baseline JPEG of four components as print shops send them (ISO/IEC 10918-1), of 8 x 8 blocks in one colour each: a
/// quantizer of 8 makes a block's only coefficient its level minus 128, and each code table has one length.
/// </summary>
internal static class CmykJpeg
{
    /// <summary>One row of blocks.</summary>
    /// <param name="blocks">Four stored levels a block. Adobe's programs store 255 for no ink.</param>
    /// <param name="transform">What an Adobe segment says: 0 CMYK, 2 YCCK; null writes no such segment.</param>
    internal static byte[] Encode((byte A, byte B, byte C, byte D)[] blocks, byte? transform)
    {
        var file = new List<byte> { 0xFF, 0xD8 };
        if (transform is { } kind)
            Segment(0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, kind]);
        Segment(0xDB, [0, .. Enumerable.Repeat((byte)8, 64)]);
        Segment(0xC0, [8, 0, 8, (byte)(blocks.Length * 8 >> 8), (byte)(blocks.Length * 8), 4, .. Enumerable.Range(1, 4).SelectMany(id => new byte[] { (byte)id, 0x11, 0 })]);
        // DC: codes 0000 to 1011 are the bit counts 0 to 11. AC: the code 0 ends a block.
        Segment(0xC4, [0x00, 0, 0, 0, 12, .. new byte[12], .. Enumerable.Range(0, 12).Select(n => (byte)n)]);
        Segment(0xC4, [0x10, 1, .. new byte[15], 0]);
        Segment(0xDA, [4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);

        uint bits = 0;
        int held = 0;
        int[] before = new int[4];
        foreach ((byte a, byte b, byte c, byte d) in blocks)
            for (int i = 0; i < 4; i++)
            {
                int value = (i switch { 0 => a, 1 => b, 2 => c, _ => d }) - 128, step = value - before[i];
                before[i] = value;
                int count = 32 - int.LeadingZeroCount(Math.Abs(step));
                Put(count, 4);
                Put(step >= 0 ? step : step + (1 << count) - 1, count);
                Put(0, 1);
            }
        Put(0x7F, 7);
        file.AddRange([0xFF, 0xD9]);
        return [.. file];

        void Segment(byte marker, byte[] body) => file.AddRange([0xFF, marker, (byte)(body.Length + 2 >> 8), (byte)(body.Length + 2), .. body]);

        void Put(int value, int count)
        {
            (bits, held) = (bits << count | (uint)value, held + count);
            for (; held >= 8; held -= 8)
            {
                byte whole = (byte)(bits >> held - 8);
                file.Add(whole);
                if (whole == 0xFF)
                    file.Add(0);
            }
        }
    }
}
