using VlmSdk.Graphs;

namespace VlmSdk.Execution;

/// <summary>Brings a graph down to the operations an executor has kernels for.</summary>
public static class GraphLowering
{
    /// <summary>The graph with the fused operations the executor lacks spelled out; the graph itself when it lacks none.</summary>
    /// <exception cref="UnsupportedOpException">An operation has neither a kernel nor a decomposition.</exception>
    public static Graph Lower(IExecutor executor, Graph graph)
    {
        if (graph.Nodes.All(n => executor.Supports(n.Op)))
            return graph;
        Graph lowered;
        try
        {
            lowered = graph.Decompose(op => !executor.Supports(op));
        }
        catch (UnsupportedOpException fault)
        {
            throw new UnsupportedOpException(executor.Name, fault.Op, "it has no kernel for it and the operation has no stateless form");
        }
        return lowered.Nodes.FirstOrDefault(n => !executor.Supports(n.Op)) is { } missing
            ? throw new UnsupportedOpException(executor.Name, missing.Op.Name)
            : lowered;
    }
}
