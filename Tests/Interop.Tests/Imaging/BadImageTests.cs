using System.Buffers.Binary;
using System.IO.Compression;
using SkiaSharp;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Imaging;

/// <summary>Files that are no pictures, too large, cut, animated or lying: one exception type, and a message that says what is wrong.</summary>
public sealed class BadImageTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("badimages").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private static byte[] Source(string name) => File.ReadAllBytes(Golden.Own("preprocess", "sources", name));

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static void Refused(string path, params string[] says)
    {
        ImageException e = Assert.Throws<ImageException>(() => ImageFile.Decode(path))!;
        Assert.That(e.Message, Does.StartWith(path));
        foreach (string part in says)
            Assert.That(e.Message, Does.Contain(part));
    }

    /// <summary>A chunk of a PNG file, its checksum right.</summary>
    internal static byte[] Chunk(string type, byte[] body)
    {
        byte[] chunk = new byte[12 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, body.Length);
        System.Text.Encoding.ASCII.GetBytes(type).CopyTo(chunk, 4);
        body.CopyTo(chunk, 8);
        uint crc = 0xFFFFFFFF;
        foreach (byte b in chunk.AsSpan(4, 4 + body.Length))
        {
            crc ^= b;
            for (int i = 0; i < 8; i++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + body.Length), ~crc);
        return chunk;
    }

    private static byte[] Png(uint width, uint height, byte bits, byte colour, byte[] rows, byte interlace = 0, params byte[][] extra)
    {
        byte[] head = new byte[13];
        BinaryPrimitives.WriteUInt32BigEndian(head, width);
        BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(4), height);
        (head[8], head[9], head[12]) = (bits, colour, interlace);
        using var packed = new MemoryStream();
        using (var z = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            z.Write(rows);
        return [0x89, .. "PNG\r\n\u001a\n"u8, .. Chunk("IHDR", head), .. extra.SelectMany(x => x), .. Chunk("IDAT", packed.ToArray()), .. Chunk("IEND", [])];
    }

    [Test]
    public void An_empty_file() => Refused(Write("a.png", []), "0 bytes");

    [Test]
    public void A_missing_file() => Refused(Path.Combine(_folder, "none.png"), "cannot be read");

    [Test]
    public void A_folder() => Refused(_folder, "cannot be read");

    [Test]
    public void Something_else() => Refused(Write("a.png", "GIF89a and more"u8.ToArray()), "GIF", "PNG, JPEG and WebP");

    [TestCase("scene.png", "a.jpg", "Png", ".jpg")]
    [TestCase("photo420.jpg", "a.png", "Jpeg", ".png")]
    [TestCase("photo420.jpg", "a.txt", "Jpeg", ".txt")]
    public void A_wrong_extension(string source, string name, params string[] says) => Refused(Write(name, Source(source)), says);

    [Test]
    public void No_extension_is_accepted() => Assert.That(ImageFile.Decode(Write("picture", Source("pixel.png"))).Width, Is.EqualTo(1));

    [Test]
    public void Cut_files([Values("scene.png", "grey16.png", "photo420.jpg", "progressive.jpg", "exif6.jpg")] string name, [Values(0.1, 0.5, 0.9, 0.99)] double share)
    {
        byte[] whole = Source(name);
        Refused(Write(name, whole[..(int)(share * whole.Length)]), "truncated");
    }

    [Test]
    public void A_bomb_is_refused_before_decoding()
    {
        string path = Write("bomb.png", Png(60_000, 60_000, 8, 2, []));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused(path, "60000 x 60000", "16384");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Refused(Write("b.png", Png(16_000, 16_000, 8, 2, [])), "256000000", "40000000");
        Refused(Write("c.png", Png(0xFFFFFFFF, 1, 8, 2, [])), "16384");
        Refused(Write("d.png", Png(0, 5, 8, 2, [])), "0 x 5", "at least 1");
    }

    [Test]
    public void A_line_is_refused_and_a_short_one_is_not()
    {
        Refused(Write("line.png", Png(1, 1000, 8, 0, new byte[2000])), "1 x 1000", "200 to 1");
        Assert.That(ImageFile.Decode(Write("short.png", Png(1, 200, 8, 0, new byte[400]))).Height, Is.EqualTo(200));
    }

    [Test]
    public void A_long_file()
    {
        byte[] bytes = Source("scene.png");
        var limits = new ImageLimits { EncodedBytes = bytes.Length - 1 };
        Assert.That(() => ImageFile.Decode(bytes, "upload", limits), Throws.TypeOf<ImageException>().With.Message.Contains($"upload").And.Message.Contains($"{bytes.Length - 1}"));
        Assert.That(() => ImageFile.Decode(Write("a.png", bytes), limits), Throws.TypeOf<ImageException>().With.Message.Contains("limit"));
    }

    [Test]
    public void Animated_files()
    {
        Refused(Write("a.png", Png(4, 4, 8, 0, new byte[20], 0, Chunk("acTL", new byte[8]))), "animated PNG");
        byte[] webp = [.. "RIFF"u8, 22, 0, 0, 0, .. "WEBPVP8X"u8, 10, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 3, 0, 0];
        Refused(Write("a.webp", webp), "animated WebP");
    }

    [TestCase(null)]
    [TestCase((byte)0)]
    public void A_cmyk_jpeg_becomes_rgb(byte? transform)
    {
        // Paper, cyan, magenta, yellow, red, black ink, and half of everything under half black; 255 is no ink.
        (byte, byte, byte, byte)[] inks =
        [
            (255, 255, 255, 255), (0, 255, 255, 255), (255, 0, 255, 255), (255, 255, 0, 255), (255, 0, 0, 255), (255, 255, 255, 0), (128, 128, 128, 128),
        ];
        (byte, byte, byte)[] seen = [(255, 255, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0), (255, 0, 0), (0, 0, 0), (64, 64, 64)];
        PixelBuffer read = ImageFile.Decode(Write("cmyk.jpg", CmykJpeg.Encode(inks, transform)));
        Assert.That((read.Width, read.Height), Is.EqualTo((56, 8)));
        for (int i = 0; i < inks.Length; i++)
            Assert.That(Pixel(read, 8 * i + 4, 4), Is.EqualTo(seen[i]), $"block {i}");
    }

    [Test]
    public void A_ycck_jpeg_becomes_rgb()
    {
        // Stored as luma, two chromas and black: the luma of paper, of black ink under full colour, and of half grey.
        PixelBuffer read = ImageFile.Decode(CmykJpeg.Encode([(0, 128, 128, 255), (255, 128, 128, 0), (128, 128, 128, 255)], transform: 2));
        Assert.That(Enumerable.Range(0, 3).Select(i => Pixel(read, 8 * i + 4, 4)), Is.EqualTo(new[] { (255, 255, 255), (0, 0, 0), (127, 127, 127) }));
    }

    [Test]
    public void A_jpeg_marker_needs_its_first_byte()
    {
        byte[] whole = Source("photo420.jpg");
        int second = 4 + (whole[4] << 8 | whole[5]);
        Assert.That(whole[second], Is.EqualTo(0xFF));
        byte[] filled = [.. whole[..second], 0xFF, 0xFF, .. whole[second..]], broken = [.. whole];
        broken[second] = 0x12;
        Assert.That(ImageHeader.Parse(filled, "filled"), Is.EqualTo(ImageHeader.Parse(whole, "whole")), "fill bytes are allowed");
        Refused(Write("broken.jpg", broken), $"byte {second} is 12", "FF");
    }

    private static (int, int, int) Pixel(PixelBuffer picture, int x, int y)
    {
        ReadOnlySpan<byte> at = picture.Row(y)[(4 * x)..];
        return (at[0], at[1], at[2]);
    }

    [Test]
    public void A_jpeg_of_very_many_scans()
    {
        byte[] bytes = Source("progressive.jpg");
        Assert.That(() => ImageFile.Decode(bytes, "p", new ImageLimits { Scans = 2 }), Throws.TypeOf<ImageException>().With.Message.Contains("scans"));
    }

    [Test]
    public void Too_little_or_broken_picture_data()
    {
        Refused(Write("a.png", Png(40, 40, 8, 2, new byte[100])), "40 x 40");
        Refused(Write("b.png", Png(40, 40, 16, 0, new byte[100])), "40 x 40");
        Refused(Write("c.png", Png(2, 1, 16, 0, [9, 0, 0, 0, 0])), "filter 9");
    }

    [Test]
    public void Interlaced_16_bit_grey_equals_the_plain_form()
    {
        const int Width = 11, Height = 9;
        var random = new Random(5);
        int[] values = [.. Enumerable.Range(0, Width * Height).Select(_ => random.Next(400))];
        byte[] Rows(IEnumerable<(int X, int Y, int StepX, int StepY)> passes)
        {
            var rows = new List<byte>();
            foreach ((int x0, int y0, int stepX, int stepY) in passes)
                for (int y = y0; x0 < Width && y < Height; y += stepY)
                {
                    rows.Add(0);
                    for (int x = x0; x < Width; x += stepX)
                        rows.AddRange([(byte)(values[y * Width + x] >> 8), (byte)values[y * Width + x]]);
                }
            return [.. rows];
        }

        PixelBuffer plain = ImageFile.Decode(Png(Width, Height, 16, 0, Rows([(0, 0, 1, 1)])));
        PixelBuffer woven = ImageFile.Decode(Png(
            Width, Height, 16, 0, Rows([(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]), interlace: 1));
        Assert.That(woven.Data.ToArray(), Is.EqualTo(plain.Data.ToArray()));
        Assert.That(plain.Data.Span[0], Is.EqualTo(Math.Min(values[0], 255)));
    }

    private static byte[] WebP(bool lossless)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(30, 20, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        bitmap.Erase(new SKColor(200, 40, 90));
        using SKPixmap pixels = bitmap.PeekPixels();
        SKWebpEncoderCompression kind = lossless ? SKWebpEncoderCompression.Lossless : SKWebpEncoderCompression.Lossy;
        using SKData data = pixels.Encode(new SKWebpEncoderOptions(kind, 90)) ?? throw new InvalidOperationException("no WebP encoder");
        return data.ToArray();
    }

    [Test]
    public void Webp_is_read([Values(false, true)] bool lossless)
    {
        byte[] data = WebP(lossless);
        PixelBuffer read = ImageFile.Decode(Write("a.webp", data));
        Assert.That((read.Width, read.Height), Is.EqualTo((30, 20)));
        Assert.That(read.Row(10)[0], Is.EqualTo(200).Within(4));
        Refused(Write("cut.webp", data[..^3]), "truncated");
    }

    [Test]
    public void Saving_where_nothing_can_be_written()
    {
        string blocked = Write("file", [1]);
        PixelBuffer picture = ImageFile.Decode(Source("pixel.png"));
        Assert.That(() => ImageFile.SavePng(Path.Combine(blocked, "a.png"), picture), Throws.TypeOf<ImageException>().With.Message.Contains("cannot be written"));
        Assert.That(File.ReadAllBytes(blocked), Is.EqualTo(new byte[] { 1 }));
    }

    [Test]
    public void Saving_keeps_every_format([Values] PixelFormat format)
    {
        int channels = format == PixelFormat.Rgb8 ? 3 : 4;
        var bytes = new byte[7 * 5 * channels];
        new Random(3).NextBytes(bytes);
        var picture = new PixelBuffer(7, 5, format, bytes);
        string path = Path.Combine(_folder, "out.png");
        ImageFile.SavePng(path, picture);
        PixelBuffer read = ImageFile.Decode(path);
        Assert.That(ColourRules.Apply(read, AlphaRule.Drop).Data.ToArray(), Is.EqualTo(ColourRules.Apply(picture, AlphaRule.Drop).Data.ToArray()));
    }

    [Test]
    public void Mutated_files_only_ever_give_an_image_exception([Values("scene.png", "palette-alpha.png", "grey16.png", "photo420.jpg", "progressive.jpg", "exif6.jpg", "lossy.webp", "lossless.webp")] string name)
    {
        byte[] whole = name.EndsWith(".webp", StringComparison.Ordinal) ? WebP(name == "lossless.webp") : Source(name);
        var random = new Random(name.Length * 7919);
        var limits = new ImageLimits { Pixels = 1 << 20 };
        int decoded = 0, refused = 0;
        for (int round = 0; round < 200; round++)
        {
            byte[] bytes = [.. whole];
            for (int edits = random.Next(1, 6); edits > 0; edits--)
                switch (random.Next(4))
                {
                    case 0: bytes[random.Next(bytes.Length)] = (byte)random.Next(256); break;
                    case 1: bytes[random.Next(Math.Min(64, bytes.Length))] ^= (byte)(1 << random.Next(8)); break;
                    case 2: bytes = bytes[..random.Next(1, bytes.Length + 1)]; break;
                    default:
                        int at = random.Next(bytes.Length), count = random.Next(1, 9);
                        bytes = [.. bytes[..at], .. new byte[count], .. bytes[at..]];
                        break;
                }
            // As for checkpoints, and the picture itself: four bytes for each pixel that the limits allow.
            long before = GC.GetAllocatedBytesForCurrentThread(), allowed = 4 * limits.Pixels + 4L * bytes.Length + (1 << 20);
            try
            {
                ImageFile.Decode(bytes, name, limits);
                decoded++;
            }
            catch (ImageException e)
            {
                Assert.That(e.Message, Does.StartWith(name));
                refused++;
            }
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThanOrEqualTo(allowed), $"round {round}, {bytes.Length} bytes");
        }
        Assert.That(refused, Is.GreaterThan(100), $"{decoded} decoded");
    }
}
