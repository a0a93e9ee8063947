using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>How a case's float inputs lie in memory before the operation sees them.</summary>
internal enum InputForm
{
    /// <summary>As declared.</summary>
    Plain,

    /// <summary>Declared with the axes reversed and permuted back, so that an executor with strides meets them strided.</summary>
    Permuted,

    /// <summary>Cut out of the middle of a larger input along the first and the last axis.</summary>
    Sliced,
}

/// <summary>One operation in one situation: builds a small graph whose output is the operation's result.</summary>
/// <param name="Name">Unique name.</param>
/// <param name="Op">The op record this case is for.</param>
/// <param name="Build">Records the graph; inputs are declared through the scene, which fills them.</param>
internal sealed record OpCase(string Name, Type Op, Func<CaseScene, Value> Build)
{
    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The graph, its weights and its inputs, the same on every call.</summary>
    internal CaseGraph Make(InputForm form)
    {
        var scene = new CaseScene(Name, form);
        Value result = Build(scene);
        scene.G.Output("result", result);
        return new CaseGraph(scene.G.Build(), new WeightBinding(Name, scene.Weights), scene.Inputs);
    }
}

/// <summary>A graph ready to be run on any executor.</summary>
internal sealed record CaseGraph(Graph Graph, WeightBinding Weights, IReadOnlyDictionary<string, HostTensor> Inputs)
{
    /// <summary>Runs on a fresh plan and gives a copy of the result.</summary>
    internal HostTensor Run(IExecutor executor)
    {
        using IPlan plan = executor.Prepare(Graph, Weights);
        foreach (InputOp input in Graph.Inputs)
            Inputs[input.InputName].Data.CopyTo(plan.Input(input.InputName).Data);
        plan.Run();
        HostTensor result = plan.Output("result");
        return new HostTensor(result.Type, result.Shape, result.Data.ToArray());
    }
}

/// <summary>Declares and fills the inputs of a case.</summary>
internal sealed class CaseScene
{
    private readonly InputForm _form;
    private readonly Random _random;

    internal CaseScene(string name, InputForm form)
    {
        _form = form;
        // string.GetHashCode changes from process to process.
        _random = new Random(name.Aggregate(17, (h, c) => unchecked(h * 31 + c)));
    }

    internal GraphBuilder G { get; } = new();

    internal Dictionary<string, HostTensor> Inputs { get; } = [];

    internal Dictionary<string, HostTensor> Weights { get; } = [];

    /// <summary>A float input with values between the bounds.</summary>
    internal Value F(string name, int[] shape, float low = -2, float high = 2)
    {
        switch (_form)
        {
            case InputForm.Permuted when shape.Length > 1:
                int[] order = [.. Enumerable.Range(0, shape.Length).Reverse()];
                return G.Permute(Declare(name, [.. shape.Reverse()], low, high), order);
            case InputForm.Sliced when shape.Length > 0:
                int[] larger = [.. shape];
                larger[0] += 2;
                larger[^1] += 3;
                return G.Slice(G.Slice(Declare(name, larger, low, high), 0, 1, larger[0] - 2), -1, 2, shape[^1]);
            default:
                return Declare(name, shape, low, high);
        }
    }

    /// <summary>An integer input below a bound.</summary>
    internal Value I(string name, int[] shape, int below)
    {
        var tensor = new HostTensor(DType.I32, new Shape(shape));
        foreach (ref int v in tensor.Ints)
            v = _random.Next(below);
        return I(name, tensor);
    }

    /// <summary>An integer input of given values.</summary>
    internal Value I(string name, HostTensor values)
    {
        Inputs.Add(name, values);
        return G.Input(name, DType.I32, values.Shape.Axes);
    }

    /// <summary>A weight.</summary>
    internal Value W(string name, int[] shape, float low = -1, float high = 1)
    {
        Weights.Add(name, Fill(shape, low, high));
        return G.Weight(name, shape);
    }

    private Value Declare(string name, int[] shape, float low, float high)
    {
        Inputs.Add(name, Fill(shape, low, high));
        return G.Input(name, DType.F32, shape);
    }

    private HostTensor Fill(int[] shape, float low, float high)
    {
        var tensor = new HostTensor(DType.F32, new Shape(shape));
        foreach (ref float v in tensor.Floats)
            v = low + (high - low) * _random.NextSingle();
        return tensor;
    }
}
