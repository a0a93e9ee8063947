using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>
/// The weights of a model by the names its graphs use, each in the storage type chosen when they were loaded (plain or
/// quantized): the graph stays the same whatever the type. Immutable and thread-safe.
/// </summary>
public sealed class WeightBinding
{
    private readonly IReadOnlyDictionary<string, HostTensor> _tensors;

    /// <summary>Wraps tensors by name.</summary>
    /// <param name="source">File or folder they come from, for messages.</param>
    /// <param name="tensors">Tensors by the names graphs use.</param>
    public WeightBinding(string source, IReadOnlyDictionary<string, HostTensor> tensors)
    {
        Source = source;
        _tensors = tensors;
    }

    /// <summary>Where the weights come from.</summary>
    public string Source { get; }

    /// <summary>All names.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Bytes of all tensors as stored.</summary>
    public long Bytes => _tensors.Values.Sum(t => (long)t.Data.Length);

    /// <summary>Whether a weight is bound.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The tensor of this name, in its storage type.</summary>
    /// <exception cref="CheckpointException">It is missing.</exception>
    public HostTensor Get(string name) => _tensors.TryGetValue(name, out HostTensor? tensor)
        ? tensor
        : throw new CheckpointException(Source, name, "the model needs this tensor and the file does not hold it.");

    /// <summary>The tensor bound to a weight of a graph.</summary>
    /// <exception cref="CheckpointException">It is missing or of another shape.</exception>
    public HostTensor Get(WeightOp weight)
    {
        HostTensor tensor = Get(weight.WeightName);
        if (tensor.Shape != weight.WeightShape)
            throw new CheckpointException(Source, weight.WeightName,
                $"has shape {tensor.Shape}, the model's configuration needs {weight.WeightShape}. Use the configuration that belongs to these weights.");
        return tensor;
    }
}
