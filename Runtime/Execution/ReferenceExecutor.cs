using System.Runtime.CompilerServices;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Execution;

/// <summary>
/// The oracle: every operation of the closed set in plain managed loops with double accumulators, written to be read.
/// All other executors are held to it. It is slow and runs on the calling thread. Weights of any storage type are turned into
/// floats when a plan is prepared.
/// </summary>
public sealed class ReferenceExecutor : IExecutor
{
    // Stored types other than F32 are widened once, and shared by all plans while their weight lives.
    private readonly ConditionalWeakTable<HostTensor, HostTensor> _widened = [];
    private bool _disposed;

    /// <inheritdoc/>
    public string Name => "reference";

    /// <inheritdoc/>
    public bool Supports(Op op) => op is InputOp or WeightOp or ConstantOp or ReshapeOp || ReferenceKernels.Knows(op);

    /// <inheritdoc/>
    public IPlan Prepare(Graph graph, WeightBinding weights)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Plan(this, GraphLowering.Lower(this, graph), weights);
    }

    /// <inheritdoc/>
    public KvCache CreateCache(KvCacheSpec spec)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new KvCache(spec);
    }

    /// <inheritdoc/>
    public void Dispose() => _disposed = true;

    private sealed class Plan : IPlan
    {
        private readonly Graph _graph;
        private readonly Dictionary<Value, HostTensor> _values = [];
        private readonly Dictionary<string, HostTensor> _inputs = [];
        private bool _disposed;

        internal Plan(ReferenceExecutor owner, Graph graph, WeightBinding weights)
        {
            _graph = graph;
            foreach (Value node in graph.Nodes)
            {
                HostTensor tensor = node.Op switch
                {
                    WeightOp weight => owner.Floats(weights.Get(weight)),
                    ConstantOp constant => constant.Tensor,
                    ReshapeOp reshape => _values[node.Inputs[0]].Reshape(reshape.Target),
                    _ => new HostTensor(node.Type, node.Shape),
                };
                _values.Add(node, tensor);
                if (node.Op is InputOp input)
                    _inputs.Add(input.InputName, tensor);
            }
        }

        public HostTensor Input(string name) => _inputs.TryGetValue(name, out HostTensor? input)
            ? input
            : throw new KeyNotFoundException($"The graph has no input '{name}'; it has {string.Join(", ", _inputs.Keys)}.");

        public HostTensor Output(string name) => _graph.Outputs.TryGetValue(name, out Value? output)
            ? _values[output]
            : throw new KeyNotFoundException($"The graph has no output '{name}'; it has {string.Join(", ", _graph.Outputs.Keys)}.");

        public void Run(KvCache? cache, CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            KvCacheRules.Check(_graph, cache);
            foreach (Value node in _graph.Nodes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (node.Op is InputOp or WeightOp or ConstantOp or ReshapeOp)
                    continue;
                HostTensor[] inputs = node.Inputs.Select(i => _values[i]).ToArray();
                ReferenceKernels.Run(node.Op, inputs, _values[node], cache);
            }
            cache?.Advance(_graph.CachedTokens);
        }

        public void Dispose() => _disposed = true;
    }

    private HostTensor Floats(HostTensor weight) => weight.Type == DType.F32 ? weight : _widened.GetValue(weight, Dequantizer.ToFloats);
}
