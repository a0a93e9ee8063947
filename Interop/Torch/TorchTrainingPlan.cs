using TorchSharp;
using TorchSharp.Modules;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// A graph made ready for training: the forward run keeps what autograd needs, <see cref="Backward"/> adds the gradients
/// to the parameters. Plans over the same <see cref="TorchParameters"/> share them, so that batches of several shapes
/// train one model. What a step allocated is freed by <see cref="Backward"/>, <see cref="EndStep"/> or the next
/// <see cref="Forward"/>. Not thread-safe.
/// </summary>
public sealed class TorchTrainingPlan : IDisposable
{
    private readonly TorchProgram _program;
    private readonly bool _halfProducts;
    private readonly Dictionary<string, Tensor> _outputs = [];

    /// <summary>Prepares a graph over these parameters.</summary>
    /// <param name="graph">The loss graph, without cached attentions.</param>
    /// <param name="parameters">Parameters by the graph's weight names; further ones are ignored.</param>
    /// <param name="options">Settings; the defaults when omitted.</param>
    /// <exception cref="CheckpointException">A weight of the graph is missing or of another shape.</exception>
    /// <exception cref="DeviceUnavailableException">libtorch could not be loaded.</exception>
    public TorchTrainingPlan(Graph graph, TorchParameters parameters, TorchOptions? options = null)
    {
        options ??= new TorchOptions();
        TorchLibrary.Load(options);
        _halfProducts = options.BFloat16Products ?? TorchOptions.HasBFloat16Products;
        _program = new TorchProgram(graph.Decompose(op => !TorchKernels.Knows(op)), parameters.Get);
    }

    /// <summary>The buffer of an input, to be filled before each step.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such input.</exception>
    public HostTensor Input(string name) => _program.Input(name);

    /// <summary>Runs the graph on the filled inputs; the results stay readable until the step's end.</summary>
    /// <param name="gradients">False for an evaluation: nothing is kept and <see cref="Backward"/> is not possible.</param>
    /// <param name="cancellationToken">Checked between operations.</param>
    public void Forward(bool gradients = true, CancellationToken cancellationToken = default)
    {
        EndStep();
        using (set_grad_enabled(gradients))
            _program.Run(null, _halfProducts, (name, value) => _outputs.Add(name, value.alias().DetachFromDisposeScope()), cancellationToken);
    }

    /// <summary>A result of the last <see cref="Forward"/> as a tensor of the plan; valid until the step's end.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such output, or no step is open.</exception>
    public Tensor Output(string name) => _outputs.TryGetValue(name, out Tensor? output)
        ? output
        : throw new KeyNotFoundException(_outputs.Count == 0
            ? $"No step is open: call Forward before reading '{name}'."
            : $"The graph has no output '{name}'; it has {string.Join(", ", _outputs.Keys)}.");

    /// <summary>A scalar result of the last <see cref="Forward"/>.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such output, or no step is open.</exception>
    public float Scalar(string name) => Output(name).item<float>();

    /// <summary>A copy of a result of the last <see cref="Forward"/>.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such output, or no step is open.</exception>
    public HostTensor Read(string name)
    {
        Tensor output = Output(name);
        var result = new HostTensor(output.dtype == ScalarType.Int32 ? DType.I32 : DType.F32, new Shape(Array.ConvertAll(output.shape, a => (int)a)));
        TorchMemory.Read(output, result);
        return result;
    }

    /// <summary>Adds the gradients of a scalar result to the parameters and frees what autograd kept. Scalars stay readable.</summary>
    /// <param name="output">Name of the result, usually <c>total</c>.</param>
    /// <exception cref="KeyNotFoundException">The graph has no such output, or no step is open.</exception>
    /// <exception cref="InvalidOperationException">No parameter that learns reaches the result, or the run kept no gradients.</exception>
    public void Backward(string output)
    {
        using DisposeScope scope = NewDisposeScope();
        if (!Output(output).requires_grad)
            throw new InvalidOperationException(
                $"'{output}' depends on no parameter that learns, or its run kept no gradients. Run Forward with gradients, and let a part learn that the graph uses.");
        Output(output).backward();
        foreach (string name in _outputs.Keys)
        {
            Tensor kept = _outputs[name];
            _outputs[name] = kept.detach().DetachFromDisposeScope();
            kept.Dispose();
        }
    }

    /// <summary>Frees the results of the step.</summary>
    public void EndStep()
    {
        foreach (Tensor output in _outputs.Values)
            output.Dispose();
        _outputs.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        EndStep();
        _program.Dispose();
    }
}
