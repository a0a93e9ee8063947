using VlmSdk.Tensors;

namespace VlmSdk.Native;

/// <summary>Memory behind one or more values: a place in the arena, or a tensor at a fixed address.</summary>
internal sealed class NodeBuffer
{
    internal NodeBuffer(long bytes) => Bytes = bytes;

    internal NodeBuffer(FixedTensor tensor) : this(tensor.Tensor.Data.Length) => Tensor = tensor;

    internal long Bytes { get; }

    /// <summary>The tensor of an input, output, weight or constant; null for a place in the arena.</summary>
    internal FixedTensor? Tensor { get; set; }

    /// <summary>Place in the arena, once planned.</summary>
    internal long Offset { get; set; }

    /// <summary>First and last operation that touch the buffer.</summary>
    internal int First { get; private set; } = int.MaxValue;

    internal int Last { get; private set; } = -1;

    internal void Touch(int operation) => (First, Last) = (Math.Min(First, operation), Math.Max(Last, operation));
}

/// <summary>A value's place: an offset in bytes into a buffer.</summary>
internal readonly record struct Place(NodeBuffer Buffer, long Offset)
{
    internal unsafe nint Address(byte* arena) =>
        (nint)((Buffer.Tensor is { } tensor ? tensor.Pointer : arena + Buffer.Offset) + Offset);

    /// <summary>The place as a tensor; only for buffers with a fixed tensor.</summary>
    internal HostTensor View(DType type, Shape shape) =>
        new(type, shape, Buffer.Tensor!.Tensor.Data.Slice((int)Offset, (int)type.ByteCount(shape)));
}

/// <summary>Lays the intermediate buffers of a plan into one arena, reusing the place of values that are no longer needed.</summary>
internal static class MemoryPlan
{
    private const long Alignment = 64;

    /// <summary>Gives every buffer without a tensor its offset and returns the arena's size.</summary>
    internal static long Assign(IEnumerable<NodeBuffer> buffers)
    {
        var free = new List<(long Offset, long Bytes)>();
        var live = new PriorityQueue<NodeBuffer, int>();
        long size = 0;
        foreach (NodeBuffer buffer in buffers.Where(b => b.Tensor is null && b.Last >= 0).OrderBy(b => b.First))
        {
            while (live.TryPeek(out NodeBuffer? done, out int last) && last < buffer.First)
            {
                live.Dequeue();
                Release(free, done.Offset, Rounded(done.Bytes));
            }
            long bytes = Rounded(buffer.Bytes);
            int best = -1;
            for (int i = 0; i < free.Count; i++)
                if (free[i].Bytes >= bytes && (best < 0 || free[i].Bytes < free[best].Bytes))
                    best = i;
            if (best >= 0)
            {
                (buffer.Offset, long room) = free[best];
                free.RemoveAt(best);
                if (room > bytes)
                    Release(free, buffer.Offset + bytes, room - bytes);
            }
            else
            {
                // A gap at the end is widened rather than left behind.
                int tail = free.FindIndex(f => f.Offset + f.Bytes == size);
                buffer.Offset = tail >= 0 ? free[tail].Offset : size;
                if (tail >= 0)
                    free.RemoveAt(tail);
                size = checked(buffer.Offset + bytes);
            }
            live.Enqueue(buffer, buffer.Last);
        }
        return size;
    }

    // Never nothing, so that every buffer has an address of its own.
    private static long Rounded(long bytes) => checked((Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment);

    private static void Release(List<(long Offset, long Bytes)> free, long offset, long bytes)
    {
        int before = free.FindIndex(f => f.Offset + f.Bytes == offset);
        if (before >= 0)
        {
            (offset, bytes) = (free[before].Offset, free[before].Bytes + bytes);
            free.RemoveAt(before);
        }
        int after = free.FindIndex(f => f.Offset == offset + bytes);
        if (after >= 0)
        {
            bytes += free[after].Bytes;
            free.RemoveAt(after);
        }
        free.Add((offset, bytes));
    }
}
