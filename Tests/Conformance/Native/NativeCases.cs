using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>A small graph whose inputs and weights are filled with seeded numbers.</summary>
/// <param name="Name">Shown as the test's name.</param>
/// <param name="Build">Records the graph; its outputs are compared.</param>
/// <param name="Indices">I32 inputs hold numbers below this.</param>
internal sealed record NativeCase(string Name, Action<GraphBuilder> Build, int Indices = 5)
{
    public override string ToString() => Name;

    internal Graph Graph()
    {
        var g = new GraphBuilder();
        Build(g);
        return g.Build();
    }
}

/// <summary>Graphs chosen for the kernels' edges: sizes around 16 and 32 lanes, tails, blocks of depth, few and many rows.</summary>
internal static class NativeCases
{
    internal static IEnumerable<NativeCase> All()
    {
        foreach (UnaryKind kind in Enum.GetValues<UnaryKind>())
            foreach (int n in new[] { 1, 15, 16, 37 })
                yield return new($"{kind} {n}", g =>
                {
                    Value x = g.Input("x", DType.F32, n);
                    g.Output("y", g.Unary(kind, kind is UnaryKind.Log or UnaryKind.Sqrt or UnaryKind.Rsqrt ? g.Unary(UnaryKind.Abs, x) + 0.1f : x * 2f));
                });
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
            yield return new($"{kind}", g => g.Output("y", g.Activation(kind, g.Input("x", DType.F32, 3, 41) * 3f)));
        foreach (BinaryKind kind in Enum.GetValues<BinaryKind>())
            foreach ((int[] a, int[] b) in new (int[], int[])[] { ([5, 17], [5, 17]), ([5, 17], [17]), ([5, 1], [1, 17]), ([], [3, 33]), ([2, 3, 1, 4], [3, 5, 1]), ([4, 0], [1]) })
                yield return new($"{kind} {new Shape(a)} {new Shape(b)}", g => g.Output("y", g.Binary(kind, g.Input("a", DType.F32, a), g.Input("b", DType.F32, b))));
        foreach (CompareKind kind in Enum.GetValues<CompareKind>())
        {
            yield return new($"{kind} floats", g => g.Output("y", g.Compare(kind, g.Input("a", DType.F32, 3, 19), g.Input("b", DType.F32, 19))));
            yield return new($"{kind} integers", g => g.Output("y", g.Compare(kind, g.Input("a", DType.I32, 3, 19), g.Input("b", DType.I32, 3, 1))));
        }
        yield return new("Select", g => g.Output("y", g.Select(g.Compare(CompareKind.Less, g.Input("a", DType.F32, 3, 19), g.Input("b", DType.F32, 19)),
            g.Input("c", DType.F32, 3, 1), g.Input("d", DType.F32, 1, 19))));
        foreach (int[] axes in new int[][] { [0, 2, 1], [2, 1, 0], [1, 0, 2], [0, 1, 2] })
            yield return new($"Permute {string.Join("", axes)}", g => g.Output("y", g.Permute(g.Input("x", DType.F32, 3, 5, 17), axes)));
        yield return new("Permute 6 axes", g => g.Output("y", g.Permute(g.Input("x", DType.I32, 2, 3, 2, 3, 2, 4), 0, 1, 3, 2, 5, 4)));
        yield return new("Slice and Concat", g =>
        {
            Value x = g.Input("x", DType.F32, 4, 6, 5);
            g.Output("front", g.Slice(x, 0, 1, 2));
            g.Output("middle", g.Slice(x, 1, 2, 3) + 1);
            g.Output("joined", g.Concat(1, g.Slice(x, 1, 4, 2), x, g.Slice(x, 1, 0, 0)));
            g.Output("last", g.Concat(-1, g.Slice(x, -1, 3, 2), g.Slice(x, -1, 0, 3)));
        });
        yield return new("Gather and ScatterRows", g =>
        {
            Value table = g.Input("table", DType.F32, 5, 3), indices = g.Input("indices", DType.I32, 2, 4);
            g.Output("y", g.Gather(table, indices));
            g.Output("z", g.ScatterRows(table, g.Constant(HostTensor.From(new Shape(2), [4, 1])), g.Input("rows", DType.F32, 2, 3)));
        });
        foreach ((int m, int k, int n) in new[] { (1, 1, 1), (3, 17, 33), (13, 300, 31), (100, 64, 64), (7, 0, 5), (29, 530, 70) })
            yield return new($"MatMul {m} {k} {n}", g => g.Output("y", g.MatMul(g.Input("a", DType.F32, m, k), g.Input("b", DType.F32, k, n))));
        yield return new("MatMul broadcast", g => g.Output("y", g.MatMul(g.Input("a", DType.F32, 2, 1, 5, 7), g.Input("b", DType.F32, 3, 7, 35))));
        yield return new("MatMul one right side", g => g.Output("y", g.MatMul(g.Input("a", DType.F32, 2, 3, 5, 7), g.Input("b", DType.F32, 7, 9))));
        foreach (int rows in new[] { 0, 1, 2, 13, 100 })
            foreach ((int outputs, int inputs) in new[] { (1, 1), (33, 17), (70, 530), (64, 256) })
                yield return new($"Linear {rows} {inputs} {outputs}", g => g.Output("y",
                    g.Linear(g.Input("x", DType.F32, rows, inputs), g.Weight("w", outputs, inputs), rows == 2 ? null : g.Weight("b", outputs))));
        yield return new("Linear, computed weight", g => g.Output("y",
            g.Linear(g.Input("x", DType.F32, 2, 3, 9), g.Input("w", DType.F32, 11, 9) * 2f, g.Input("b", DType.F32, 11))));
        foreach ((int c, int o, int size, int kernel, int stride, int padding, int groups) in new[]
            { (3, 5, 9, 3, 1, 1, 1), (3, 32, 33, 7, 4, 3, 1), (32, 13, 20, 3, 2, 1, 1), (4, 6, 8, 1, 1, 0, 2), (1, 1, 5, 5, 1, 2, 1), (2, 3, 4, 3, 3, 4, 1), (40, 7, 7, 3, 1, 1, 1) })
            yield return new($"Conv2d {c} {o} {size} {kernel} {stride} {padding} {groups}", g => g.Output("y",
                g.Conv2d(g.Input("x", DType.F32, 2, c, size, size + 2), g.Weight("w", o, c / groups, kernel, kernel), o == 6 ? null : g.Weight("b", o), stride, padding, groups)));
        yield return new("AveragePool2d", g => g.Output("y", g.AveragePool2d(g.Input("x", DType.F32, 2, 3, 9, 7), 3, 2)));
        foreach (ReduceKind kind in Enum.GetValues<ReduceKind>())
            foreach (int axis in new[] { 0, 1, 2 })
                yield return new($"Reduce {kind} {axis}", g => g.Output("y", g.Reduce(kind, g.Input("x", DType.F32, 19, 37, 21), axis, keepAxis: axis == 1)));
        foreach (int width in new[] { 1, 16, 37, 300 })
            yield return new($"Rows {width}", g =>
            {
                Value x = g.Input("x", DType.F32, 2, 5, width);
                g.Output("softmax", g.Softmax(x * 4f));
                g.Output("log", g.LogSoftmax(x * 4f));
                g.Output("best", g.ArgMax(x));
                g.Output("layer", g.LayerNorm(x + 3, g.Weight("w", width), g.Weight("b", width), 1e-5f));
                g.Output("rms", g.RmsNorm(x, g.Weight("w", width), 1e-6f, offset: 1));
            });
        yield return new("Cast", g =>
        {
            g.Output("i", g.Cast(g.Input("x", DType.F32, 20) * 3f, DType.I32));
            g.Output("f", g.Cast(g.Input("n", DType.I32, 20), DType.F32));
        });
        foreach (RopeLayout layout in Enum.GetValues<RopeLayout>())
            yield return new($"Rope {layout}", g => g.Output("y", g.Rope(g.Input("x", DType.F32, 2, 3, 2, 38), g.Input("p", DType.I32, 2, 3), 100, 34, layout, g.Weight("factors", 17))), 900);
        foreach ((int b, int t, int n, int s, int k, int h) in new[] { (1, 1, 1, 1, 1, 1), (2, 3, 4, 7, 2, 20), (1, 40, 2, 70, 1, 33), (2, 33, 3, 33, 3, 64), (1, 9, 2, 300, 2, 16) })
        {
            yield return new($"Attention Full {b} {t} {n} {s} {k} {h}", g => g.Output("y", Attend(g, b, t, n, s, k, h, AttentionMask.Full)));
            yield return new($"Attention Bias {b} {t} {n} {s} {k} {h}", g => g.Output("y", Attend(g, b, t, n, s, k, h, AttentionMask.Bias, g.Input("bias", DType.F32, n, t, s))));
            if (t != s)
                continue;
            yield return new($"Attention Causal {b} {t} {n} {k} {h}", g => g.Output("y", Attend(g, b, t, n, s, k, h, AttentionMask.Causal)));
            yield return new($"Attention PackedPrefix {b} {t} {n} {k} {h}", g => g.Output("y", Attend(g, b, t, n, s, k, h, AttentionMask.PackedPrefix, g.Input("segments", DType.I32, b, s))), 3);
        }
    }

    private static Value Attend(GraphBuilder g, int b, int t, int n, int s, int k, int h, AttentionMask mask, Value? fourth = null) =>
        g.Attention(g.Input("q", DType.F32, b, t, n, h), g.Input("k", DType.F32, b, s, k, h), g.Input("v", DType.F32, b, s, k, h), mask, maskInput: fourth);

    /// <summary>Weights of a graph as seeded numbers around 0.5, never near 0 so that they may divide.</summary>
    internal static WeightBinding Weights(Graph graph, int seed) =>
        new("seeded", graph.Weights.Select((w, i) => (w.WeightName, Tensor: Random(w.WeightShape, seed + i, 0.4f, 1))).ToDictionary(p => p.WeightName, p => p.Tensor));

    /// <summary>Fills the inputs of a plan; the same seed gives the same numbers to every executor.</summary>
    internal static void Fill(Graph graph, IPlan plan, int seed, int indices)
    {
        foreach (InputOp input in graph.Inputs)
        {
            HostTensor tensor = plan.Input(input.InputName);
            var random = new Random(seed++);
            if (tensor.Type == DType.I32)
                foreach (ref int v in tensor.Ints)
                    v = random.Next(indices);
            else
                Random(tensor.Shape, seed, -1.5f, 1.5f).Floats.CopyTo(tensor.Floats);
        }
    }

    internal static HostTensor Random(Shape shape, int seed, float low, float high)
    {
        var random = new Random(seed);
        var tensor = new HostTensor(DType.F32, shape);
        foreach (ref float v in tensor.Floats)
            v = low + (high - low) * random.NextSingle();
        return tensor;
    }

    /// <summary>One executor per instruction set of this machine.</summary>
    internal static IEnumerable<NativeExecutor> EveryIsa(int threads = 1) =>
        NativeExecutor.AvailableIsas().Select(isa => new NativeExecutor(new NativeExecutorOptions { Isa = isa, Threads = threads }));

    /// <summary>Asserts that numbers agree to a relative error, measured against each value or the typical one of the tensor.</summary>
    internal static void AssertClose(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double relative, string what)
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), what);
        double square = 0;
        foreach (float v in expected)
            square += float.IsFinite(v) ? (double)v * v : 0;
        double typical = Math.Sqrt(square / Math.Max(1, expected.Length));
        for (int i = 0; i < actual.Length; i++)
            if (!(Math.Abs((double)actual[i] - expected[i]) <= relative * Math.Max(Math.Abs(expected[i]), typical)) && !actual[i].Equals(expected[i]))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R} (typical {typical:G3}).");
    }
}
