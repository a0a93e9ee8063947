using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// Reads a checkpoint under the names a model's graphs use. The mapping is total: every tensor of the file is used,
/// known to be unused, or named in an exception, and so is every tensor the model needs.
/// </summary>
public static class CheckpointMapping
{
    /// <summary>Reads the tensors a model needs.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="rename">The model's name for a name in the file, null for buffers that hold no weights. Renaming a model's name gives it back.</param>
    /// <param name="needed">The weights the graphs use.</param>
    /// <param name="unused">Further tensors the published file may hold and no graph reads; their shapes are checked.</param>
    /// <param name="reading">The type matrices are brought into and who is told of progress; as stored when omitted.</param>
    /// <param name="cancellationToken">Stops between pieces of 4 MiB; nothing is left behind.</param>
    /// <exception cref="CheckpointException">A tensor is missing, unknown, of another shape, there twice, or holds values the type cannot.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, Func<string, string?> rename, IEnumerable<WeightSpec> needed, IEnumerable<WeightSpec>? unused = null,
        WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        ReadEach(file, rename, needed, unused, reading, cancellationToken).ToDictionary(t => t.Weight.Name, t => t.Tensor);

    /// <summary>Reads as <see cref="Read"/> does, each tensor when it is asked for, so that whoever needs it in another form holds one at a time.</summary>
    /// <inheritdoc cref="Read"/>
    public static IEnumerable<(WeightSpec Weight, HostTensor Tensor)> ReadEach(
        IWeightSource file, Func<string, string?> rename, IEnumerable<WeightSpec> needed, IEnumerable<WeightSpec>? unused = null,
        WeightReading? reading = null, CancellationToken cancellationToken = default)
    {
        CheckpointFit fit = Compare(file, rename, needed, unused);
        if (fit.Faults.Count > 0)
            throw fit.Faults[0];
        var reader = new WeightReader(file, reading ?? new WeightReading(), fit.Used.Sum(u => u.Tensor.ByteCount), cancellationToken);
        return fit.Used.Select(u => (u.Weight, reader.Read(u.Weight, u.Tensor)));
    }

    /// <summary>Compares a checkpoint with what a model needs, without reading weights; parameters as for <see cref="Read"/>.</summary>
    public static CheckpointFit Compare(
        IWeightSource file, Func<string, string?> rename, IEnumerable<WeightSpec> needed, IEnumerable<WeightSpec>? unused = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        WeightSpec[] wanted = [.. needed.DistinctBy(w => w.Name)];
        var known = new Dictionary<string, Shape>();
        foreach ((string name, Shape shape) in (unused ?? []).Concat(wanted))
            known[name] = shape;
        var used = new List<(WeightSpec, TensorInfo)>();
        List<string> notUsed = [], missing = [], unknown = [], misshapen = [];
        var faults = new List<CheckpointException>();
        void Fault(List<string> list, string name, string fault)
        {
            list.Add(name);
            faults.Add(new CheckpointException(file.Source, TensorReading.Shown(name), fault));
        }
        var names = new Dictionary<string, TensorInfo>();
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            if (rename(tensor.Name) is not { } own)
                notUsed.Add(tensor.Name);
            else if (!known.TryGetValue(own, out Shape shape))
                Fault(unknown, tensor.Name, "the model has no such tensor; leaving it out would change the results. Check that the configuration belongs to these weights.");
            else if (!names.TryAdd(own, tensor))
                Fault(unknown, tensor.Name, $"is the same weight as '{names[own].Name}'. Keep one of them.");
            else if (tensor.Shape != shape)
                Fault(misshapen, tensor.Name, $"has shape {tensor.Shape}, the configuration needs {shape}.");
        }
        foreach (WeightSpec weight in wanted)
        {
            if (!names.Remove(weight.Name, out TensorInfo? tensor))
                Fault(missing, weight.Name, "the model needs this tensor and the file does not hold it. Check that the checkpoint is whole.");
            else if (tensor.Shape == weight.Shape)
                used.Add((weight, tensor));
        }
        notUsed.AddRange(names.Values.Select(t => t.Name).Except(misshapen));
        return new CheckpointFit(used, notUsed, missing, unknown, misshapen, faults);
    }

    /// <summary>A name with the first prefix that fits it exchanged; null when none does.</summary>
    internal static string? Exchange(string name, IEnumerable<(string File, string Own)> prefixes)
    {
        foreach ((string file, string own) in prefixes)
            if (name.StartsWith(file, StringComparison.Ordinal))
                return own + name[file.Length..];
        return null;
    }

    /// <summary>The names of those weights that executors may hold in a form of their own: matrices that are only multiplied or looked up by rows.</summary>
    public static IReadOnlySet<string> Matrices(IEnumerable<WeightSpec> weights) => weights.Where(w => w.Packs).Select(w => w.Name).ToHashSet();

    /// <summary>The weights a finished graph refers to, and how it uses them.</summary>
    public static IReadOnlyList<WeightSpec> WeightsOf(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var floats = new HashSet<Value>(graph.Nodes.SelectMany(n => n.Inputs.Where((_, i) => (n.Op, i) is not ((LinearOp, 1) or (GatherOp, 0)))));
        return [.. graph.Nodes.Where(n => n.Op is WeightOp).Select(n => new WeightSpec(((WeightOp)n.Op).WeightName, n.Shape, n.Shape.Rank == 2 && !floats.Contains(n)))];
    }
}

/// <summary>How the tensors of a checkpoint fit a model.</summary>
/// <param name="Used">Weights of the model with the tensors that hold them in the right shape.</param>
/// <param name="NotUsed">Tensors that such files may hold and no graph reads.</param>
/// <param name="Missing">Weights, by the graphs' names, that the file lacks.</param>
/// <param name="Unknown">Tensors the model does not have, or that hold the same weight as another.</param>
/// <param name="Misshapen">Tensors of another shape than the configuration gives.</param>
/// <param name="Faults">One exception for each missing, unknown or misshapen tensor; empty when the checkpoint fits.</param>
public sealed record CheckpointFit(
    IReadOnlyList<(WeightSpec Weight, TensorInfo Tensor)> Used, IReadOnlyList<string> NotUsed, IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unknown, IReadOnlyList<string> Misshapen, IReadOnlyList<CheckpointException> Faults)
{
    /// <summary>Numbers in the weights used.</summary>
    public long Parameters => Used.Sum(u => u.Weight.Shape.Count);

    /// <summary>Bytes that the weights used take in memory once they are read.</summary>
    public long BytesAs(WeightReading reading) => Used.Sum(u => reading.TypeOf(u.Weight, u.Tensor.Type).ByteCount(u.Weight.Shape));
}
