using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Native;

/// <summary>A graph as a list of operations with all addresses filled in. Running it allocates nothing.</summary>
internal sealed unsafe class NativePlan : IPlan
{
    private readonly Graph _graph;
    private readonly ContextHandle _context;
    private readonly Dictionary<string, HostTensor> _inputs, _outputs;
    private readonly NativeBlock _arena, _operations, _slotAddresses;
    private readonly PackedWeight[] _weights;
    private readonly object[] _kept;
    private readonly int _count, _tokens, _slotCount;
    private readonly (int Slot, int Batch, int Heads, int Width)[] _slots;
    private bool _disposed;

    /// <summary>Takes over the parts a <see cref="PlanBuilder"/> made.</summary>
    internal NativePlan(Graph graph, ContextHandle context, Dictionary<string, HostTensor> inputs, Dictionary<string, HostTensor> outputs,
        NativeBlock arena, NativeBlock operations, int count, PackedWeight[] weights, object[] kept)
    {
        (_graph, _context, _inputs, _outputs) = (graph, context, inputs, outputs);
        (_arena, _operations, _count, _weights, _kept) = (arena, operations, count, weights, kept);
        _tokens = graph.CachedTokens;
        _slots = graph.Nodes.Where(n => n.Op is AttentionOp { Slot: not null })
            .Select(n => (((AttentionOp)n.Op).Slot!.Value, n.Inputs[1].Shape[0], n.Inputs[1].Shape[2], n.Inputs[1].Shape[3])).ToArray();
        _slotCount = _slots.Select(s => s.Slot + 1).DefaultIfEmpty().Max();
        _slotAddresses = new NativeBlock(2L * sizeof(nint) * _slotCount);
        // Held until the plan goes, whatever happens to the executor.
        bool added = false;
        context.DangerousAddRef(ref added);
        foreach (PackedWeight weight in weights)
            weight.DangerousAddRef(ref added);
    }

    /// <summary>Bytes of intermediate values.</summary>
    internal long ArenaBytes { get; init; }

    /// <inheritdoc/>
    public HostTensor Input(string name) => Named(_inputs, name, "input");

    /// <inheritdoc/>
    public HostTensor Output(string name) => Named(_outputs, name, "output");

    /// <inheritdoc/>
    public void Run(KvCache? cache, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        NativeCache view = default;
        if (_slots.Length > 0)
            view = View(cache);
        var operations = (NativeOp*)_operations.Pointer;
        // With a token that may be cancelled, control comes back between operations; a call costs some 20 ns.
        int step = cancellationToken.CanBeCanceled ? 1 : Math.Max(_count, 1);
        for (int i = 0; i < _count; i += step)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long failed = 0;
            int status = NativeMethods.Run(_context, operations + i, step, _slots.Length > 0 ? &view : null, &failed);
            if (status != NativeMethods.Ok)
                NativeMethods.Check(status);
        }
        GC.KeepAlive(_kept);
        cache?.Advance(_tokens);
    }

    /// <summary>
    /// Runs once, operation by operation, and adds each one's <see cref="System.Diagnostics.Stopwatch"/> ticks and a count
    /// to the entry of its kernel. For measurements; the result is that of <see cref="Run"/>.
    /// </summary>
    internal void RunTimed(KvCache? cache, Span<long> ticks, Span<int> counts)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        NativeCache view = _slots.Length > 0 ? View(cache) : default;
        var operations = (NativeOp*)_operations.Pointer;
        for (int i = 0; i < _count; i++)
        {
            long failed = 0, start = System.Diagnostics.Stopwatch.GetTimestamp();
            NativeMethods.Check(NativeMethods.Run(_context, operations + i, 1, _slots.Length > 0 ? &view : null, &failed));
            ticks[operations[i].Kind] += System.Diagnostics.Stopwatch.GetTimestamp() - start;
            counts[operations[i].Kind]++;
        }
        GC.KeepAlive(_kept);
        cache?.Advance(_tokens);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (PackedWeight weight in _weights)
            weight.DangerousRelease();
        _context.DangerousRelease();
        _arena.Dispose();
        _operations.Dispose();
        _slotAddresses.Dispose();
    }

    // The cache's tensors are pinned for life, so their addresses may be taken without a handle. The common checks look
    // through the graph and allocate; they are left to the case in which something is wrong.
    private NativeCache View(KvCache? cache)
    {
        bool fits = cache is not null && cache.Length + _tokens <= cache.Spec.Capacity;
        for (int i = 0; fits && i < _slots.Length; i++)
        {
            (int slot, int batch, int heads, int width) = _slots[i];
            KvCacheSpec spec = cache!.Spec;
            fits = slot < spec.Slots && batch == spec.Batch && heads == spec.Heads && width == spec.HeadWidth;
        }
        if (!fits)
            KvCacheRules.Check(_graph, cache);
        var keys = (float**)_slotAddresses.Pointer;
        float** values = keys + _slotCount;
        foreach ((int slot, _, _, _) in _slots)
        {
            keys[slot] = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(cache!.Keys(slot).Data.Span));
            values[slot] = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(cache.Values(slot).Data.Span));
        }
        return new NativeCache { Keys = keys, Values = values, Slots = _slotCount, Past = cache!.Length, Capacity = cache.Spec.Capacity };
    }

    private static HostTensor Named(Dictionary<string, HostTensor> known, string name, string what) => known.TryGetValue(name, out HostTensor? tensor)
        ? tensor
        : throw new KeyNotFoundException($"The graph has no {what} '{name}'; it has {string.Join(", ", known.Keys)}.");
}
