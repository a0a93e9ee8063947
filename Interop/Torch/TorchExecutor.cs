using System.Runtime.CompilerServices;
using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// Runs graphs op by op with libtorch on the CPU in float32: a second oracle, and the forward half of training
/// (<see cref="TorchTrainingPlan"/>). Weights stored in another type are turned into float32 when a plan is prepared; the
/// plans of one binding share them.
/// </summary>
public sealed class TorchExecutor : IExecutor
{
    internal const string ExecutorName = "torch";

    private readonly TorchOptions _options;
    private readonly ConditionalWeakTable<WeightBinding, TorchWeights> _weights = [];
    private readonly Lock _gate = new();
    private bool _disposed;

    /// <summary>Loads libtorch with the default settings.</summary>
    /// <exception cref="DeviceUnavailableException">libtorch could not be loaded.</exception>
    public TorchExecutor() : this(null)
    {
    }

    /// <summary>Loads libtorch and applies the options.</summary>
    /// <param name="options">Settings; the defaults when omitted.</param>
    /// <exception cref="DeviceUnavailableException">libtorch could not be loaded.</exception>
    public TorchExecutor(TorchOptions? options)
    {
        _options = options ?? new TorchOptions();
        TorchLibrary.Load(_options);
    }

    /// <inheritdoc/>
    public string Name => ExecutorName;

    /// <inheritdoc/>
    public bool Supports(Op op) => op is InputOp or WeightOp or ConstantOp || TorchKernels.Knows(op);

    /// <inheritdoc/>
    public IPlan Prepare(Graph graph, WeightBinding weights)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Graph runnable = GraphLowering.Lower(this, graph);
        lock (_gate)
        {
            TorchWeights shared = _weights.GetValue(weights, w => new TorchWeights(w));
            return new Plan(new TorchProgram(runnable, shared.Get), _options.BFloat16Products ?? false);
        }
    }

    /// <inheritdoc/>
    public KvCache CreateCache(KvCacheSpec spec)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new KvCache(spec);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        lock (_gate)
        {
            foreach ((_, TorchWeights shared) in _weights)
                shared.Dispose();
            _weights.Clear();
        }
    }

    private sealed class Plan : IPlan
    {
        private readonly TorchProgram _program;
        private readonly bool _halfProducts;
        private readonly Dictionary<string, HostTensor> _outputs;
        private bool _disposed;

        internal Plan(TorchProgram program, bool halfProducts)
        {
            _program = program;
            _halfProducts = halfProducts;
            _outputs = program.Graph.Outputs.ToDictionary(o => o.Key, o => new HostTensor(o.Value.Type, o.Value.Shape));
        }

        public HostTensor Input(string name) => _program.Input(name);

        public HostTensor Output(string name) => _outputs.TryGetValue(name, out HostTensor? output)
            ? output
            : throw new KeyNotFoundException($"The graph has no output '{name}'; it has {string.Join(", ", _outputs.Keys)}.");

        public void Run(KvCache? cache, CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            using (no_grad())
                _program.Run(cache, _halfProducts, (name, value) => TorchMemory.Read(value, _outputs[name]), cancellationToken);
        }

        public void Dispose()
        {
            _disposed = true;
            _program.Dispose();
        }
    }
}

/// <summary>The weights of a binding in libtorch memory, each made when a graph first asks for it.</summary>
internal sealed class TorchWeights(WeightBinding binding) : IDisposable
{
    private readonly Dictionary<string, Tensor> _tensors = [];

    internal Tensor Get(WeightOp weight)
    {
        HostTensor stored = binding.Get(weight);
        if (!_tensors.TryGetValue(weight.WeightName, out Tensor? tensor))
            _tensors.Add(weight.WeightName, tensor = TorchMemory.ToTorch(TorchLibrary.Floats(stored)).DetachFromDisposeScope());
        return tensor;
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values)
            tensor.Dispose();
        _tensors.Clear();
    }
}
