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
    /// <param name="needed">Names and shapes the graphs use.</param>
    /// <param name="unused">Further tensors the published file may hold and no graph reads; their shapes are checked.</param>
    /// <exception cref="CheckpointException">A tensor is missing, unknown, of another shape, or there twice.</exception>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, Func<string, string?> rename, IEnumerable<WeightSpec> needed, IEnumerable<WeightSpec>? unused = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        var names = new Dictionary<string, string>();
        foreach (string name in file.Tensors.Keys)
            if (rename(name) is { } own && !names.TryAdd(own, name))
                throw new CheckpointException(file.Source, name, $"is the same weight as '{names[own]}'. Keep one of them.");

        var known = new Dictionary<string, Shape>();
        foreach ((string name, Shape shape) in (unused ?? []).Concat(needed.ToArray()))
            known[name] = shape;
        foreach ((string own, string name) in names)
        {
            if (!known.TryGetValue(own, out Shape shape))
                throw new CheckpointException(file.Source, name, "the model has no such tensor; leaving it out would change the results. Check that the configuration belongs to these weights.");
            if (file.Tensors[name].Shape != shape)
                throw new CheckpointException(file.Source, name, $"has shape {file.Tensors[name].Shape}, the configuration needs {shape}.");
        }
        var tensors = new Dictionary<string, HostTensor>();
        foreach ((string own, Shape _) in needed)
            tensors[own] = names.TryGetValue(own, out string? name)
                ? file.Read(name)
                : throw new CheckpointException(file.Source, own, "the model needs this tensor and the file does not hold it. Check that the checkpoint is whole.");
        return tensors;
    }

    /// <summary>The weights a finished graph refers to, and how it uses them.</summary>
    public static IReadOnlyList<WeightSpec> WeightsOf(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var added = new HashSet<Value>(graph.Nodes.SelectMany(n => n.Inputs.Where((_, i) => (n.Op, i) is not (LinearOp, 1) and not (GatherOp, 0))));
        return [.. graph.Nodes.Where(n => n.Op is WeightOp).Select(n => new WeightSpec(((WeightOp)n.Op).WeightName, n.Shape, n.Shape.Rank == 2 && !added.Contains(n)))];
    }
}
