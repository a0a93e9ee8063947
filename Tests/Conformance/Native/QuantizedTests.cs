using System.Runtime.InteropServices;
using System.Text.Json;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Native;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>
/// Weights in every storage type: a product with the stored weight has the same bits as one with the floats it stands
/// for, on every instruction set and for one row or many; and the goldens' products come out.
/// </summary>
public sealed class QuantizedTests
{
    private static readonly DType[] Types =
    [
        DType.F16, DType.BF16, DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1, DType.Q8_0, DType.Q2_K, DType.Q3_K, DType.Q4_K, DType.Q5_K,
        DType.Q6_K, DType.IQ4_NL, DType.IQ4_XS,
    ];

    [Test]
    public void Stored_weights_give_the_bits_of_their_floats([ValueSource(nameof(Types))] DType type, [Values(1, 2, 5, 37)] int rows, [Values(1, 32, 75)] int outputs, [Values(1, 3, 11)] int blocks)
    {
        int inputs = blocks * Math.Max(type.BlockLength(), 31);
        var g = new GraphBuilder();
        g.Output("y", g.Linear(g.Input("x", DType.F32, rows, inputs), g.Weight("w", outputs, inputs), g.Weight("b", outputs)));
        g.Output("rows", g.Gather(g.Weight("w", outputs, inputs), g.Input("ids", DType.I32, 2)));
        g.Output("plain", g.Weight("w", outputs, inputs) + 0);
        Graph graph = g.Build();
        HostTensor stored = RandomBlocks(type, new Shape(outputs, inputs)), floats = Dequantizer.ToFloats(stored);
        HostTensor bias = NativeCases.Random(new Shape(outputs), 3, -1, 1);
        using var reference = new ReferenceExecutor();
        using IPlan expected = reference.Prepare(graph, Bind(floats));
        NativeCases.Fill(graph, expected, 1, outputs);
        expected.Run();
        byte[]? scalar = null;
        foreach (NativeExecutor executor in NativeCases.EveryIsa())
            using (executor)
            {
                using IPlan exact = executor.Prepare(graph, Bind(floats)), plan = executor.Prepare(graph, Bind(stored));
                foreach (IPlan p in new[] { exact, plan })
                {
                    NativeCases.Fill(graph, p, 1, outputs);
                    p.Run();
                }
                foreach (string name in graph.Outputs.Keys)
                    Assert.That(plan.Output(name).Data.Span.SequenceEqual(exact.Output(name).Data.Span), $"{executor.Isa} {name}");
                NativeCases.AssertClose(plan.Output("y").Floats, expected.Output("y").Floats, 1e-5, executor.Isa);
                Assert.That(plan.Output("plain").Floats.SequenceEqual(expected.Output("plain").Floats), $"{executor.Isa} values");
                scalar ??= plan.Output("y").Data.ToArray();
                Assert.That(plan.Output("y").Data.Span.SequenceEqual(scalar), $"{executor.Isa} differs from scalar");
            }

        WeightBinding Bind(HostTensor weight) => new("test", new Dictionary<string, HostTensor> { ["w"] = weight, ["b"] = bias });
    }

    private static IEnumerable<string> Goldens() => Golden.Cases("quant").Where(d => Enum.TryParse(Path.GetFileName(d), out DType _)).Select(d => Path.GetFileName(d)!);

    [TestCaseSource(nameof(Goldens))]
    public void Golden_products_come_out(string name)
    {
        string folder = Golden.At("quant", name);
        double tolerance = Golden.Json(Path.Combine(folder, "case.json")).TryGetProperty("tolerance_matvec_relative", out JsonElement t) ? t.GetDouble() : 1e-5;
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        HostTensor bytes = file.Read(file.Tensors.ContainsKey("out.bytes") ? "out.bytes" : "in.blocks"), x = file.Read("in.x"), want = file.Read("out.matvec");
        var shape = new Shape((int)want.Shape.Count, (int)x.Shape.Count);
        var weights = new WeightBinding(folder, new Dictionary<string, HostTensor> { ["w"] = new(Enum.Parse<DType>(name), shape, bytes.Data) });
        var g = new GraphBuilder();
        g.Output("y", g.Linear(g.Input("x", DType.F32, shape[1]), g.Weight("w", shape.Axes)));
        g.Output("w", g.Weight("w", shape.Axes) + 0);
        Graph graph = g.Build();
        foreach (NativeExecutor executor in NativeCases.EveryIsa())
            using (executor)
            {
                using IPlan plan = executor.Prepare(graph, weights);
                x.Data.CopyTo(plan.Input("x").Data);
                plan.Run();
                Assert.That(plan.Output("w").Floats.SequenceEqual(file.Read("out.dequant").Floats), executor.Isa);
                NativeCases.AssertClose(plan.Output("y").Floats, want.Floats, tolerance, executor.Isa);
            }
    }

    // Random bits are valid codes; halves are made small finite numbers so that sums stay comparable.
    private static HostTensor RandomBlocks(DType type, Shape shape)
    {
        var tensor = new HostTensor(type, shape);
        var random = new Random(type.GetHashCode() + shape[0]);
        random.NextBytes(tensor.Data.Span);
        (int scale, int minimum) = type switch
        {
            DType.Q2_K => (80, 82),
            DType.Q3_K => (108, -1),
            DType.Q6_K => (208, -1),
            DType.Q4_1 or DType.Q5_1 or DType.Q4_K or DType.Q5_K => (0, 2),
            _ => (0, -1),
        };
        int step = type.BlockBytes();
        for (int start = 0; start < tensor.Data.Length; start += step)
            foreach (int at in new[] { scale, minimum })
                if (at >= 0)
                {
                    float value = (random.NextSingle() - 0.5f) / 8;
                    ushort bits = type == DType.BF16 ? (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16) : BitConverter.HalfToUInt16Bits((Half)value);
                    MemoryMarshal.Write(tensor.Data.Span[(start + at)..], bits);
                }
        return tensor;
    }
}
