using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace VlmSdk.Vision;

/// <summary>The inner loops of <see cref="ImageResize"/>. Rows that horizontal passes write carry <see cref="Slack"/> bytes beyond their end.</summary>
internal static class ResizeKernels
{
    /// <summary>Bytes a packed row buffer must have beyond its pixels: the loops store whole vectors.</summary>
    internal const int Slack = 16;

    private const int Round = 1 << (ResizeTable.FractionBits - 1);

    /// <summary>Any pixel order to one 32-bit R, G, B, x word a pixel.</summary>
    internal static void Expand(ReadOnlySpan<byte> row, PixelFormat format, Span<uint> pixels)
    {
        if (format == PixelFormat.Rgba8)
        {
            MemoryMarshal.Cast<byte, uint>(row)[..pixels.Length].CopyTo(pixels);
            return;
        }
        ref byte source = ref MemoryMarshal.GetReference(row);
        ref uint target = ref MemoryMarshal.GetReference(pixels);
        int i = 0, channels = format == PixelFormat.Rgb8 ? 3 : 4;
        if (Vector128.IsHardwareAccelerated)
        {
            // Four pixels a step; a vector of three-byte pixels reads 16 bytes and uses 12, so it stops early.
            Vector128<byte> order = format == PixelFormat.Rgb8
                ? Vector128.Create((byte)0, 1, 2, 255, 3, 4, 5, 255, 6, 7, 8, 255, 9, 10, 11, 255)
                : Vector128.Create((byte)2, 1, 0, 3, 6, 5, 4, 7, 10, 9, 8, 11, 14, 13, 12, 15);
            for (; i + 4 <= pixels.Length && i * channels + 16 <= row.Length; i += 4)
                Vector128.Shuffle(Vector128.LoadUnsafe(ref source, (nuint)(i * channels)), order).AsUInt32().StoreUnsafe(ref target, (nuint)i);
        }
        (int red, int blue) = format == PixelFormat.Bgra8 ? (2, 0) : (0, 2);
        for (; i < pixels.Length; i++)
        {
            ReadOnlySpan<byte> pixel = row.Slice(i * channels, channels);
            pixels[i] = pixel[red] | (uint)pixel[1] << 8 | (uint)pixel[blue] << 16;
        }
    }

    /// <summary>Any pixel order to packed R, G, B.</summary>
    internal static void Pack(ReadOnlySpan<byte> row, PixelFormat format, Span<byte> packed)
    {
        if (format == PixelFormat.Rgb8)
        {
            row.CopyTo(packed);
            return;
        }
        (int red, int blue) = format == PixelFormat.Bgra8 ? (2, 0) : (0, 2);
        for (int from = 0, to = 0; from < row.Length; from += 4, to += 3)
            (packed[to], packed[to + 1], packed[to + 2]) = (row[from + red], row[from + 1], row[from + blue]);
    }

    /// <summary>Packed R, G, B of one row resized along x. <paramref name="packed"/> has <see cref="Slack"/> bytes to spare.</summary>
    internal static void Horizontal(ReadOnlySpan<uint> pixels, ResizeTable table, Span<byte> packed)
    {
        ReadOnlySpan<int> starts = table.Starts, counts = table.Counts;
        ref int weights = ref MemoryMarshal.GetReference(table.Weights);
        for (int x = 0; x < starts.Length; x++)
        {
            // The table's contract keeps start + count inside the row; the slice checks it once a pixel.
            ReadOnlySpan<uint> span = pixels.Slice(starts[x], counts[x]);
            ref int weight = ref Unsafe.Add(ref weights, x * table.Taps);
            Vector128<int> sum = Vector128.Create(Round);
            for (int k = 0; k < span.Length; k++)
                sum += Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalar(span[k]).AsByte())).AsInt32() * Unsafe.Add(ref weight, k);
            Vector128<int> bytes = Clamp(sum);
            Vector128<ushort> words = Vector128.Narrow(bytes, bytes).AsUInt16();
            uint pixel = Vector128.Narrow(words, words).AsUInt32().ToScalar();
            MemoryMarshal.Write(packed[(3 * x)..], pixel);
        }
    }

    /// <summary>
    /// One row out of several: bytes of source rows (first + k) % slots, k below the number of weights, each
    /// <paramref name="stride"/> bytes after the other.
    /// </summary>
    internal static void Vertical(ReadOnlySpan<byte> rows, int stride, int first, int slots, ReadOnlySpan<int> weights, Span<byte> output)
    {
        int x = 0;
        if (Vector128.IsHardwareAccelerated && output.Length >= 16)
        {
            // 16 bytes a step in four accumulators; the last step overlaps the one before instead of leaving a tail.
            while (true)
            {
                Vector128<int> a = Vector128.Create(Round), b = a, c = a, d = a;
                for (int k = 0, slot = first; k < weights.Length; k++)
                {
                    ReadOnlySpan<byte> block = rows.Slice(slot * stride + x, 16);
                    (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(block)));
                    Vector128<int> weight = Vector128.Create(weights[k]);
                    a += Vector128.WidenLower(low).AsInt32() * weight;
                    b += Vector128.WidenUpper(low).AsInt32() * weight;
                    c += Vector128.WidenLower(high).AsInt32() * weight;
                    d += Vector128.WidenUpper(high).AsInt32() * weight;
                    if (++slot == slots)
                        slot = 0;
                }
                Vector128<ushort> left = Vector128.Narrow(Clamp(a), Clamp(b)).AsUInt16(), right = Vector128.Narrow(Clamp(c), Clamp(d)).AsUInt16();
                Vector128.Narrow(left, right).CopyTo(output[x..]);
                if (x + 16 == output.Length)
                    return;
                x = Math.Min(x + 16, output.Length - 16);
            }
        }
        for (; x < output.Length; x++)
        {
            int sum = Round;
            for (int k = 0, slot = first; k < weights.Length; k++)
            {
                sum += rows[slot * stride + x] * weights[k];
                if (++slot == slots)
                    slot = 0;
            }
            output[x] = (byte)Math.Clamp(sum >> ResizeTable.FractionBits, 0, 255);
        }
    }

    private static Vector128<int> Clamp(Vector128<int> sum) =>
        Vector128.Max(Vector128<int>.Zero, Vector128.Min(Vector128.Create(255), sum >> ResizeTable.FractionBits));
}
