using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>
/// A case with a result worked out by hand (or from printed tables of the functions), so that the reference itself is
/// held to something. The name's words tell the kinds it covers.
/// </summary>
internal sealed record HandCase(string Name, Type Op, Func<HandScene, Value> Build, float[] Expected)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>Declares inputs of given values.</summary>
internal sealed class HandScene
{
    private int _count;

    internal GraphBuilder G { get; } = new();

    internal Dictionary<string, HostTensor> Inputs { get; } = [];

    internal Value F(int[] shape, params float[] values) => Add(HostTensor.From(new Shape(shape), values));

    internal Value I(int[] shape, params int[] values) => Add(HostTensor.From(new Shape(shape), values));

    private Value Add(HostTensor values)
    {
        string name = $"x{_count++}";
        Inputs.Add(name, values);
        return G.Input(name, values.Type, values.Shape.Axes);
    }
}

/// <summary>The hand-computed cases.</summary>
internal static class HandCases
{
    private const float No = float.NegativeInfinity, Ln2 = 0.693147181f, Ln3 = 1.098612289f, Ln5 = 1.609437912f;

    internal static IEnumerable<HandCase> All() => [.. Layout(), .. Products(), .. Elementwise(), .. Rows(), .. Fused()];

    private static IEnumerable<HandCase> Layout()
    {
        yield return Case<InputOp>("Input", s => s.F([2], 1, 2), 1, 2);
        yield return Case<WeightOp>("Weight", s => s.G.Weight("w", 3), 7, 8, 9);
        yield return Case<ConstantOp>("Constant", s => s.G.Scalar(4), 4);
        yield return Case<ReshapeOp>("Reshape", s => s.G.Reshape(s.F([2, 3], 1, 2, 3, 4, 5, 6), 3, 2), 1, 2, 3, 4, 5, 6);
        yield return Case<PermuteOp>("Permute", s => s.G.Permute(s.F([2, 3], 1, 2, 3, 4, 5, 6), 1, 0), 1, 4, 2, 5, 3, 6);
        yield return Case<SliceOp>("Slice", s => s.G.Slice(s.F([2, 3], 1, 2, 3, 4, 5, 6), 1, 1, 2), 2, 3, 5, 6);
        yield return Case<ConcatOp>("Concat", s => s.G.Concat(1, s.F([2, 1], 1, 2), s.F([2, 2], 3, 4, 5, 6)), 1, 3, 4, 2, 5, 6);
        yield return Case<GatherOp>("Gather", s => s.G.Gather(s.F([3, 2], 1, 2, 3, 4, 5, 6), s.I([2], 2, 0)), 5, 6, 1, 2);
        yield return Case<ScatterRowsOp>("ScatterRows", s => s.G.ScatterRows(s.F([3, 2], 1, 2, 3, 4, 5, 6), s.I([1], 1), s.F([1, 2], 8, 9)), 1, 2, 8, 9, 5, 6);
        yield return Case<CastOp>("Cast truncates", s => s.G.Cast(s.F([4], 1.9f, -1.9f, 0.5f, 7), DType.I32), 1, -1, 0, 7);
        yield return Case<CastOp>("Cast to floats", s => s.G.Cast(s.I([2], 3, -4), DType.F32), 3, -4);
    }

    private static IEnumerable<HandCase> Products()
    {
        yield return Case<MatMulOp>("MatMul", s => s.G.MatMul(s.F([2, 2], 1, 2, 3, 4), s.F([2, 2], 5, 6, 7, 8)), 19, 22, 43, 50);
        yield return Case<LinearOp>("Linear", s => s.G.Linear(s.F([2], 1, 2), s.F([3, 2], 3, 4, 5, 6, 7, 8), s.F([3], 0.5f, 0, -1)), 11.5f, 17, 22);
        yield return Case<Conv2dOp>("Conv2d", s => s.G.Conv2d(Nine(s), s.F([1, 1, 2, 2], 1, 2, 3, 4), s.F([1], 1)), 38, 48, 68, 78);
        yield return Case<Conv2dOp>("Conv2d padded, stride 2", s => s.G.Conv2d(Nine(s), s.F([1, 1, 2, 2], 1, 2, 3, 4), null, 2, 1), 4, 18, 36, 77);
        yield return Case<Conv2dOp>("Conv2d in groups", s => s.G.Conv2d(s.F([1, 2, 1, 1], 2, 3), s.F([2, 1, 1, 1], 10, 100), null, groups: 2), 20, 300);
        yield return Case<AveragePool2dOp>("AveragePool2d", s => s.G.AveragePool2d(s.F([1, 1, 2, 4], 1, 2, 3, 4, 5, 6, 7, 8), 2, 2), 3.5f, 5.5f);

        static Value Nine(HandScene s) => s.F([1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }

    private static IEnumerable<HandCase> Elementwise()
    {
        foreach ((UnaryKind kind, float[] x, float[] y) in new (UnaryKind, float[], float[])[]
                 {
                     (UnaryKind.Negate, [0.5f, -1], [-0.5f, 1]), (UnaryKind.Abs, [0.5f, -1], [0.5f, 1]),
                     (UnaryKind.Exp, [0.5f, -1], [1.64872127f, 0.36787944f]), (UnaryKind.Log, [0.25f, 5], [-2 * Ln2, Ln5]),
                     (UnaryKind.Sqrt, [0.25f, 4], [0.5f, 2]), (UnaryKind.Rsqrt, [0.25f, 4], [2, 0.5f]), (UnaryKind.Square, [0.5f, -3], [0.25f, 9]),
                     (UnaryKind.Tanh, [0.5f, -1], [0.46211716f, -0.76159416f]), (UnaryKind.Sigmoid, [0.5f, -1], [0.62245933f, 0.26894142f]),
                     (UnaryKind.Relu, [0.5f, -1], [0.5f, 0]), (UnaryKind.Erf, [0.5f, -1], [0.52049988f, -0.84270079f]),
                     (UnaryKind.Softplus, [0.5f, -1], [0.97407698f, 0.31326169f]), (UnaryKind.Cos, [0.5f, -1], [0.87758256f, 0.54030231f]),
                     (UnaryKind.Sin, [0.5f, -1], [0.47942554f, -0.84147098f]),
                 })
            yield return Case<UnaryOp>($"{kind}", s => s.G.Unary(kind, s.F([2], x)), y);
        foreach ((BinaryKind kind, float first, float second) in new[]
                 {
                     (BinaryKind.Add, 5f, 3f), (BinaryKind.Subtract, 1, -5), (BinaryKind.Multiply, 6, -4), (BinaryKind.Divide, 1.5f, -0.25f),
                     (BinaryKind.Maximum, 3, 4), (BinaryKind.Minimum, 2, -1),
                 })
            yield return Case<BinaryOp>($"{kind}", s => s.G.Binary(kind, s.F([2], 3, -1), s.F([2], 2, 4)), first, second);
        yield return Case<BinaryOp>("Add broadcasting", s => s.F([2, 1], 1, 2) + s.F([3], 10, 20, 30), 11, 21, 31, 12, 22, 32);
        yield return Case<CompareOp>("Equal", s => s.G.Compare(CompareKind.Equal, s.F([3], 1, 2, 3), s.F([1], 2)), 0, 1, 0);
        yield return Case<CompareOp>("Less", s => s.G.Compare(CompareKind.Less, s.F([3], 1, 2, 3), s.F([1], 2)), 1, 0, 0);
        yield return Case<CompareOp>("LessOrEqual", s => s.G.Compare(CompareKind.LessOrEqual, s.I([3], 1, 2, 3), s.I([1], 2)), 1, 1, 0);
        yield return Case<SelectOp>("Select", s => s.G.Select(s.F([3], 1, 0, -2), s.F([3], 1, 2, 3), s.F([1], 9)), 1, 9, 3);
    }

    private static IEnumerable<HandCase> Rows()
    {
        yield return Case<ReduceOp>("Sum", s => s.G.Reduce(ReduceKind.Sum, s.F([2, 3], 1, 2, 3, 4, 5, 9), 1), 6, 18);
        yield return Case<ReduceOp>("Sum of nothing", s => s.G.Reduce(ReduceKind.Sum, s.F([2, 0]), 1), 0, 0);
        yield return Case<ReduceOp>("Mean", s => s.G.Reduce(ReduceKind.Mean, s.F([2, 3], 1, 2, 3, 4, 5, 9), 0), 2.5f, 3.5f, 6);
        yield return Case<ReduceOp>("Max", s => s.G.Reduce(ReduceKind.Max, s.F([2, 3], 1, 2, 3, -4, -5, -9), 1), 3, -4);
        yield return Case<SoftmaxOp>("Softmax", s => s.G.Softmax(s.F([2, 3], 0, Ln2, Ln5, No, No, No)), 0.125f, 0.25f, 0.625f, 0, 0, 0);
        yield return Case<ArgMaxOp>("ArgMax", s => s.G.ArgMax(s.F([2, 3], 1, 5, 5, 7, 0, 7)), 1, 0);
    }

    private static IEnumerable<HandCase> Fused()
    {
        foreach ((ActivationKind kind, float first, float second) in new[]
                 {
                     (ActivationKind.SquaredRelu, 1f, 0f), (ActivationKind.Silu, 0.73105858f, -0.23840584f), (ActivationKind.Gelu, 0.84134475f, -0.04550026f),
                     (ActivationKind.GeluTanh, 0.84119199f, -0.04540231f), (ActivationKind.QuickGelu, 0.84579577f, -0.06434137f),
                 })
            yield return Case<ActivationOp>($"{kind}", s => s.G.Activation(kind, s.F([2], 1, -2)), first, second);
        yield return Case<LayerNormOp>("LayerNorm", s => s.G.LayerNorm(s.F([2], 1, 3), s.F([2], 2, 3), s.F([2], 10, 20), 0), 8, 23);
        yield return Case<RmsNormOp>("RmsNorm", s => s.G.RmsNorm(s.F([2], 3, 4), s.F([2], 1, 2), 0), 0.84852814f, 2.26274170f);
        yield return Case<RmsNormOp>("RmsNorm with offset", s => s.G.RmsNorm(s.F([2], 3, 4), s.F([2], 0, 1), 0, offset: 1), 0.84852814f, 2.26274170f);
        yield return Case<LogSoftmaxOp>("LogSoftmax", s => s.G.LogSoftmax(s.F([3], 0, Ln2, Ln5)), -3 * Ln2, -2 * Ln2, Ln5 - 3 * Ln2);
        yield return Case<RopeOp>("HalfSplit", s => s.G.Rope(s.F([1, 1, 1, 4], 1, 2, 3, 4), s.I([1, 1], 1), 100, 4, RopeLayout.HalfSplit),
            -1.98411065f, 1.59067466f, 2.46237790f, 4.17968349f);
        yield return Case<RopeOp>("Interleaved", s => s.G.Rope(s.F([1, 1, 1, 4], 1, 2, 3, 4), s.I([1, 1], 1), 100, 4, RopeLayout.Interleaved),
            -1.14263966f, 1.92207560f, 2.58567883f, 4.27951691f);
        yield return Case<RopeOp>("HalfSplit with factors and rest", s => s.G.Rope(s.F([1, 1, 1, 3], 1, 0, 7), s.I([1, 1], 2), 100, 2, RopeLayout.HalfSplit, s.F([1], 2)),
            0.54030231f, 0.84147098f, 7);
        yield return Case<AttentionOp>("Full attention", s => Attend(s, AttentionMask.Full), 5, 3, 3);
        yield return Case<AttentionOp>("Causal attention", s => Attend(s, AttentionMask.Causal), 4, 6, 3);
        yield return Case<AttentionOp>("PackedPrefix attention", s => Attend(s, AttentionMask.PackedPrefix, s.I([1, 3], 0, 1, 2)), 4, 6, 0.5f);
        yield return Case<AttentionOp>("Bias attention", s => Attend(s, AttentionMask.Bias, s.F([1, 1, 3, 3], 0, No, No, 0, Ln3, No, No, 0, No)), 4, 7, 8);
        yield return Case<AttentionOp>("Windowed attention", s => Attend(s, AttentionMask.Causal, window: 2), 4, 6, 2.5f);
        // tanh(ln 3) is 0.8, so under a bound of ln 3 / 0.8 a score of ln 3 times that bound becomes ln 3.
        yield return Case<AttentionOp>("Capped attention", s => s.G.Attention(
            s.F([1, 3, 1, 1], 1, 0, 0), s.F([1, 3, 1, 1], 0, Ln3 * Ln3 / 0.8f, 0), s.F([1, 3, 1, 1], 4, 8, -3), AttentionMask.Full, scale: 1, softCap: Ln3 / 0.8f), 5, 3, 3);
    }

    /// <summary>
    /// Three tokens, one head of width 1: keys 0, ln 3, 0 and values 4, 8, -3. A query of 1 weighs them 1 : 3 : 1, so it
    /// gets (4 + 24 - 3) / 5 = 5; a query of 0 weighs them equally and gets 3.
    /// </summary>
    private static Value Attend(HandScene s, AttentionMask mask, Value? fourth = null, int window = 0) =>
        s.G.Attention(s.F([1, 3, 1, 1], 1, 0, 0), s.F([1, 3, 1, 1], 0, Ln3, 0), s.F([1, 3, 1, 1], 4, 8, -3), mask, scale: 1, maskInput: fourth, window: window);

    private static HandCase Case<T>(string name, Func<HandScene, Value> build, params float[] expected) where T : Op => new(name, typeof(T), build, expected);
}
