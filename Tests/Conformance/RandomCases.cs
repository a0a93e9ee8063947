using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Operations of seeded random shapes: empty, single, odd and lane-sized axes, broadcasts of every kind.</summary>
internal static class RandomCases
{
    private static readonly int[] Sizes = [0, 1, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 67];

    private static readonly Func<Random, string, OpCase>[] Makers =
    [
        Reshape, Permute, Slice, Concat, Gather, Scatter, Product, Product, Linear, Linear, Convolution, Convolution, Pool, Unary, Binary, Binary, Compare, Select,
        Reduce, Softmax, ArgMax, Cast, Activation, Norms, Norms, Rope, Attention, Attention, Attention,
    ];

    /// <summary>The case of a seed.</summary>
    internal static OpCase Make(int seed)
    {
        var random = new Random(seed);
        return Makers[random.Next(Makers.Length)](random, $"{seed}");
    }

    private static int Size(Random r, int most = 67, int least = 0)
    {
        while (true)
            if (Sizes[r.Next(Sizes.Length)] is var size && size <= most && size >= least)
                return size;
    }

    private static int[] Shape(Random r, int least = 0, int most = 5)
    {
        while (true)
        {
            int[] shape = [.. Enumerable.Range(0, r.Next(least, most + 1)).Select(_ => Size(r))];
            if (new Shape(shape).Count <= 20_000)
                return shape;
        }
    }

    // A shape that broadcasts to the given one.
    private static int[] Under(Random r, int[] shape) => [.. shape.Skip(r.Next(shape.Length + 1)).Select(a => r.Next(3) == 0 ? 1 : a)];

    // Two or three shapes that broadcast together.
    private static int[][] Together(Random r, int count)
    {
        int[] whole = Shape(r);
        return [.. Enumerable.Range(0, count).Select(_ => Under(r, whole))];
    }

    private static OpCase Case<T>(string name, Func<CaseScene, Value> build) where T : Op => new($"{typeof(T).Name[..^2]} {name}", typeof(T), build);

    private static string Text(params int[][] shapes) => string.Join(" ", shapes.Select(s => $"[{string.Join(",", s)}]"));

    private static OpCase Reshape(Random r, string seed)
    {
        int[] shape = Shape(r);
        int[] target = [.. shape.OrderBy(_ => r.Next()), 1];
        return Case<ReshapeOp>($"{seed} {Text(shape, target)}", s => s.G.Reshape(s.F("x", shape), target));
    }

    private static OpCase Permute(Random r, string seed)
    {
        int[] shape = Shape(r, 0, 6), order = [.. Enumerable.Range(0, shape.Length).OrderBy(_ => r.Next())];
        return Case<PermuteOp>($"{seed} {Text(shape, order)}", s => s.G.Permute(s.F("x", shape), order));
    }

    private static OpCase Slice(Random r, string seed)
    {
        int[] shape = Shape(r, 1);
        int axis = r.Next(shape.Length), start = r.Next(shape[axis] + 1), length = r.Next(shape[axis] - start + 1);
        return Case<SliceOp>($"{seed} {Text(shape)} {axis} {start} {length}", s => s.G.Slice(s.F("x", shape), axis, start, length));
    }

    private static OpCase Concat(Random r, string seed)
    {
        int[] shape = Shape(r, 1);
        int axis = r.Next(shape.Length);
        int[][] parts = [.. Enumerable.Range(0, r.Next(1, 5)).Select(_ => { int[] p = [.. shape]; p[axis] = Size(r, 17); return p; })];
        return Case<ConcatOp>($"{seed} {axis} {Text(parts)}", s => s.G.Concat(axis, [.. parts.Select((p, i) => s.F($"x{i}", p))]));
    }

    private static OpCase Gather(Random r, string seed)
    {
        int[] table = [Size(r, least: 1), .. Shape(r, 0, 2)], indices = [.. Shape(r, 0, 3).Select(a => a % 6)];
        bool weight = r.Next(2) == 0;
        return Case<GatherOp>($"{seed} {Text(table, indices)}", s => s.G.Gather(weight ? s.W("w", table) : s.F("x", table), s.I("i", indices, table[0])));
    }

    private static OpCase Scatter(Random r, string seed)
    {
        int[] shape = Shape(r, 1);
        int[] rows = [.. Enumerable.Range(0, shape[0]).OrderBy(_ => r.Next()).Take(r.Next(shape[0] + 1))];
        return Case<ScatterRowsOp>($"{seed} {Text(shape, rows)}", s => s.G.ScatterRows(s.F("x", shape), s.I("i", HostTensor.From(new Shape(rows.Length), rows)), s.F("r", [rows.Length, .. shape[1..]])));
    }

    private static OpCase Product(Random r, string seed)
    {
        int[] batch = [.. Enumerable.Range(0, r.Next(4)).Select(_ => Size(r, 5))];
        int m = Size(r), k = r.Next(5) == 0 ? 530 : Size(r), n = Size(r);
        int[] a = [.. Under(r, batch), m, k], b = [.. Under(r, batch), k, n];
        return Case<MatMulOp>($"{seed} {Text(a, b)}", s => s.G.MatMul(s.F("a", a), s.F("b", b)));
    }

    private static OpCase Linear(Random r, string seed)
    {
        int k = r.Next(5) == 0 ? 530 : Size(r), o = Size(r);
        int[] x = [.. Shape(r, 0, 3).Select(a => a % 18), k];
        bool bias = r.Next(2) == 0, computed = r.Next(3) == 0;
        return Case<LinearOp>($"{seed} {Text(x)} to {o} {bias} {computed}",
            s => s.G.Linear(s.F("x", x), computed ? s.F("w", [o, k]) : s.W("w", [o, k]), bias ? s.W("b", [o]) : null));
    }

    private static OpCase Convolution(Random r, string seed)
    {
        int groups = r.Next(3) == 0 ? r.Next(1, 5) : 1, stride = r.Next(1, 4), padding = r.Next(4);
        int[] w = [groups * (r.Next(8) == 0 ? 0 : Size(r, 33, 1)), r.Next(10) == 0 ? 0 : Size(r, 17, 1), r.Next(1, 6), r.Next(1, 6)];
        int[] x = [r.Next(3), w[1] * groups, Math.Max(w[2] - 2 * padding, 0) + r.Next(20), Math.Max(w[3] - 2 * padding, 0) + r.Next(20)];
        bool bias = r.Next(2) == 0;
        return Case<Conv2dOp>($"{seed} {Text(x, w)} {stride} {padding} {groups} {bias}", s => s.G.Conv2d(s.F("x", x), s.W("w", w), bias ? s.W("b", [w[0]]) : null, stride, padding, groups));
    }

    private static OpCase Pool(Random r, string seed)
    {
        int size = r.Next(1, 5), stride = r.Next(1, 5);
        int[] x = [r.Next(3), r.Next(4), size + r.Next(12), size + r.Next(12)];
        return Case<AveragePool2dOp>($"{seed} {Text(x)} {size} {stride}", s => s.G.AveragePool2d(s.F("x", x), size, stride));
    }

    private static OpCase Unary(Random r, string seed)
    {
        UnaryKind kind = r.GetItems(Enum.GetValues<UnaryKind>(), 1)[0];
        int[] shape = Shape(r);
        float far = MathF.Pow(10, r.Next(-4, 5)), low = kind is UnaryKind.Log or UnaryKind.Sqrt or UnaryKind.Rsqrt ? far / 100 : -far;
        far = kind == UnaryKind.Exp ? Math.Min(far, 80) : far;
        return Case<UnaryOp>($"{kind} {seed} {Text(shape)} {low} {far}", s => s.G.Unary(kind, s.F("x", shape, low, far)));
    }

    private static OpCase Activation(Random r, string seed)
    {
        ActivationKind kind = r.GetItems(Enum.GetValues<ActivationKind>(), 1)[0];
        int[] shape = Shape(r);
        float far = MathF.Pow(10, r.Next(-4, 3));
        return Case<ActivationOp>($"{kind} {seed} {Text(shape)} {far}", s => s.G.Activation(kind, s.F("x", shape, -far, far)));
    }

    private static OpCase Binary(Random r, string seed)
    {
        BinaryKind kind = r.GetItems(Enum.GetValues<BinaryKind>(), 1)[0];
        int[][] x = Together(r, 2);
        return Case<BinaryOp>($"{kind} {seed} {Text(x)}", s => s.G.Binary(kind, s.F("a", x[0]), s.F("b", x[1], 0.5f)));
    }

    private static OpCase Compare(Random r, string seed)
    {
        CompareKind kind = r.GetItems(Enum.GetValues<CompareKind>(), 1)[0];
        int[][] x = Together(r, 2);
        return Case<CompareOp>($"{kind} {seed} {Text(x)}", s => s.G.Compare(kind, s.I("a", x[0], 3), s.I("b", x[1], 3)));
    }

    private static OpCase Select(Random r, string seed)
    {
        int[][] x = Together(r, 3);
        return Case<SelectOp>($"{seed} {Text(x)}", s => s.G.Select(s.G.Unary(UnaryKind.Relu, s.F("c", x[0])), s.F("a", x[1]), s.F("b", x[2])));
    }

    private static OpCase Reduce(Random r, string seed)
    {
        ReduceKind kind = r.GetItems(Enum.GetValues<ReduceKind>(), 1)[0];
        int[] shape = Shape(r, 1);
        int axis = r.Next(shape.Length);
        bool keep = r.Next(2) == 0;
        if (kind != ReduceKind.Sum && shape[axis] == 0)
            shape[axis] = 3;
        return Case<ReduceOp>($"{kind} {seed} {Text(shape)} {axis} {keep}", s => s.G.Reduce(kind, s.F("x", shape), axis, keep));
    }

    private static OpCase Softmax(Random r, string seed)
    {
        int[] shape = Shape(r, 1);
        float far = MathF.Pow(10, r.Next(-2, 5));
        bool log = r.Next(2) == 0 && shape[^1] > 0;
        if (log)
            return Case<LogSoftmaxOp>($"{seed} {Text(shape)} {far}", s => s.G.LogSoftmax(s.F("x", shape, -far, far)));
        return Case<SoftmaxOp>($"{seed} {Text(shape)} {far}", s => s.G.Softmax(s.F("x", shape, -far, far)));
    }

    private static OpCase ArgMax(Random r, string seed)
    {
        int[] shape = [.. Shape(r, 0, 3).Select(a => a % 9), Size(r, least: 1)];
        return Case<ArgMaxOp>($"{seed} {Text(shape)}", s => s.G.ArgMax(s.G.Cast(s.I("x", shape, 9), DType.F32)));
    }

    private static OpCase Cast(Random r, string seed)
    {
        int[] shape = Shape(r);
        float far = MathF.Pow(10, r.Next(0, 12));
        return Case<CastOp>($"{seed} {Text(shape)} {far}", s => s.G.Cast(s.F("x", shape, -far, far), DType.I32));
    }

    private static OpCase Norms(Random r, string seed)
    {
        int d = r.Next(4) == 0 ? 300 : Size(r, least: 1);
        int[] shape = [.. Shape(r, 0, 3).Select(a => a % 9), d];
        float epsilon = MathF.Pow(10, r.Next(-7, -2)), middle = r.Next(2) == 0 ? 0 : 3;
        if (r.Next(2) == 0)
            return Case<LayerNormOp>($"{seed} {Text(shape)} {epsilon} {middle}",
                s => s.G.LayerNorm(s.F("x", shape, middle - 1, middle + 1), s.W("w", [d]), s.W("b", [d]), epsilon));
        return Case<RmsNormOp>($"{seed} {Text(shape)} {epsilon}", s => s.G.RmsNorm(s.F("x", shape, middle - 1, middle + 1), s.W("w", [d]), epsilon, middle / 3));
    }

    private static OpCase Rope(Random r, string seed)
    {
        RopeLayout layout = (RopeLayout)r.Next(2);
        int b = r.Next(3), t = Size(r, 17), n = r.Next(5), h = r.Next(1, 20) * 2 + r.Next(2), width = r.Next(1, h / 2 + 1) * 2;
        bool factors = r.Next(2) == 0;
        // Near positions: the decomposition's angles are single floats.
        return Case<RopeOp>($"{seed} {b} {t} {n} {h} {width} {layout} {factors}",
            s => s.G.Rope(s.F("x", [b, t, n, h]), s.I("p", [b, t], 40), 10_000, width, layout, factors ? s.W("f", [width / 2], 1, 8) : null));
    }

    private static OpCase Attention(Random r, string seed)
    {
        AttentionMask mask = (AttentionMask)r.Next(4);
        int b = r.Next(3), t = Size(r), keys = mask is AttentionMask.Full or AttentionMask.Bias ? Size(r) : t, kv = r.Next(1, 4), n = kv * r.Next(4), h = Size(r, least: 1);
        float cap = r.Next(3) == 0 ? 0.5f + r.NextSingle() : 0;
        int window = mask == AttentionMask.Causal && r.Next(2) == 0 ? r.Next(1, 40) : 0;
        int[] bias = Under(r, [b, n, t, keys]);
        return Case<AttentionOp>($"{seed} {mask} {b} {t} {keys} {n} {kv} {h} cap {cap} window {window} {(mask == AttentionMask.Bias ? Text(bias) : "")}", s =>
        {
            Value? fourth = mask == AttentionMask.Bias ? s.F("bias", bias) : mask == AttentionMask.PackedPrefix ? s.I("segments", [b, t], 4) : null;
            return s.G.Attention(s.F("q", [b, t, n, h]), s.F("k", [b, keys, kv, h]), s.F("v", [b, keys, kv, h]), mask, maskInput: fourth, softCap: cap, window: window);
        });
    }
}
