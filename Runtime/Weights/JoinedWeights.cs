using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>The tensors of one checkpoint and, under names of the caller's, some of another. Owns neither.</summary>
internal sealed class JoinedWeights : IWeightSource
{
    private readonly IWeightSource _first, _second;
    private readonly Dictionary<string, TensorInfo> _tensors;
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);

    /// <summary>Joins two.</summary>
    /// <param name="first">The checkpoint, under its own names.</param>
    /// <param name="second">The other.</param>
    /// <param name="nameOf">The name a tensor of the other has here, null for those left out.</param>
    /// <exception cref="CheckpointException">A name would stand for two tensors.</exception>
    internal JoinedWeights(IWeightSource first, IWeightSource second, Func<string, string?> nameOf)
    {
        (_first, _second) = (first, second);
        _tensors = new Dictionary<string, TensorInfo>(first.Tensors, StringComparer.Ordinal);
        foreach (TensorInfo tensor in second.Tensors.Values)
            if (nameOf(tensor.Name) is { } name)
            {
                if (!_tensors.TryAdd(name, new TensorInfo(name, tensor.Type, tensor.Shape, tensor.Offset, tensor.ByteCount)))
                    throw new CheckpointException(second.Source, TensorReading.Shown(tensor.Name), $"lies in {first.Source} as well. Keep one of them.");
                _names.Add(name, tensor.Name);
            }
    }

    public string Source => _first.Source;

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    public HostTensor Read(string name) => _names.TryGetValue(name, out string? own) ? _second.Read(own) : _first.Read(name);

    public void Read(string name, long offset, Span<byte> buffer)
    {
        if (_names.TryGetValue(name, out string? own))
            _second.Read(own, offset, buffer);
        else
            _first.Read(name, offset, buffer);
    }

    public void Dispose()
    {
    }
}
