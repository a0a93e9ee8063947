using System.Buffers.Binary;

namespace VlmSdk.Imaging;

/// <summary>The encodings <see cref="ImageFile"/> reads.</summary>
public enum ImageEncoding
{
    /// <summary>Portable Network Graphics, still pictures.</summary>
    Png,
    /// <summary>JPEG, baseline and progressive Huffman.</summary>
    Jpeg,
    /// <summary>WebP, lossy and lossless, still pictures.</summary>
    WebP,
}

/// <summary>What a file says about itself before any pixel is decoded. Parsed by this library's own code.</summary>
/// <param name="Encoding">The encoding, by content.</param>
/// <param name="Width">Stored columns, before EXIF orientation.</param>
/// <param name="Height">Stored rows, before EXIF orientation.</param>
/// <param name="Bits">Bits a channel.</param>
/// <param name="Scans">Scans of a JPEG; 1 for the others.</param>
public readonly record struct ImageHeader(ImageEncoding Encoding, int Width, int Height, int Bits, int Scans)
{
    private static readonly byte[] PngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10];

    /// <summary>Reads the header and walks the file's outer structure.</summary>
    /// <param name="file">The whole encoded file.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="ImageException">Not PNG, JPEG or WebP; truncated; animated; or a header that contradicts itself.</exception>
    public static ImageHeader Parse(ReadOnlySpan<byte> file, string name)
    {
        if (file.IsEmpty)
            throw new ImageException($"{name}: the file is empty (0 bytes); PNG, JPEG or WebP is needed.");
        if (file.StartsWith(PngSignature))
            return Png(file, name);
        if (file.Length >= 3 && file[0] == 0xFF && file[1] == 0xD8 && file[2] == 0xFF)
            return Jpeg(file, name);
        if (file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8))
            return WebP(file, name);
        throw new ImageException($"{name}: found {Guess(file)}, {file.Length} bytes; only PNG, JPEG and WebP are read.");
    }

    private static string Guess(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith("GIF8"u8))
            return "a GIF picture";
        if (file.StartsWith("BM"u8))
            return "a BMP picture";
        if (file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8))
            return "a TIFF picture";
        if (file.Length >= 12 && file[4..8].SequenceEqual("ftyp"u8))
            return "an ISO media file (HEIC, AVIF or video)";
        return PngSignature.AsSpan().StartsWith(file) ? "the beginning of a PNG signature" : "no picture signature";
    }

    private static ImageException Truncated(string name, string kind, int length) =>
        new($"{name}: the {kind} file is truncated: its structure goes on beyond its {length} bytes.");

    private static ImageHeader Png(ReadOnlySpan<byte> file, string name)
    {
        ImageHeader header = default;
        bool data = false;
        for (long at = 8; ;)
        {
            if (at + 12 > file.Length)
                throw Truncated(name, "PNG", file.Length);
            ReadOnlySpan<byte> chunk = file[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32BigEndian(chunk);
            if (length > int.MaxValue || at + 12 + length > file.Length)
                throw Truncated(name, "PNG", file.Length);
            ReadOnlySpan<byte> type = chunk.Slice(4, 4);
            if (at == 8)
            {
                if (!type.SequenceEqual("IHDR"u8) || length != 13)
                    throw new ImageException($"{name}: the PNG file does not begin with an IHDR chunk of 13 bytes.");
                uint width = BinaryPrimitives.ReadUInt32BigEndian(chunk[8..]), height = BinaryPrimitives.ReadUInt32BigEndian(chunk[12..]);
                header = new ImageHeader(ImageEncoding.Png, Side(width), Side(height), chunk[16], 1);
            }
            else if (type.SequenceEqual("acTL"u8))
                throw new ImageException($"{name}: found an animated PNG; only still pictures are read. Export one frame.");
            else if (type.SequenceEqual("IDAT"u8))
                data = true;
            else if (type.SequenceEqual("IEND"u8))
                return data ? header : throw new ImageException($"{name}: the PNG file holds no picture data (no IDAT chunk).");
            at += 12 + length;
        }
    }

    private static ImageHeader Jpeg(ReadOnlySpan<byte> file, string name)
    {
        ImageHeader header = default;
        int scans = 0;
        for (int at = 2; ;)
        {
            // Between segments stands FF, any number of fill FFs, then the marker.
            if (at < file.Length && file[at] != 0xFF)
                throw new ImageException($"{name}: the JPEG file is damaged: byte {at} is {file[at]:X2} where the FF of a marker must stand.");
            while (at < file.Length && file[at] == 0xFF)
                at++;
            if (at + 2 >= file.Length)
            {
                if (at < file.Length && file[at] == 0xD9 && scans > 0)
                    return header with { Scans = scans };
                throw Truncated(name, "JPEG", file.Length);
            }
            byte marker = file[at++];
            if (marker == 0xD9)
                return scans > 0 ? header with { Scans = scans } : throw new ImageException($"{name}: the JPEG file holds no picture data.");
            if (marker is 0x01 or (>= 0xD0 and <= 0xD8))
                continue;
            int length = BinaryPrimitives.ReadUInt16BigEndian(file[at..]);
            if (length < 2 || at + length > file.Length)
                throw Truncated(name, "JPEG", file.Length);
            ReadOnlySpan<byte> segment = file.Slice(at + 2, length - 2);
            at += length;
            if (marker is >= 0xC0 and <= 0xCF and not 0xC4 and not 0xC8 and not 0xCC)
            {
                if (marker > 0xC2)
                    throw new ImageException($"{name}: found a JPEG of kind SOF{marker - 0xC0}; baseline and progressive Huffman files are read.");
                if (header.Width != 0 || segment.Length < 6)
                    throw new ImageException($"{name}: the JPEG file has a damaged or second frame header.");
                header = new ImageHeader(
                    ImageEncoding.Jpeg, BinaryPrimitives.ReadUInt16BigEndian(segment[3..]), BinaryPrimitives.ReadUInt16BigEndian(segment[1..]), segment[0], 0);
                if (header.Width == 0 || header.Height == 0)
                    throw new ImageException($"{name}: the JPEG header says {header.Width} x {header.Height} pixels; both sides must be at least 1.");
            }
            else if (marker == 0xDA)
            {
                if (header.Width == 0)
                    throw new ImageException($"{name}: the JPEG file has picture data before its frame header.");
                scans++;
                at = SkipScan(file, at);
            }
        }
    }

    // Entropy-coded bytes end at the next FF that is neither stuffed (FF 00) nor a restart marker.
    private static int SkipScan(ReadOnlySpan<byte> file, int at)
    {
        while (at < file.Length)
        {
            int found = file[at..].IndexOf((byte)0xFF);
            if (found < 0 || at + found + 1 >= file.Length)
                return file.Length;
            at += found;
            if (file[at + 1] is not 0 and not (>= 0xD0 and <= 0xD7))
                return at;
            at += 2;
        }
        return at;
    }

    private static ImageHeader WebP(ReadOnlySpan<byte> file, string name)
    {
        long end = 8 + (long)BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
        if (end > file.Length)
            throw Truncated(name, "WebP", file.Length);
        ImageHeader header = default;
        for (long at = 12; at + 8 <= end;)
        {
            ReadOnlySpan<byte> chunk = file[(int)at..(int)end];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (length > chunk.Length - 8)
                throw Truncated(name, "WebP", file.Length);
            ReadOnlySpan<byte> type = chunk[..4], body = chunk.Slice(8, (int)length);
            if (type.SequenceEqual("ANIM"u8) || type.SequenceEqual("ANMF"u8) || (type.SequenceEqual("VP8X"u8) && body.Length >= 1 && (body[0] & 2) != 0))
                throw new ImageException($"{name}: found an animated WebP; only still pictures are read. Export one frame.");
            if (type.SequenceEqual("VP8X"u8) && body.Length >= 10)
                header = new ImageHeader(ImageEncoding.WebP, 1 + Read24(body[4..]), 1 + Read24(body[7..]), 8, 1);
            else if (type.SequenceEqual("VP8 "u8) && body.Length >= 10 && body[3] == 0x9D && body[4] == 0x01 && body[5] == 0x2A)
                return Bitstream(
                    header, BinaryPrimitives.ReadUInt16LittleEndian(body[6..]) & 0x3FFF, BinaryPrimitives.ReadUInt16LittleEndian(body[8..]) & 0x3FFF, name);
            else if (type.SequenceEqual("VP8L"u8) && body.Length >= 5 && body[0] == 0x2F)
            {
                uint bits = BinaryPrimitives.ReadUInt32LittleEndian(body[1..]);
                return Bitstream(header, 1 + (int)(bits & 0x3FFF), 1 + (int)(bits >> 14 & 0x3FFF), name);
            }
            at += 8 + length + (length & 1);
        }
        throw new ImageException($"{name}: the WebP file holds no readable VP8 or VP8L bitstream.");
    }

    private static ImageHeader Bitstream(ImageHeader canvas, int width, int height, string name)
    {
        if (canvas.Width != 0 && (canvas.Width != width || canvas.Height != height))
            throw new ImageException(
                $"{name}: the WebP file says {canvas.Width} x {canvas.Height} for the canvas but {width} x {height} for the picture in it.");
        return new ImageHeader(ImageEncoding.WebP, width, height, 8, 1);
    }

    private static int Read24(ReadOnlySpan<byte> bytes) => bytes[0] | bytes[1] << 8 | bytes[2] << 16;

    // Sides above 2^31 - 1 are beyond every limit; they must stay positive until the limit is named.
    private static int Side(uint value) => (int)Math.Min(value, int.MaxValue);
}
