using System.Numerics;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// A byte range that was proved to lie inside a file. Every sum and product of numbers read from a file goes through
/// this type: nothing wraps, and nothing is allocated from a number that was not checked here.
/// </summary>
internal readonly record struct CheckedExtent(long Begin, long Length)
{
    internal long End => Begin + Length;

    /// <summary>A range of a file; false when it does not lie inside the first <paramref name="limit"/> bytes.</summary>
    internal static bool TryCreate(ulong begin, ulong length, long limit, out CheckedExtent extent)
    {
        bool inside = begin <= (ulong)limit && length <= (ulong)limit - begin;
        extent = inside ? new CheckedExtent((long)begin, (long)length) : default;
        return inside;
    }

    /// <summary>Whether so many items of at least this size can lie in the bytes that are left.</summary>
    internal static bool Fits(ulong count, int smallestItem, long bytesLeft) => count <= (ulong)bytesLeft / (ulong)smallestItem;

    /// <summary>The next multiple of a power of two; false when it leaves 63 bits.</summary>
    internal static bool TryAlign(long value, uint alignment, out long aligned)
    {
        long mask = alignment - 1L;
        aligned = value <= long.MaxValue - mask ? (value + mask) & ~mask : 0;
        return value <= long.MaxValue - mask;
    }

    /// <summary>
    /// Shape and bytes of a tensor from axes as a file gives them (outermost first), or the fault in words.
    /// A zero axis gives zero bytes, but the other axes must still be sound.
    /// </summary>
    internal static string? Measure(DType type, ReadOnlySpan<ulong> axes, out Shape shape, out long bytes)
    {
        shape = default;
        bytes = 0;
        Span<int> sizes = stackalloc int[axes.Length];
        var count = UInt128.One;
        var nonZero = UInt128.One;
        for (int i = 0; i < axes.Length; i++)
        {
            if (axes[i] > int.MaxValue)
                return $"axis {i} is {axes[i]}; an axis holds at most {int.MaxValue}";
            sizes[i] = (int)axes[i];
            count *= axes[i];
            nonZero *= Math.Max(axes[i], 1);
            if (nonZero > long.MaxValue / 8)
                return "the number of elements overflows 64 bits";
        }
        int block = type.BlockLength();
        if (block > 1 && (axes.Length == 0 || sizes[^1] % block != 0))
            return $"{type} packs {block} elements a block, but a row has {(axes.Length == 0 ? 1 : sizes[^1])} elements";
        // At most 2^60 elements of at most 8 bytes: the product fits.
        bytes = (long)(count / (uint)block * (uint)type.BlockBytes());
        shape = new Shape(sizes);
        return null;
    }
}
