using System.IO.Compression;

namespace VlmSdk.Imaging;

/// <summary>
/// 16-bit grey PNG as Pillow hands it to a vision model: values above 255 saturate, they are not shifted down. The
/// general decoder keeps the high byte instead, and in a wider form would need more than 4 bytes a pixel. Rows stream;
/// a tRNS value is ignored.
/// </summary>
internal static class Grey16Png
{
    // Start and step of each interlace pass, x then y.
    private static readonly (int X, int Y, int StepX, int StepY)[] Interlaced =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    private static readonly (int X, int Y, int StepX, int StepY)[] Plain = [(0, 0, 1, 1)];

    /// <summary>Whether a PNG whose outer structure was walked is of this kind: colour type 0, 16 bits.</summary>
    internal static bool Is(ReadOnlySpan<byte> file, ImageHeader header) => header.Encoding == ImageEncoding.Png && header.Bits == 16 && file[25] == 0;

    /// <summary>R, G, B, A bytes of the picture.</summary>
    internal static byte[] Decode(ReadOnlySpan<byte> file, ImageHeader header, string name)
    {
        if (file[26] != 0 || file[27] != 0 || file[28] > 1)
            throw new ImageException($"{name}: the PNG header names compression {file[26]}, filter {file[27]}, interlace {file[28]}; 0, 0 and 0 or 1 exist.");
        using MemoryStream compressed = Data(file);
        using var stream = new ZLibStream(compressed, CompressionMode.Decompress);
        byte[] pixels = new byte[checked(4 * header.Width * header.Height)];
        try
        {
            foreach ((int x, int y, int stepX, int stepY) in file[28] == 1 ? Interlaced : Plain)
            {
                int columns = (header.Width - x + stepX - 1) / stepX;
                if (columns <= 0)
                    continue;
                byte[] row = new byte[2 * columns], above = new byte[2 * columns];
                for (int line = y; line < header.Height; line += stepY)
                {
                    int filter = stream.ReadByte();
                    stream.ReadExactly(row);
                    Unfilter(filter, row, above, name);
                    for (int i = 0, to = 4 * (line * header.Width + x); i < columns; i++, to += 4 * stepX)
                    {
                        byte value = row[2 * i] != 0 ? (byte)255 : row[2 * i + 1];
                        (pixels[to], pixels[to + 1], pixels[to + 2], pixels[to + 3]) = (value, value, value, 255);
                    }
                    (row, above) = (above, row);
                }
            }
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw new ImageException($"{name}: the compressed data of the PNG picture of {header.Width} x {header.Height} pixels is damaged or too short.", e);
        }
        return pixels;
    }

    private static MemoryStream Data(ReadOnlySpan<byte> file)
    {
        var joined = new MemoryStream(file.Length);
        for (var chunks = new PngChunks(file); chunks.Next(out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> body);)
            if (type.SequenceEqual("IDAT"u8))
                joined.Write(body);
        joined.Position = 0;
        return joined;
    }

    private static void Unfilter(int filter, Span<byte> row, ReadOnlySpan<byte> above, string name)
    {
        const int Pixel = 2;
        if (filter is < 0 or > 4)
            throw new ImageException($"{name}: the PNG picture has a row with filter {filter}; 0 to 4 exist.");
        for (int i = 0; i < row.Length; i++)
        {
            int left = i >= Pixel ? row[i - Pixel] : 0, up = above[i], corner = i >= Pixel ? above[i - Pixel] : 0;
            row[i] += (byte)(filter switch { 1 => left, 2 => up, 3 => (left + up) / 2, 4 => Paeth(left, up, corner), _ => 0 });
        }
    }

    private static int Paeth(int left, int up, int corner)
    {
        int guess = left + up - corner;
        (int a, int b, int c) = (Math.Abs(guess - left), Math.Abs(guess - up), Math.Abs(guess - corner));
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }
}
