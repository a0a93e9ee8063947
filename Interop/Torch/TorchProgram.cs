using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// A graph laid out for running: slots instead of values, inputs and constants in libtorch memory, and for every node the
/// slots that nobody reads afterwards, so that memory is given back as early as possible.
/// </summary>
internal sealed class TorchProgram : IDisposable
{
    private readonly Graph _graph;
    private readonly Tensor?[] _slots;
    private readonly int[][] _reads, _lastReads;
    private readonly bool[] _fixed;
    private readonly Dictionary<string, HostTensor> _inputs = [];
    private readonly List<(int Slot, HostTensor Host)> _inputSlots = [];
    private readonly List<Tensor> _own = [];
    private readonly Dictionary<string, int> _outputs = [];
    private readonly HashSet<Tensor> _weights = new(ReferenceEqualityComparer.Instance);

    internal TorchProgram(Graph graph, Func<WeightOp, Tensor> weights)
    {
        _graph = graph;
        var slots = new Dictionary<Value, int>();
        foreach (Value node in graph.Nodes)
            slots.Add(node, slots.Count);
        _slots = new Tensor?[slots.Count];
        _fixed = new bool[slots.Count];
        _reads = graph.Nodes.Select(n => n.Inputs.Select(i => slots[i]).ToArray()).ToArray();
        foreach ((string name, Value value) in graph.Outputs)
            _outputs.Add(name, slots[value]);
        using (var scope = NewDisposeScope())
            for (int i = 0; i < _slots.Length; i++)
                Place(graph.Nodes[i], i, weights);
        _lastReads = LastReads();
    }

    internal Graph Graph => _graph;

    internal HostTensor Input(string name) => _inputs.TryGetValue(name, out HostTensor? input)
        ? input
        : throw new KeyNotFoundException($"The graph has no input '{name}'; it has {string.Join(", ", _inputs.Keys)}.");

    /// <summary>Runs every node and calls <paramref name="read"/> with each named result, which dies afterwards unless moved out.</summary>
    internal void Run(KvCache? cache, bool halfProducts, Action<string, Tensor> read, CancellationToken cancellationToken)
    {
        KvCacheRules.Check(_graph, cache);
        foreach ((int slot, HostTensor host) in _inputSlots)
            TorchMemory.Fill(_slots[slot]!, host);
        var run = new TorchRun(cache, halfProducts, _weights);
        using DisposeScope scope = NewDisposeScope();
        try
        {
            for (int i = 0; i < _slots.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!_fixed[i])
                    Step(i, run);
            }
            foreach ((string name, int slot) in _outputs)
                read(name, _slots[slot]!);
        }
        finally
        {
            for (int i = 0; i < _slots.Length; i++)
                if (!_fixed[i])
                    _slots[i] = null;
        }
        cache?.Advance(_graph.CachedTokens);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in _own)
            tensor.Dispose();
        _own.Clear();
    }

    private void Step(int index, TorchRun run)
    {
        Tensor[] inputs = Array.ConvertAll(_reads[index], r => _slots[r]!);
        using (DisposeScope scope = NewDisposeScope())
        {
            Tensor result = TorchKernels.Run(_graph.Nodes[index], inputs, run);
            // An operation may hand back its input itself; the slot needs a handle of its own.
            _slots[index] = (Array.Exists(inputs, i => ReferenceEquals(i, result)) ? result.alias() : result).MoveToOuterDisposeScope();
        }
        foreach (int dead in _lastReads[index])
        {
            _slots[dead]!.Dispose();
            _slots[dead] = null;
        }
    }

    private void Place(Value node, int slot, Func<WeightOp, Tensor> weights)
    {
        switch (node.Op)
        {
            case InputOp input:
                var host = new HostTensor(node.Type, node.Shape);
                _inputs.Add(input.InputName, host);
                _inputSlots.Add((slot, host));
                Own(slot, TorchMemory.ToTorch(host));
                break;
            case ConstantOp constant:
                Own(slot, TorchMemory.ToTorch(constant.Tensor));
                break;
            case WeightOp weight:
                _slots[slot] = weights(weight);
                _weights.Add(_slots[slot]!);
                _fixed[slot] = true;
                break;
        }
    }

    private void Own(int slot, Tensor tensor)
    {
        _slots[slot] = tensor.DetachFromDisposeScope();
        _own.Add(tensor);
        _fixed[slot] = true;
    }

    private int[][] LastReads()
    {
        var last = new int[_slots.Length];
        Array.Fill(last, -1);
        for (int i = 0; i < _reads.Length; i++)
            foreach (int slot in _reads[i])
                last[slot] = i;
        var kept = new HashSet<int>(_outputs.Values);
        var result = Enumerable.Range(0, _slots.Length).Select(_ => new List<int>()).ToArray();
        for (int slot = 0; slot < last.Length; slot++)
            if (last[slot] >= 0 && !_fixed[slot] && !kept.Contains(slot))
                result[last[slot]].Add(slot);
        return [.. result.Select(r => r.ToArray())];
    }
}
