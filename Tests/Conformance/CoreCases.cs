using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Cases of the core operations: odd sizes, broadcasts, empty axes, ties, hidden rows.</summary>
internal static class CoreCases
{
    internal static IEnumerable<OpCase> All() => [.. Layout(), .. Products(), .. Elementwise(), .. Rows()];

    private static IEnumerable<OpCase> Layout()
    {
        yield return Case<InputOp>("as it came", s => s.F("x", [2, 3]));
        yield return Case<WeightOp>("as bound", s => s.W("w", [3, 5]));
        yield return Case<ConstantOp>("floats", s => s.G.Constant(HostTensor.From(new Shape(2, 2), [1f, -2, 3, float.NegativeInfinity])));
        yield return Case<ConstantOp>("integers", s => s.G.Constant(HostTensor.From(new Shape(3), [1, int.MinValue, int.MaxValue])));
        yield return Case<ReshapeOp>("2,3,5 to 6,5", s => s.G.Reshape(s.F("x", [2, 3, 5]), 6, 5));
        yield return Case<ReshapeOp>("to a scalar", s => s.G.Reshape(s.F("x", [1, 1]), []));
        yield return Case<ReshapeOp>("empty", s => s.G.Reshape(s.F("x", [0, 4]), 2, 0));
        yield return Case<PermuteOp>("4 axes", s => s.G.Permute(s.F("x", [2, 3, 5, 7]), 2, 0, 3, 1));
        yield return Case<PermuteOp>("identity", s => s.G.Permute(s.F("x", [2, 3]), 0, 1));
        yield return Case<PermuteOp>("twice", s => s.G.Permute(s.G.Permute(s.F("x", [2, 3, 5]), 1, 2, 0), 2, 0, 1));
        yield return Case<PermuteOp>("integers", s => s.G.Permute(s.I("x", [3, 5], 100), 1, 0));
        yield return Case<PermuteOp>("empty", s => s.G.Permute(s.F("x", [3, 0, 2]), 2, 1, 0));
        yield return Case<SliceOp>("middle axis", s => s.G.Slice(s.F("x", [2, 7, 3]), 1, 2, 4));
        yield return Case<SliceOp>("last axis", s => s.G.Slice(s.F("x", [3, 9]), -1, 4, 5));
        yield return Case<SliceOp>("nothing", s => s.G.Slice(s.F("x", [3, 4]), 0, 3, 0));
        yield return Case<SliceOp>("integers", s => s.G.Slice(s.I("x", [5, 2], 100), 0, 1, 3));
        yield return Case<SliceOp>("then reshaped", s => s.G.Reshape(s.G.Slice(s.F("x", [3, 4, 5]), 1, 1, 2), 3, 10));
        yield return Case<ConcatOp>("middle axis, one part empty", s => s.G.Concat(1, s.F("a", [2, 3, 5]), s.F("b", [2, 0, 5]), s.F("c", [2, 4, 5])));
        yield return Case<ConcatOp>("one part", s => s.G.Concat(-1, s.F("a", [3, 2])));
        yield return Case<ConcatOp>("integers", s => s.G.Concat(0, s.I("a", [2, 2], 9), s.I("b", [1, 2], 9)));
        yield return Case<GatherOp>("rows", s => s.G.Gather(s.F("x", [7, 5]), s.I("i", [2, 3], 7)));
        yield return Case<GatherOp>("a weight's rows", s => s.G.Gather(s.W("w", [9, 33]), s.I("i", [4], 9)));
        yield return Case<GatherOp>("numbers", s => s.G.Gather(s.F("x", [7]), s.I("i", [3], 7)));
        yield return Case<GatherOp>("planes", s => s.G.Gather(s.F("x", [3, 2, 5]), s.I("i", [5], 3)));
        yield return Case<GatherOp>("of integers", s => s.G.Gather(s.I("x", [7, 2], 99), s.I("i", [3], 7)));
        yield return Case<GatherOp>("no index", s => s.G.Gather(s.F("x", [7, 5]), s.I("i", [0], 7)));
        yield return Case<ScatterRowsOp>("three rows", s => s.G.ScatterRows(s.F("x", [7, 3, 2]), s.I("i", Ints(5, 0, 3)), s.F("r", [3, 3, 2])));
        yield return Case<ScatterRowsOp>("no rows", s => s.G.ScatterRows(s.F("x", [4, 3]), s.I("i", Ints()), s.F("r", [0, 3])));
        yield return Case<ScatterRowsOp>("of integers", s => s.G.ScatterRows(s.I("x", [4, 2], 50), s.I("i", Ints(2)), s.I("r", [1, 2], 50)));
        yield return Case<CastOp>("to floats", s => s.G.Cast(s.I("x", [3, 5], 1 << 20), DType.F32));
        yield return Case<CastOp>("truncating", s => s.G.Cast(s.F("x", [37], -9, 9), DType.I32));
        yield return Case<CastOp>("out of range and NaN", s => s.G.Cast(s.G.Constant(HostTensor.From(new Shape(6),
            [2147483520f, 2147483648f, -2147483648f, -3e9f, float.NaN, float.PositiveInfinity])), DType.I32));
    }

    private static IEnumerable<OpCase> Products()
    {
        foreach ((int[] a, int[] b) in new (int[], int[])[] { ([3, 5], [5, 7]), ([1, 1], [1, 1]), ([33, 67], [67, 35]), ([2, 1, 3, 5], [4, 5, 7]),
                     ([3, 2, 5], [5, 3]), ([2, 3, 4], [2, 4, 1]), ([3, 0], [0, 2]), ([0, 3], [3, 2]), ([0, 2, 3], [3, 4]) })
            yield return Case<MatMulOp>($"{Text(a)} x {Text(b)}", s => s.G.MatMul(s.F("a", a), s.F("b", b)));

        foreach ((int[] x, int o) in new (int[], int)[] { ([5], 3), ([1, 64], 96), ([7, 67], 33), ([2, 3, 17], 1), ([0, 5], 4), ([1, 3, 192], 31) })
        {
            yield return Case<LinearOp>($"{Text(x)} to {o}", s => s.G.Linear(s.F("x", x), s.W("w", [o, x[^1]])));
            yield return Case<LinearOp>($"{Text(x)} to {o} with bias", s => s.G.Linear(s.F("x", x), s.W("w", [o, x[^1]]), s.W("b", [o])));
        }
        yield return Case<LinearOp>("weight computed", s => s.G.Linear(s.F("x", [3, 5]), s.F("w", [4, 5])));

        foreach ((int[] x, int[] w, int stride, int padding, int groups) in new (int[], int[], int, int, int)[]
                 { ([1, 3, 9, 7], [16, 3, 3, 3], 1, 1, 1), ([2, 5, 7, 6], [7, 5, 3, 3], 2, 1, 1), ([1, 3, 17, 13], [5, 3, 7, 7], 4, 3, 1),
                   ([1, 4, 5, 5], [6, 2, 3, 3], 1, 1, 2), ([2, 6, 4, 5], [6, 1, 3, 3], 1, 1, 6), ([1, 8, 3, 3], [4, 8, 1, 1], 1, 0, 1),
                   ([1, 16, 6, 6], [32, 16, 3, 3], 2, 1, 1), ([1, 24, 5, 5], [8, 24, 2, 2], 2, 0, 1), ([0, 3, 4, 4], [2, 3, 3, 3], 1, 1, 1),
                   ([1, 2, 3, 4], [2, 2, 3, 1], 1, 0, 1), ([1, 1, 2, 2], [1, 1, 3, 3], 3, 1, 1) })
        {
            yield return Case<Conv2dOp>($"{Text(x)} by {Text(w)} stride {stride} padding {padding} groups {groups}",
                s => s.G.Conv2d(s.F("x", x), s.W("w", w), s.W("b", [w[0]]), stride, padding, groups));
        }
        yield return Case<Conv2dOp>("without bias", s => s.G.Conv2d(s.F("x", [1, 3, 6, 6]), s.W("w", [16, 3, 3, 3]), null, 1, 1));

        yield return Case<Conv2dOp>("padding around nothing", s => s.G.Conv2d(s.F("x", [1, 2, 5, 0]), s.W("w", [3, 2, 3, 3]), s.W("b", [3]), 1, 2));
        yield return Case<Conv2dOp>("large enough for blocked kernels", s => s.G.Conv2d(s.F("x", [1, 16, 37, 41]), s.W("w", [16, 16, 3, 3]), s.W("b", [16]), 1, 1));
        yield return Case<Conv2dOp>("large picture of 3 channels", s => s.G.Conv2d(s.F("x", [1, 3, 89, 83]), s.W("w", [32, 3, 7, 7]), s.W("b", [32]), 4, 3));

        yield return Case<AveragePool2dOp>("2 by 2", s => s.G.AveragePool2d(s.F("x", [2, 3, 6, 4]), 2, 2));
        yield return Case<AveragePool2dOp>("incomplete windows", s => s.G.AveragePool2d(s.F("x", [1, 2, 7, 5]), 3, 2));
        yield return Case<AveragePool2dOp>("no picture", s => s.G.AveragePool2d(s.F("x", [0, 2, 4, 4]), 2, 2));
    }

    private static IEnumerable<OpCase> Elementwise()
    {
        foreach (UnaryKind kind in Enum.GetValues<UnaryKind>())
        {
            bool positive = kind is UnaryKind.Log or UnaryKind.Sqrt or UnaryKind.Rsqrt;
            yield return Case<UnaryOp>($"{kind}", s => s.G.Unary(kind, s.F("x", [3, 37], positive ? 0.01f : -4, 4)));
            yield return Case<UnaryOp>($"{kind} far out", s => s.G.Unary(kind, s.F("x", [65], positive ? 1 : -30, 30)));
            yield return Case<UnaryOp>($"{kind} of nothing", s => s.G.Unary(kind, s.F("x", [2, 0])));
        }
        foreach (BinaryKind kind in Enum.GetValues<BinaryKind>())
        {
            float low = kind == BinaryKind.Divide ? 0.5f : -2;
            foreach ((int[] a, int[] b) in new (int[], int[])[] { ([2, 3, 5], [2, 3, 5]), ([2, 3, 5], [3, 1]), ([4, 1], [1, 7]), ([], [3, 3]), ([17], []), ([2, 0], [1, 1]), ([5, 1, 3], [2, 3]) })
                yield return Case<BinaryOp>($"{kind} {Text(a)} {Text(b)}", s => s.G.Binary(kind, s.F("a", a), s.F("b", b, low, 2)));
        }
        foreach (CompareKind kind in Enum.GetValues<CompareKind>())
        {
            yield return Case<CompareOp>($"{kind} with ties", s => s.G.Compare(kind, Whole(s, "a", [3, 7]), Whole(s, "b", [7])));
            yield return Case<CompareOp>($"{kind} integers", s => s.G.Compare(kind, s.I("a", [3, 1], 4), s.I("b", [1, 5], 4)));
            yield return Case<CompareOp>($"{kind} of nothing", s => s.G.Compare(kind, s.F("a", [0]), s.F("b", [1])));
        }
        yield return Case<SelectOp>("same shapes", s => s.G.Select(Whole(s, "c", [3, 5]), s.F("a", [3, 5]), s.F("b", [3, 5])));
        yield return Case<SelectOp>("all broadcast", s => s.G.Select(Whole(s, "c", [3, 1]), s.F("a", [1, 5]), s.F("b", [2, 1, 1])));
        yield return Case<SelectOp>("scalars", s => s.G.Select(Whole(s, "c", [4, 3]), s.G.Scalar(1), s.G.Scalar(float.NegativeInfinity)));
    }

    private static IEnumerable<OpCase> Rows()
    {
        foreach (ReduceKind kind in Enum.GetValues<ReduceKind>())
            foreach (bool keep in new[] { false, true })
            {
                for (int axis = 0; axis < 3; axis++)
                {
                    int a = axis;
                    yield return Case<ReduceOp>($"{kind} along {a}{(keep ? " kept" : "")}", s => s.G.Reduce(kind, s.F("x", [3, 5, 67]), a, keep));
                }
                yield return Case<ReduceOp>($"{kind} without rows{(keep ? " kept" : "")}", s => s.G.Reduce(kind, s.F("x", [0, 3]), 1, keep));
            }
        yield return Case<ReduceOp>("Sum of an empty axis", s => s.G.Reduce(ReduceKind.Sum, s.F("x", [2, 0, 3]), 1));
        yield return Case<SoftmaxOp>("rows", s => s.G.Softmax(s.F("x", [3, 2, 67])));
        yield return Case<SoftmaxOp>("one entry", s => s.G.Softmax(s.F("x", [5, 1])));
        yield return Case<SoftmaxOp>("large", s => s.G.Softmax(s.F("x", [2, 9], -300, 300)));
        yield return Case<SoftmaxOp>("hidden entries and a hidden row", s =>
        {
            const float No = float.NegativeInfinity;
            return s.G.Softmax(s.F("x", [3, 4]) + s.G.Constant(HostTensor.From(new Shape(3, 4), [0, No, 0, 0, No, No, No, No, 0, 0, 0, No])));
        });
        yield return Case<SoftmaxOp>("empty rows", s => s.G.Softmax(s.F("x", [2, 0])));
        yield return Case<SoftmaxOp>("no rows", s => s.G.Softmax(s.F("x", [0, 3])));
        yield return Case<ArgMaxOp>("rows", s => s.G.ArgMax(s.F("x", [3, 2, 67])));
        yield return Case<ArgMaxOp>("the first of ties", s => s.G.ArgMax(Whole(s, "x", [9, 35])));
        yield return Case<ArgMaxOp>("a single row", s => s.G.ArgMax(s.F("x", [513])));
        yield return Case<ArgMaxOp>("no rows", s => s.G.ArgMax(s.F("x", [0, 3])));
    }

    /// <summary>Floats that are small whole numbers, so that ties and zeros occur.</summary>
    private static Value Whole(CaseScene s, string name, int[] shape) => s.G.Cast(s.G.Cast(s.F(name, shape, -3, 3), DType.I32), DType.F32);

    private static HostTensor Ints(params int[] values) => HostTensor.From(new Shape(values.Length), values);

    private static OpCase Case<T>(string name, Func<CaseScene, Value> build) where T : Op => new($"{typeof(T).Name[..^2]}: {name}", typeof(T), build);

    private static string Text(int[] shape) => $"[{string.Join(",", shape)}]";
}
