using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>What one run of a graph costs, counted from its shapes.</summary>
/// <param name="MultiplyAdds">Multiply-adds of matrix products, linear layers, convolutions and attentions.</param>
/// <param name="WeightBytes">Bytes of the weights the graph refers to, as the binding stores them (as F32 without one).</param>
/// <param name="ActivationBytes">Bytes of all results together; views (Reshape) cost nothing.</param>
/// <param name="PeakActivationBytes">Most bytes alive at once when each result is freed after its last reader.</param>
public sealed record GraphCost(long MultiplyAdds, long WeightBytes, long ActivationBytes, long PeakActivationBytes)
{
    /// <summary>Counts a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="weights">The binding whose storage types count; F32 when omitted.</param>
    /// <param name="past">Tokens already in the KV cache, for cached attentions.</param>
    /// <exception cref="CheckpointException">The binding lacks a weight, or holds it in another shape.</exception>
    public static GraphCost Of(Graph graph, WeightBinding? weights = null, int past = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(past);
        long work = 0, weightBytes = 0, total = 0, alive = 0, peak = 0;
        Dictionary<Value, int> left = Readers(graph);
        foreach (Value node in graph.Nodes)
        {
            work = checked(work + Work(node, past));
            if (node.Op is WeightOp weight)
                weightBytes = checked(weightBytes + (weights is null ? DType.F32.ByteCount(weight.WeightShape) : weights.Get(weight).Data.Length));
            total = checked(total + Bytes(node));
            alive += Bytes(node);
            peak = Math.Max(peak, alive);
            foreach (Value input in node.Inputs.Distinct())
                for (Value? value = input; value is not null && --left[value] == 0; value = value.Op is ReshapeOp ? value.Inputs[0] : null)
                    alive -= Bytes(value);
        }
        return new GraphCost(work, weightBytes, total, peak);
    }

    /// <summary>Readers of every value; a view reads its source for as long as it lives itself, an output is read to the end.</summary>
    private static Dictionary<Value, int> Readers(Graph graph)
    {
        var readers = graph.Nodes.ToDictionary(n => n, _ => 0);
        foreach (Value node in graph.Nodes)
            foreach (Value input in node.Inputs.Distinct())
                readers[input] += node.Op is ReshapeOp ? 2 : 1;
        foreach (Value output in graph.Outputs.Values)
            readers[output]++;
        return readers;
    }

    private static long Bytes(Value node) => node.Op is WeightOp or ConstantOp or ReshapeOp ? 0 : checked(4 * node.Shape.Count);

    private static long Work(Value node, int past)
    {
        Shape y = node.Shape;
        switch (node.Op)
        {
            case MatMulOp:
                return checked(y.Count * node.Inputs[0].Shape[^1]);
            case LinearOp:
                return checked(y.Count * node.Inputs[1].Shape[1]);
            case Conv2dOp:
                return checked(y.Count * node.Inputs[1].Shape[1..].Count);
            case AttentionOp attention:
                long keys = attention.Slot is null ? node.Inputs[1].Shape[1] : past + (long)y[1];
                return checked(2 * y.Count * keys);
            default:
                return 0;
        }
    }
}
