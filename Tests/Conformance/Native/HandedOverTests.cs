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

    private static HostTensor Tensor(Random random, DType type)
    {
        var floats = new HostTensor(DType.F32, new Shape(32, 64));
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
