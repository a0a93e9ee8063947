using System.Collections;
using System.Runtime.InteropServices;
using SkiaSharp;
using VlmSdk.Vision;

namespace VlmSdk.Imaging;

/// <summary>
/// Picture files in and out. Reading accepts PNG, JPEG and WebP, looks at the header with its own code first, and
/// reports everything that is wrong with a file as an <see cref="ImageException"/> that names the file, what was found
/// and the limit. Stateless; safe to call from several threads.
/// </summary>
public static class ImageFile
{
    /// <summary>Decodes a file to upright 8-bit pixels.</summary>
    /// <param name="path">A .png, .jpg, .jpeg or .webp file, or one without an extension.</param>
    /// <param name="limits">What is accepted; <see cref="ImageLimits.Default"/> when omitted.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgba8"/> picture, alpha straight, EXIF orientation applied.</returns>
    /// <exception cref="ImageException">The file cannot be read, is no whole still picture of these kinds, or passes a limit.</exception>
    public static PixelBuffer Decode(string path, ImageLimits? limits = null)
    {
        limits ??= ImageLimits.Default;
        byte[] bytes;
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length > limits.EncodedBytes)
                throw TooLong(path, file.Length, limits);
            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ImageException($"{path}: the picture file cannot be read ({e.Message})", e);
        }
        return Decode(bytes, path, Path.GetExtension(path), limits);
    }

    /// <summary>Decodes an encoded picture in memory to upright 8-bit pixels.</summary>
    /// <param name="encoded">The whole encoded picture; unchanged and not kept.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="limits">What is accepted; <see cref="ImageLimits.Default"/> when omitted.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgba8"/> picture, alpha straight, EXIF orientation applied.</returns>
    /// <exception cref="ImageException">The bytes are no whole still picture of these kinds, or pass a limit.</exception>
    public static PixelBuffer Decode(ReadOnlySpan<byte> encoded, string name = "picture", ImageLimits? limits = null) =>
        Decode(encoded, name, "", limits ?? ImageLimits.Default);

    /// <summary>Writes a picture as PNG. The file appears whole or not at all, as <see cref="AtomicFile"/> has it.</summary>
    /// <param name="path">Where to; an existing file is replaced, a missing folder is created.</param>
    /// <param name="picture">The picture; alpha is kept when the format has it.</param>
    /// <exception cref="ImageException">The file cannot be written.</exception>
    public static void SavePng(string path, PixelBuffer picture)
    {
        byte[] encoded = EncodePng(picture);
        try
        {
            string full = Path.GetFullPath(path);
            Directory.CreateDirectory(Path.GetDirectoryName(full) ?? throw new ArgumentException("the path names no file"));
            AtomicFile.Write(full, stream => stream.Write(encoded));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ImageException($"{path}: the PNG file cannot be written ({e.Message})", e);
        }
    }

    /// <summary>Encodes a picture as PNG.</summary>
    /// <param name="picture">The picture; alpha is kept when the format has it.</param>
    /// <exception cref="ImageException">The encoder has no memory for it.</exception>
    public static byte[] EncodePng(PixelBuffer picture)
    {
        using SKBitmap bitmap = ToBitmap(picture);
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
            ?? throw new ImageException($"A picture of {picture.Width} x {picture.Height} pixels could not be encoded as PNG.");
        return data.ToArray();
    }

    internal static SKBitmap ToBitmap(PixelBuffer picture)
    {
        SKAlphaType alpha = picture.Format == PixelFormat.Rgb8 ? SKAlphaType.Opaque : SKAlphaType.Unpremul;
        var bitmap = new SKBitmap(new SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, alpha));
        Span<byte> pixels = bitmap.GetPixelSpan();
        (int red, int blue) = picture.Format == PixelFormat.Bgra8 ? (2, 0) : (0, 2);
        for (int y = 0; y < picture.Height; y++)
        {
            ReadOnlySpan<byte> row = picture.Row(y);
            Span<byte> to = pixels.Slice(y * bitmap.RowBytes, 4 * picture.Width);
            if (picture.Format == PixelFormat.Rgba8)
            {
                row.CopyTo(to);
                continue;
            }
            for (int x = 0, from = 0; x < to.Length; x += 4, from += picture.Channels)
            {
                (to[x], to[x + 1], to[x + 2]) = (row[from + red], row[from + 1], row[from + blue]);
                to[x + 3] = picture.Channels == 4 ? row[from + 3] : (byte)255;
            }
        }
        return bitmap;
    }

    private static PixelBuffer Decode(ReadOnlySpan<byte> encoded, string name, string extension, ImageLimits limits)
    {
        if (encoded.Length > limits.EncodedBytes)
            throw TooLong(name, encoded.Length, limits);
        ImageHeader header = ImageHeader.Parse(encoded, name);
        CheckExtension(header.Encoding, name, extension);
        CheckSize(header, name, limits);
        try
        {
            return DecodePixels(encoded, header, name);
        }
        catch (Exception e) when (e is not ImageException and not OutOfMemoryException)
        {
            throw new ImageException($"{name}: the {header.Encoding} decoder failed on a picture of {header.Width} x {header.Height} pixels.", e);
        }
    }

    private static ImageException TooLong(string name, long length, ImageLimits limits) =>
        new($"{name}: the encoded picture has {length} bytes; the limit is {limits.EncodedBytes}.");

    private static void CheckExtension(ImageEncoding found, string name, string extension)
    {
        ImageEncoding? named = extension.ToUpperInvariant() switch
        {
            "" => found,
            ".PNG" => ImageEncoding.Png,
            ".JPG" or ".JPEG" or ".JPE" or ".JFIF" => ImageEncoding.Jpeg,
            ".WEBP" => ImageEncoding.WebP,
            _ => null,
        };
        if (named != found)
            throw new ImageException($"{name}: found {found} data under the extension '{extension}'; rename the file or check where it came from.");
    }

    private static void CheckSize(ImageHeader header, string name, ImageLimits limits)
    {
        (int width, int height) = (header.Width, header.Height);
        string says = $"{name}: the {header.Encoding} header says {width} x {height} pixels";
        if (width < 1 || height < 1)
            throw new ImageException($"{says}; both sides must be at least 1.");
        if (width > limits.Side || height > limits.Side)
            throw new ImageException($"{says}; the limit is {limits.Side} a side.");
        if ((long)width * height > limits.Pixels)
            throw new ImageException($"{says}, {(long)width * height} in all; the limit is {limits.Pixels}.");
        if (Math.Max(width, height) > (long)limits.Aspect * Math.Min(width, height))
            throw new ImageException($"{says}; the limit is {limits.Aspect} to 1 for the longer side.");
        if (header.Scans > limits.Scans)
            throw new ImageException($"{name}: the JPEG file has {header.Scans} scans; the limit is {limits.Scans}.");
    }

    private static PixelBuffer DecodePixels(ReadOnlySpan<byte> encoded, ImageHeader header, string name)
    {
        using SKData data = SKData.CreateCopy(encoded);
        using SKCodec codec = SKCodec.Create(data)
            ?? throw new ImageException($"{name}: the {header.Encoding} data is damaged; no decoder accepts its header.");
        if (codec.Info.Width != header.Width || codec.Info.Height != header.Height)
            throw new ImageException(
                $"{name}: the {header.Encoding} header says {header.Width} x {header.Height} pixels, its decoder {codec.Info.Width} x {codec.Info.Height}.");
        int orientation = header.Encoding == ImageEncoding.Png ? PngExif.Orientation(encoded) : (int)codec.EncodedOrigin;
        if (Grey16Png.Is(encoded, header))
            return Upright(Grey16Png.Decode(encoded, header, name), header.Width, header.Height, orientation);
        var info = new SKImageInfo(header.Width, header.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        byte[] pixels = new byte[checked(4 * header.Width * header.Height)];
        GCHandle pin = GCHandle.Alloc(pixels, GCHandleType.Pinned);
        try
        {
            SKCodecResult result = codec.GetPixels(info, pin.AddrOfPinnedObject());
            if (result != SKCodecResult.Success)
                throw new ImageException($"{name}: the {header.Encoding} picture of {header.Width} x {header.Height} pixels is damaged or truncated ({result}).");
        }
        finally
        {
            pin.Free();
        }
        return Upright(pixels, header.Width, header.Height, orientation);
    }

    /// <summary>Turns pixels to stand upright, in place, so that a large picture is never held twice.</summary>
    internal static PixelBuffer Upright(byte[] rgba, int width, int height, int orientation)
    {
        bool turned = orientation >= 5;
        (int w, int h) = turned ? (height, width) : (width, height);
        if (orientation is >= 2 and <= 8)
        {
            // A permutation of the pixels, walked cycle by cycle. Position `to` takes what lies at Source(to).
            Span<uint> pixels = MemoryMarshal.Cast<byte, uint>(rgba.AsSpan());
            var done = new BitArray(pixels.Length);
            for (int start = 0; start < pixels.Length; start++)
            {
                if (done[start])
                    continue;
                uint first = pixels[start];
                int to = start;
                for (int from = Source(to); from != start; from = Source(to))
                {
                    pixels[to] = pixels[from];
                    done[to] = true;
                    to = from;
                }
                pixels[to] = first;
                done[to] = true;
            }
        }
        return new PixelBuffer(w, h, PixelFormat.Rgba8, rgba);

        int Source(int to)
        {
            (int y, int x) = Math.DivRem(to, w);
            (int column, int row) = orientation switch
            {
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, w - 1 - x),
                7 => (h - 1 - y, w - 1 - x),
                _ => (h - 1 - y, x),
            };
            return row * width + column;
        }
    }
}
