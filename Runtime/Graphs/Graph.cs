using System.Text;
using VlmSdk.Tensors;

namespace VlmSdk.Graphs;

/// <summary>
/// A finished computation as data: nodes in an order in which inputs come first, named inputs, weights and outputs.
/// Immutable and free of device state, so one graph may be prepared by any number of executors.
/// </summary>
public sealed class Graph
{
    internal Graph(IReadOnlyList<Value> recorded, IReadOnlyDictionary<string, Value> outputs)
    {
        Outputs = outputs;
        var live = new HashSet<Value>();
        var open = new Stack<Value>(outputs.Values);
        while (open.TryPop(out Value? value))
            if (live.Add(value))
                foreach (Value input in value.Inputs)
                    open.Push(input);
        Nodes = recorded.Where(live.Contains).ToArray();
    }

    /// <summary>The nodes in execution order.</summary>
    public IReadOnlyList<Value> Nodes { get; }

    /// <summary>The named results.</summary>
    public IReadOnlyDictionary<string, Value> Outputs { get; }

    /// <summary>The run-time inputs.</summary>
    public IEnumerable<InputOp> Inputs => Nodes.Select(n => n.Op).OfType<InputOp>();

    /// <summary>The weights the graph refers to.</summary>
    public IEnumerable<WeightOp> Weights => Nodes.Select(n => n.Op).OfType<WeightOp>();

    /// <summary>Tokens that one run appends to the KV cache: the chunk length of its cached attentions, 0 without any.</summary>
    /// <exception cref="ShapeMismatchException">The cached attentions have different chunk lengths.</exception>
    public int CachedTokens
    {
        get
        {
            int[] lengths = Nodes.Where(n => n.Op is AttentionOp { Slot: not null }).Select(n => n.Shape[1]).Distinct().ToArray();
            return lengths.Length switch
            {
                0 => 0,
                1 => lengths[0],
                _ => throw new ShapeMismatchException($"Cached attentions of one graph append {string.Join(" and ", lengths)} tokens; they must agree."),
            };
        }
    }

    /// <summary>The same graph with every fused operation for which <paramref name="expand"/> holds spelled out in core operations.</summary>
    /// <exception cref="UnsupportedOpException">Such an operation keeps state and has no stateless form.</exception>
    public Graph Decompose(Func<Op, bool>? expand = null)
    {
        var g = new GraphBuilder();
        var map = new Dictionary<Value, Value>();
        foreach (Value node in Nodes)
        {
            Value[] inputs = node.Inputs.Select(i => map[i]).ToArray();
            map[node] = node.Op switch
            {
                InputOp input => g.Input(input.InputName, input.InputType, input.InputShape.Axes),
                WeightOp weight => g.Weight(weight.WeightName, weight.WeightShape.Axes),
                { IsFused: true } op when expand?.Invoke(op) ?? true => op.Decompose(g, inputs),
                _ => g.Add(node.Op, inputs),
            };
        }
        foreach ((string name, Value value) in Outputs)
            g.Output(name, map[value]);
        return g.Build();
    }

    /// <summary>One line per node, for reading and for comparing graphs.</summary>
    public string Print()
    {
        var text = new StringBuilder();
        foreach (Value node in Nodes)
        {
            string detail = node.Op switch
            {
                InputOp input => $" '{input.InputName}'",
                WeightOp weight => $" '{weight.WeightName}'",
                _ => "",
            };
            text.Append(node).Append(detail).Append('\n');
        }
        foreach ((string name, Value value) in Outputs)
            text.Append(name).Append(" -> %").Append(value.Id).Append('\n');
        return text.ToString();
    }
}
