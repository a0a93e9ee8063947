namespace VlmSdk.Vision;

/// <summary>Order of the channels of a <see cref="PixelBuffer"/>, one byte each.</summary>
public enum PixelFormat
{
    /// <summary>Red, green, blue.</summary>
    Rgb8,
    /// <summary>Red, green, blue, alpha (straight, not premultiplied).</summary>
    Rgba8,
    /// <summary>Blue, green, red, alpha: what most cameras and swap chains give.</summary>
    Bgra8,
}

/// <summary>
/// A picture in host memory: interleaved bytes, sRGB encoded, rows from the top, first pixel top left. It wraps the
/// memory it is given without a copy; the caller keeps that memory unchanged while the buffer is in use.
/// </summary>
public sealed class PixelBuffer
{
    /// <summary>Wraps existing bytes.</summary>
    /// <param name="width">Pixels in a row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="format">Channel order.</param>
    /// <param name="data">Rows of <paramref name="rowBytes"/> bytes each.</param>
    /// <param name="rowBytes">Bytes from one row to the next; packed when omitted.</param>
    /// <exception cref="ImageException">A side is not positive, or the data is too short for it.</exception>
    public PixelBuffer(int width, int height, PixelFormat format, ReadOnlyMemory<byte> data, int? rowBytes = null)
    {
        int channels = format == PixelFormat.Rgb8 ? 3 : 4;
        if (width < 1 || height < 1)
            throw new ImageException($"A picture of {width} x {height} pixels holds nothing; both sides must be at least 1.");
        long packed = (long)width * channels, stride = rowBytes ?? packed;
        if (stride < packed)
            throw new ImageException($"Rows of {width} {format} pixels need {packed} bytes, but the row length given is {stride}.");
        long need = stride * (height - 1L) + packed;
        if (data.Length < need)
            throw new ImageException($"A {width} x {height} {format} picture with rows of {stride} bytes needs {need} bytes, {data.Length} were given.");
        Width = width;
        Height = height;
        Format = format;
        Channels = channels;
        Data = data;
        RowBytes = (int)stride;
    }

    /// <summary>Pixels in a row.</summary>
    public int Width { get; }

    /// <summary>Number of rows.</summary>
    public int Height { get; }

    /// <summary>Channel order.</summary>
    public PixelFormat Format { get; }

    /// <summary>Bytes of one pixel: 3 or 4.</summary>
    public int Channels { get; }

    /// <summary>Bytes from one row to the next.</summary>
    public int RowBytes { get; }

    /// <summary>All rows.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>The pixels of one row, <see cref="Width"/> times <see cref="Channels"/> bytes.</summary>
    public ReadOnlySpan<byte> Row(int y) => Data.Span.Slice(y * RowBytes, Width * Channels);
}
