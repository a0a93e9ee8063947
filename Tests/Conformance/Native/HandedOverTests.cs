using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Native;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>Weights that the executor takes over are not held twice, and everything else stays as it is.</summary>
public sealed class HandedOverTests
{
    [TestCase(DType.F32)]
    [TestCase(DType.Q8_0)]
    public void A_packed_weight_is_let_go_and_further_plans_use_it(DType type)
    {
        var random = new Random(3);
        HostTensor table = Tensor(random, type), matrix = Tensor(random, type);
        var kept = new WeightBinding("test", new Dictionary<string, HostTensor> { ["table"] = table, ["matrix"] = matrix });
        var binding = new WeightBinding("test", new Dictionary<string, HostTensor> { ["table"] = table, ["matrix"] = matrix }, new HashSet<string> { "matrix" });
        using var executor = new NativeExecutor();
        float[] expected = Run(executor, kept, 3), first = Run(executor, binding, 3), second = Run(executor, binding, 5)[..first.Length];
        Assert.Multiple(() =>
        {
            Assert.That(first, Is.EqualTo(expected));
            Assert.That(second, Is.EqualTo(expected));
            Assert.That(kept.Bytes, Is.EqualTo(table.Data.Length + matrix.Data.Length));
            Assert.That(binding.Bytes, Is.EqualTo(table.Data.Length));
            Assert.That(binding.Contains("matrix") && binding.Names.Contains("matrix"));
            Assert.That(() => binding.Get("matrix"), Throws.InvalidOperationException.With.Message.Contains("matrix"));
            Assert.That(() => binding.Check(new WeightOp("matrix", new Shape(3, 3))), Throws.InstanceOf<CheckpointException>());
        });
    }

    [Test]
    public void A_matrix_is_taken_over_when_it_is_bound_and_a_vector_stays()
    {
        HostTensor matrix = Tensor(new Random(4), DType.Q8_0), norm = new(DType.F32, new Shape(64));
        WeightSpec[] needed = [("matrix", matrix.Shape), ("table", matrix.Shape), ("norm", norm.Shape)];
        var binding = new WeightBinding("test", new Dictionary<string, HostTensor>(), CheckpointMapping.Matrices(needed));
        using var executor = new NativeExecutor();
        foreach (WeightSpec weight in needed)
        {
            binding.Add(weight.Name, weight.Packs ? matrix : norm);
            executor.Take(binding, weight);
            Assert.That(binding.Bytes, Is.EqualTo(weight.Packs ? 0 : norm.Data.Length), weight.Name);
        }
        var kept = new WeightBinding("test", new Dictionary<string, HostTensor> { ["table"] = matrix, ["matrix"] = matrix });
        Assert.That(Run(executor, binding, 5), Is.EqualTo(Run(executor, kept, 5)));
        Assert.That(() => binding.Add("matrix", matrix), Throws.ArgumentException);
        Assert.That(() => executor.Take(binding, new WeightSpec("matrix", new Shape(3, 3), true)), Throws.InstanceOf<CheckpointException>());
    }

    /// <summary>A tied embedding is looked up and multiplied: its rows come out of the packed form, in any storage type, with the bits of the stored one.</summary>
    [Test]
    public void A_table_that_is_multiplied_too_is_held_once([Values(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1)] DType type)
    {
        const int Rows = 77, Width = 96;
        HostTensor table = Tensor(new Random(5), type, Rows, Width), floats = Dequantizer.ToFloats(table);
        var binding = new WeightBinding("test", new Dictionary<string, HostTensor> { ["table"] = table }, new HashSet<string> { "table" });
        int[] ids = [0, 76, 31, 32, 15, 16, 63, 64, 16];
        using var executor = new NativeExecutor();
        foreach (bool multiplied in new[] { true, false })
        {
            var g = new GraphBuilder();
            Value words = g.Gather(g.Weight("table", Rows, Width), g.Input("ids", DType.I32, ids.Length));
            g.Output("words", words);
            if (multiplied)
                g.Output("logits", g.Linear(words, g.Weight("table", Rows, Width)));
            using IPlan plan = executor.Prepare(g.Build(), binding);
            ids.CopyTo(plan.Input("ids").Ints);
            plan.Run();
            for (int i = 0; i < ids.Length; i++)
                Assert.That(plan.Output("words").Floats.Slice(i * Width, Width).ToArray(), Is.EqualTo(floats.Floats.Slice(ids[i] * Width, Width).ToArray()), $"row {ids[i]}");
            Assert.That(binding.Bytes, Is.Zero);
            plan.Input("ids").Ints[2] = Rows;
            Assert.That(() => plan.Run(), Throws.InstanceOf<VlmException>().With.Message.Contains("outside the table"));
        }
    }

    private static HostTensor Tensor(Random random, DType type, int rows = 32, int width = 64)
    {
        var floats = new HostTensor(DType.F32, new Shape(rows, width));
        foreach (ref float v in floats.Floats)
            v = random.NextSingle() - 0.5f;
        return type == DType.F32 ? floats : Quantizer.Quantize(type, floats);
    }

    private static float[] Run(NativeExecutor executor, WeightBinding weights, int rows)
    {
        var g = new GraphBuilder();
        Value x = g.Gather(g.Weight("table", 32, 64), g.Input("ids", DType.I32, rows));
        g.Output("y", g.Linear(x, g.Weight("matrix", 32, 64)));
        using IPlan plan = executor.Prepare(g.Build(), weights);
        for (int i = 0; i < rows; i++)
            plan.Input("ids").Ints[i] = 7 * i % 32;
        plan.Run();
        return plan.Output("y").Floats.ToArray();
    }
}
