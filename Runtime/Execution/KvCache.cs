using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>Layout of a decoder's KV cache.</summary>
/// <param name="Slots">Number of cached attentions (decoder layers).</param>
/// <param name="Heads">Key/value heads of a layer.</param>
/// <param name="HeadWidth">Width of a head.</param>
/// <param name="Capacity">Most tokens a sequence may hold.</param>
/// <param name="Batch">Sequences side by side.</param>
public sealed record KvCacheSpec(int Slots, int Heads, int HeadWidth, int Capacity, int Batch = 1)
{
    /// <summary>Bytes of keys and values at full capacity, stored as F32; the largest <see cref="long"/> when there are more.</summary>
    public long Bytes
    {
        get
        {
            // No double below 2^62 is far enough from the product for that to pass the largest long.
            double about = 2.0 * sizeof(float) * Slots * Batch * Capacity * Heads * HeadWidth;
            return Math.Abs(about) < 1L << 62 ? 2L * sizeof(float) * Slots * Batch * Capacity * Heads * HeadWidth : long.MaxValue;
        }
    }
}

/// <summary>
/// Keys and values of the tokens seen so far, in host memory: per slot two F32 tensors [B, Capacity, K, H]. Not
/// thread-safe. A fork copies the tokens held and is independent afterwards, so one encoded picture can start many answers.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly HostTensor[] _keys, _values;
    private bool _disposed;

    /// <summary>Allocates an empty cache.</summary>
    /// <exception cref="ArgumentException">A number of the layout is not positive, or one slot's keys exceed 2 GiB.</exception>
    public KvCache(KvCacheSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec is not { Slots: > 0, Heads: > 0, HeadWidth: > 0, Capacity: > 0, Batch: > 0 })
            throw new ArgumentException($"A KV cache of {spec} holds nothing; every number must be at least 1.", nameof(spec));
        if ((Int128)sizeof(float) * spec.Batch * spec.Capacity * spec.Heads * spec.HeadWidth > Array.MaxLength)
            throw new ArgumentException($"A KV cache of {spec} needs more than 2 GiB for the keys of one slot. Ask for a smaller capacity.", nameof(spec));
        Spec = spec;
        var shape = new Shape(spec.Batch, spec.Capacity, spec.Heads, spec.HeadWidth);
        _keys = Enumerable.Range(0, spec.Slots).Select(_ => Pinned(shape)).ToArray();
        _values = Enumerable.Range(0, spec.Slots).Select(_ => Pinned(shape)).ToArray();
    }

    /// <summary>The layout.</summary>
    public KvCacheSpec Spec { get; }

    /// <summary>Tokens held, the same for every sequence and slot.</summary>
    public int Length { get; private set; }

    /// <summary>Keys of a slot, F32 [B, Capacity, K, H]; rows from <see cref="Length"/> on are undefined.</summary>
    public HostTensor Keys(int slot) => Live(_keys[slot]);

    /// <summary>Values of a slot, F32 [B, Capacity, K, H]; rows from <see cref="Length"/> on are undefined.</summary>
    public HostTensor Values(int slot) => Live(_values[slot]);

    /// <summary>An independent copy of the tokens held.</summary>
    /// <param name="capacity">Capacity of the copy; this cache's own when omitted.</param>
    public KvCache Fork(int? capacity = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var copy = new KvCache(Spec with { Capacity = Math.Max(capacity ?? Spec.Capacity, Length) });
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Forgets the tokens held and takes over another cache's, as <see cref="Fork"/> does but into memory that exists.</summary>
    /// <exception cref="ArgumentException">The other cache has another layout, or holds more tokens than fit here.</exception>
    public void CopyFrom(KvCache source)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ObjectDisposedException.ThrowIf(source._disposed, source);
        if (ReferenceEquals(source, this))
            return;
        if (source.Spec with { Capacity = Spec.Capacity } != Spec)
            throw new ArgumentException($"A cache of {source.Spec} cannot be copied into one of {Spec}.", nameof(source));
        Length = 0;
        EnsureRoom(source.Length);
        int row = Spec.Heads * Spec.HeadWidth, tokens = source.Length * row;
        for (int slot = 0; slot < Spec.Slots; slot++)
            for (int b = 0; b < Spec.Batch; b++)
            {
                int from = b * source.Spec.Capacity * row, to = b * Spec.Capacity * row;
                source._keys[slot].Floats.Slice(from, tokens).CopyTo(_keys[slot].Floats[to..]);
                source._values[slot].Floats.Slice(from, tokens).CopyTo(_values[slot].Floats[to..]);
            }
        Length = source.Length;
    }

    /// <summary>Forgets the tokens from <paramref name="length"/> on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative or larger than the tokens held.</exception>
    public void Truncate(int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Counts tokens an executor has just written to every slot.</summary>
    /// <exception cref="ArgumentException">They exceed the capacity.</exception>
    public void Advance(int tokens)
    {
        EnsureRoom(tokens);
        Length += tokens;
    }

    /// <summary>Checks that a chunk fits before anything is written.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public void EnsureRoom(int tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens > Spec.Capacity - Length)
            throw new ArgumentException(
                $"The KV cache holds {Length} of {Spec.Capacity} tokens; {tokens} more do not fit. Create it with a larger capacity.");
    }

    /// <inheritdoc/>
    public void Dispose() => _disposed = true;

    private HostTensor Live(HostTensor tensor)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return tensor;
    }

    // Pinned so that native kernels may keep the address for the length of a call without a handle.
    private static HostTensor Pinned(Shape shape) =>
        new(DType.F32, shape, GC.AllocateUninitializedArray<byte>(checked((int)DType.F32.ByteCount(shape)), pinned: true));
}
