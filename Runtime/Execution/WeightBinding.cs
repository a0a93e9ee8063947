using System.Collections.Concurrent;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Execution;

/// <summary>
/// The weights of a model by the names its graphs use, each in the storage type chosen when they were loaded (plain or
/// quantized): the graph stays the same whatever the type. Thread-safe. Tensors do not change; those named as handed over are let
/// go when an executor holds them in a form of its own, so that a large model is not in memory twice.
/// </summary>
public sealed class WeightBinding
{
    private readonly ConcurrentDictionary<string, HostTensor> _tensors;
    private readonly ConcurrentDictionary<string, Shape> _released = new(StringComparer.Ordinal);
    private readonly IReadOnlySet<string> _handedOver;

    /// <summary>Wraps tensors by name.</summary>
    /// <param name="source">File or folder they come from, for messages.</param>
    /// <param name="tensors">Tensors by the names graphs use.</param>
    /// <param name="handedOver">
    /// Matrices (see <see cref="CheckpointMapping.Matrices"/>) that only one executor will use; the binding lets each go once that
    /// executor has packed it. None when omitted.
    /// </param>
    public WeightBinding(string source, IReadOnlyDictionary<string, HostTensor> tensors, IReadOnlySet<string>? handedOver = null)
    {
        Source = source;
        _tensors = new ConcurrentDictionary<string, HostTensor>(tensors, StringComparer.Ordinal);
        _handedOver = handedOver ?? new HashSet<string>();
    }

    /// <summary>Binds a further tensor, before any plan is prepared that uses it.</summary>
    /// <exception cref="ArgumentException">The name is bound already.</exception>
    public void Add(string name, HostTensor tensor)
    {
        if (Contains(name) || !_tensors.TryAdd(name, tensor))
            throw new ArgumentException($"'{name}' of {Source} is bound already.", nameof(name));
    }

    /// <summary>Where the weights come from.</summary>
    public string Source { get; }

    /// <summary>All names, also of those an executor took over.</summary>
    public IEnumerable<string> Names => _tensors.Keys.Concat(_released.Keys);

    /// <summary>Bytes of the tensors held here, as stored.</summary>
    public long Bytes => _tensors.Values.Sum(t => (long)t.Data.Length);

    /// <summary>Whether a weight is bound.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name) || _released.ContainsKey(name);

    /// <summary>The tensor of this name, in its storage type.</summary>
    /// <exception cref="CheckpointException">It is missing.</exception>
    /// <exception cref="InvalidOperationException">An executor took it over.</exception>
    public HostTensor Get(string name)
    {
        if (_tensors.TryGetValue(name, out HostTensor? tensor))
            return tensor;
        if (_released.ContainsKey(name))
            throw new InvalidOperationException($"The weight '{name}' of {Source} was taken over by the executor that prepared the model first. Load the model again for another one.");
        throw new CheckpointException(Source, name, "the model needs this tensor and the file does not hold it.");
    }

    /// <summary>The tensor bound to a weight of a graph.</summary>
    /// <exception cref="CheckpointException">It is missing or of another shape.</exception>
    /// <exception cref="InvalidOperationException">An executor took it over.</exception>
    public HostTensor Get(WeightOp weight)
    {
        Check(weight);
        return Get(weight.WeightName);
    }

    /// <summary>Refuses a weight of a graph that is not bound in its shape, whether it is still held here or not.</summary>
    /// <exception cref="CheckpointException">It is missing or of another shape.</exception>
    public void Check(WeightOp weight)
    {
        Shape shape = _tensors.TryGetValue(weight.WeightName, out HostTensor? tensor) ? tensor.Shape
            : _released.TryGetValue(weight.WeightName, out Shape gone) ? gone : Get(weight.WeightName).Shape;
        if (shape != weight.WeightShape)
            throw new CheckpointException(Source, weight.WeightName,
                $"has shape {shape}, the model's configuration needs {weight.WeightShape}. Use the configuration that belongs to these weights.");
    }

    /// <summary>Lets a weight go that is named as handed over; others stay. For executors, once they hold it in a form of their own.</summary>
    public void Release(string name)
    {
        if (_handedOver.Contains(name) && _tensors.TryGetValue(name, out HostTensor? tensor))
        {
            _released[name] = tensor.Shape;
            _tensors.TryRemove(name, out _);
        }
    }
}
