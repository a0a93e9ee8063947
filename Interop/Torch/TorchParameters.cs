using TorchSharp;
using TorchSharp.Modules;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// The float32 parameters of a model in libtorch memory, by the names its graphs use, with gradients. All learn until
/// <see cref="Learn"/> freezes some. Owns them. Not thread-safe.
/// </summary>
public sealed class TorchParameters : IDisposable
{
    private readonly Dictionary<string, Parameter> _parameters = [];
    private readonly string _source;

    /// <summary>Copies every tensor of a binding.</summary>
    /// <exception cref="DeviceUnavailableException">libtorch could not be loaded.</exception>
    public TorchParameters(WeightBinding weights)
    {
        TorchLibrary.Load(new TorchOptions());
        _source = weights.Source;
        foreach (string name in weights.Names)
        {
            Tensor values = TorchMemory.ToTorch(TorchLibrary.Floats(weights.Get(name))).DetachFromDisposeScope();
            _parameters.Add(name, (Parameter)new Parameter(values, requires_grad: true).DetachFromDisposeScope());
        }
    }

    /// <summary>All parameters by name.</summary>
    public IReadOnlyDictionary<string, Parameter> ByName => _parameters;

    /// <summary>The parameters that learn, by name: what an optimiser is made of. A new one after each <see cref="Learn"/>.</summary>
    public IReadOnlyDictionary<string, Parameter> Learning => _parameters.Where(p => p.Value.requires_grad).ToDictionary();

    /// <summary>
    /// Says which parameters learn from the next forward run on, by name, usually
    /// <see cref="Models.ModelParts.Learning"/>. Gradients of the others are not computed, and dropped where there are any.
    /// Plans over these parameters stay good.
    /// </summary>
    /// <exception cref="ArgumentException">The rule leaves nothing to learn.</exception>
    public void Learn(Func<string, bool> learns)
    {
        ArgumentNullException.ThrowIfNull(learns);
        // Asked for all names before any is changed, as the rule may throw.
        HashSet<string> chosen = [.. _parameters.Keys.Where(learns)];
        if (chosen.Count == 0)
            throw new ArgumentException($"None of the {_parameters.Count} parameters of '{_source}' would learn. Choose a part that these weights hold.", nameof(learns));
        foreach ((string name, Parameter parameter) in _parameters)
        {
            parameter.requires_grad = chosen.Contains(name);
            if (!parameter.requires_grad)
                parameter.grad = null;
        }
    }

    /// <summary>Number of all parameters' elements.</summary>
    public long Count => _parameters.Values.Sum(p => p.numel());

    /// <summary>The gradient of a parameter, null when frozen and before the first backward run that reached it. Owned by the parameter.</summary>
    /// <exception cref="KeyNotFoundException">There is no such parameter.</exception>
    public Tensor? Gradient(string name) => _parameters[name].grad;

    /// <summary>Euclidean norm of every gradient; 0 where no backward run reached the parameter.</summary>
    public IReadOnlyDictionary<string, double> GradientNorms()
    {
        using DisposeScope scope = NewDisposeScope();
        return _parameters.ToDictionary(p => p.Key, p => p.Value.grad is { } gradient ? gradient.norm().item<float>() : 0.0);
    }

    /// <summary>Sets every gradient to zero.</summary>
    public void ClearGradients()
    {
        using IDisposable quiet = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach (Parameter parameter in _parameters.Values)
            parameter.grad?.zero_();
    }

    /// <summary>A copy of a parameter's values.</summary>
    /// <exception cref="KeyNotFoundException">There is no such parameter.</exception>
    public HostTensor Read(string name)
    {
        Parameter parameter = _parameters[name];
        var copy = new HostTensor(DType.F32, new Shape(Array.ConvertAll(parameter.shape, a => (int)a)));
        TorchMemory.Read(parameter, copy);
        return copy;
    }

    /// <summary>Overwrites a parameter's values.</summary>
    /// <exception cref="KeyNotFoundException">There is no such parameter.</exception>
    /// <exception cref="ShapeMismatchException">The shapes differ.</exception>
    public void Write(string name, HostTensor values)
    {
        Parameter parameter = _parameters[name];
        if (values.Shape != new Shape(Array.ConvertAll(parameter.shape, a => (int)a)))
            throw new ShapeMismatchException($"'{name}' has shape [{string.Join(", ", parameter.shape)}], the given values have {values.Shape}.");
        using DisposeScope scope = NewDisposeScope();
        TorchMemory.Fill(parameter.detach(), TorchLibrary.Floats(values));
    }

    /// <summary>A copy of all parameters, to run or to save.</summary>
    public WeightBinding ToBinding(string source) => new(source, _parameters.Keys.ToDictionary(n => n, Read));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Parameter parameter in _parameters.Values)
        {
            parameter.grad?.Dispose();
            parameter.Dispose();
        }
        _parameters.Clear();
    }

    internal Tensor Get(WeightOp weight)
    {
        if (!_parameters.TryGetValue(weight.WeightName, out Parameter? parameter))
            throw new CheckpointException(_source, weight.WeightName, "the graph needs this parameter and there is none of that name.");
        if (new Shape(Array.ConvertAll(parameter.shape, a => (int)a)) != weight.WeightShape)
            throw new CheckpointException(_source, weight.WeightName,
                $"has shape [{string.Join(", ", parameter.shape)}], the model's configuration needs {weight.WeightShape}.");
        return parameter;
    }
}
