using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>
/// Runs graphs without arithmetic: shapes, weights, inputs and cache are checked as everywhere, outputs stay zero. For
/// tests of plans and for counting cost before any hardware is chosen.
/// </summary>
public sealed class NullExecutor : IExecutor
{
    /// <inheritdoc/>
    public string Name => "null";

    /// <inheritdoc/>
    public bool Supports(Op op) => true;

    /// <inheritdoc/>
    public IPlan Prepare(Graph graph, WeightBinding weights)
    {
        foreach (WeightOp weight in graph.Weights)
            weights.Get(weight);
        return new Plan(graph);
    }

    /// <inheritdoc/>
    public KvCache CreateCache(KvCacheSpec spec) => new(spec);

    /// <inheritdoc/>
    public void Dispose() { }

    private sealed class Plan(Graph graph) : IPlan
    {
        private readonly Dictionary<string, HostTensor> _inputs = graph.Inputs.ToDictionary(i => i.InputName, i => new HostTensor(i.InputType, i.InputShape));
        private readonly Dictionary<string, HostTensor> _outputs = graph.Outputs.ToDictionary(o => o.Key, o => new HostTensor(o.Value.Type, o.Value.Shape));

        public HostTensor Input(string name) => _inputs.TryGetValue(name, out HostTensor? input)
            ? input
            : throw new KeyNotFoundException($"The graph has no input '{name}'; it has {string.Join(", ", _inputs.Keys)}.");

        public HostTensor Output(string name) => _outputs.TryGetValue(name, out HostTensor? output)
            ? output
            : throw new KeyNotFoundException($"The graph has no output '{name}'; it has {string.Join(", ", _outputs.Keys)}.");

        public void Run(KvCache? cache, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            KvCacheRules.Check(graph, cache);
            cache?.Advance(graph.CachedTokens);
        }

        public void Dispose() { }
    }
}
