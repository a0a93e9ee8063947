using System.Runtime.InteropServices;

namespace VlmSdk.Vision;

/// <summary>Which axis a two-pass resize does first. The two orders differ by one grey level in a few percent of the bytes.</summary>
public enum PassOrder
{
    /// <summary>x first, always: Pillow up to 12, with which the published models were made.</summary>
    HorizontalFirst,
    /// <summary>Pillow 13: y first when the height shrinks by more than twice what the width does.</summary>
    Pillow13,
}

/// <summary>
/// Resizing of 8-bit pictures with Pillow's numbers, byte for byte: 22-bit fixed-point weights, two passes that each
/// write bytes. Rows stream through a ring as tall as the kernel, so no picture is held between the passes. Stateless.
/// </summary>
public static class ImageResize
{
    /// <summary>Resizes a picture. Alpha is dropped before resizing; see <see cref="ColourRules"/> for other rules.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="width">Columns wanted, at least 1.</param>
    /// <param name="height">Rows wanted, at least 1.</param>
    /// <param name="filter">Resampling kernel.</param>
    /// <param name="order">Order of the passes.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgb8"/> picture of its own memory.</returns>
    /// <exception cref="ImageException">A side is not positive, or the result would pass 2 GiB.</exception>
    public static PixelBuffer Resize(
        PixelBuffer source, int width, int height, ResizeFilter filter, PassOrder order = PassOrder.HorizontalFirst) =>
        Resize(source, width, height, filter, 0, 0, width, height, order);

    /// <summary>Resizes a picture and keeps a window of the result; only what the window needs is computed.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="width">Columns of the whole resized picture, at least 1.</param>
    /// <param name="height">Rows of the whole resized picture, at least 1.</param>
    /// <param name="filter">Resampling kernel.</param>
    /// <param name="left">First column kept.</param>
    /// <param name="top">First row kept.</param>
    /// <param name="keepWidth">Columns kept.</param>
    /// <param name="keepHeight">Rows kept.</param>
    /// <param name="order">Order of the passes.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgb8"/> picture of keepWidth x keepHeight.</returns>
    /// <exception cref="ImageException">A side is not positive, the window leaves the resized picture, or it would pass 2 GiB.</exception>
    public static PixelBuffer Resize(
        PixelBuffer source, int width, int height, ResizeFilter filter, int left, int top, int keepWidth, int keepHeight,
        PassOrder order = PassOrder.HorizontalFirst)
    {
        ResizeTable x = ResizeTable.Create(source.Width, width, filter, left, keepWidth);
        ResizeTable y = ResizeTable.Create(source.Height, height, filter, top, keepHeight);
        long bytes = 3L * keepWidth * keepHeight;
        if (bytes > Array.MaxLength)
            throw new ImageException($"A picture of {keepWidth} x {keepHeight} pixels would need {bytes} bytes; at most {Array.MaxLength} fit.");
        var output = new BufferSink(new byte[bytes], keepWidth);
        if (VerticalFirst(source, width, height, order))
            RunVerticalFirst(source, x, y, ref output);
        else
            Run(new BufferSource(source), x, y, ref output);
        return new PixelBuffer(keepWidth, keepHeight, PixelFormat.Rgb8, output.Bytes);
    }

    /// <summary>Whether a resize to this size does y before x.</summary>
    public static bool VerticalFirst(PixelBuffer source, int width, int height, PassOrder order)
    {
        long shrink = (long)source.Height - height;
        return order == PassOrder.Pillow13 && shrink > 0 && shrink > 2 * ((long)source.Width - width);
    }

    /// <summary>Resizes, x first, and hands packed R, G, B rows to a sink, from the top. The span is valid during the call only.</summary>
    internal static void Run<TSource, TSink>(TSource source, ResizeTable x, ResizeTable y, ref TSink sink)
        where TSource : struct, IRowSource where TSink : struct, IRowSink
    {
        int rowBytes = 3 * x.Length, slots = y.Taps, next = 0;
        var ring = new byte[checked(slots * rowBytes + ResizeKernels.Slack)];
        var row = new byte[rowBytes + ResizeKernels.Slack];
        uint[] pixels = x.IsIdentity ? [] : new uint[x.Input];
        for (int line = 0; line < y.Length; line++)
        {
            (int start, int count) = (y.Starts[line], y.Counts[line]);
            for (int first = next = Math.Max(next, start); next < start + count; next++)
            {
                Span<byte> slot = ring.AsSpan(next % slots * rowBytes, rowBytes);
                if (next > first && source.Repeats(next))
                {
                    ring.AsSpan((next - 1) % slots * rowBytes, rowBytes).CopyTo(slot);
                    continue;
                }
                Horizontal(source.Row(next), source.Format, x, pixels, row);
                row.AsSpan(0, rowBytes).CopyTo(slot);
            }
            if (y.IsIdentity)
            {
                sink.Write(line, ring.AsSpan(start % slots * rowBytes, rowBytes));
                continue;
            }
            ResizeKernels.Vertical(ring, rowBytes, start % slots, slots, y.WeightsOf(line), row.AsSpan(0, rowBytes));
            sink.Write(line, row.AsSpan(0, rowBytes));
        }
    }

    private static void RunVerticalFirst<TSink>(PixelBuffer source, ResizeTable x, ResizeTable y, ref TSink sink) where TSink : struct, IRowSink
    {
        int rowBytes = 3 * x.Length;
        var tall = new byte[source.Width * source.Channels];
        var row = new byte[rowBytes + ResizeKernels.Slack];
        uint[] pixels = x.IsIdentity ? [] : new uint[source.Width];
        for (int line = 0; line < y.Length; line++)
        {
            int start = y.Starts[line];
            ReadOnlySpan<byte> from = source.Data.Span[(int)((long)start * source.RowBytes)..];
            ResizeKernels.Vertical(from, source.RowBytes, 0, int.MaxValue, y.WeightsOf(line), tall);
            Horizontal(tall, source.Format, x, pixels, row);
            sink.Write(line, row.AsSpan(0, rowBytes));
        }
    }

    private static void Horizontal(ReadOnlySpan<byte> from, PixelFormat format, ResizeTable x, Span<uint> pixels, Span<byte> packed)
    {
        if (x.IsIdentity)
        {
            int channels = format == PixelFormat.Rgb8 ? 3 : 4;
            ResizeKernels.Pack(from.Slice(x.First * channels, x.Length * channels), format, packed);
            return;
        }
        ResizeKernels.Expand(from, format, pixels);
        ResizeKernels.Horizontal(pixels, x, packed);
    }

    /// <summary>Gives the rows of a picture in any order.</summary>
    internal interface IRowSource
    {
        /// <summary>Channel order of the rows.</summary>
        PixelFormat Format { get; }

        /// <summary>One row; valid until the next call.</summary>
        ReadOnlySpan<byte> Row(int y);

        /// <summary>Whether row y is known to equal row y - 1.</summary>
        bool Repeats(int y);
    }

    internal readonly struct BufferSource(PixelBuffer picture) : IRowSource
    {
        public PixelFormat Format => picture.Format;

        public ReadOnlySpan<byte> Row(int y) => picture.Row(y);

        public bool Repeats(int y) => false;
    }

    /// <summary>Takes the rows of a resized picture, from the top.</summary>
    internal interface IRowSink
    {
        /// <summary>Row <paramref name="line"/> of the window as packed R, G, B.</summary>
        void Write(int line, ReadOnlySpan<byte> rgb);
    }

    private readonly struct BufferSink(byte[] bytes, int width) : IRowSink
    {
        internal byte[] Bytes => bytes;

        public void Write(int line, ReadOnlySpan<byte> rgb) => rgb.CopyTo(bytes.AsSpan(line * width * 3));
    }
}
