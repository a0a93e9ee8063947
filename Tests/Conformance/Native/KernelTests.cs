using System.Runtime.InteropServices;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>Every kernel against Reference, and every instruction set and thread count against the scalar twin, bit for bit.</summary>
public sealed class KernelTests
{
    private static readonly ReferenceExecutor Reference = new();

    private static IEnumerable<NativeCase> Cases() => NativeCases.All();

    [TestCaseSource(nameof(Cases))]
    public void Kernels_agree_with_reference_and_their_scalar_twin(object given)
    {
        var test = (NativeCase)given;
        Graph graph = test.Graph();
        WeightBinding weights = NativeCases.Weights(graph, 7);
        using IPlan expected = Reference.Prepare(graph, weights);
        NativeCases.Fill(graph, expected, 11, test.Indices);
        expected.Run();
        Dictionary<string, byte[]>? scalar = null;
        foreach (NativeExecutor executor in NativeCases.EveryIsa())
            using (executor)
            {
                using IPlan plan = executor.Prepare(graph, weights);
                NativeCases.Fill(graph, plan, 11, test.Indices);
                plan.Run();
                foreach (string name in graph.Outputs.Keys)
                {
                    HostTensor want = expected.Output(name), got = plan.Output(name);
                    Assert.That(got.Shape, Is.EqualTo(want.Shape));
                    if (want.Type == DType.I32)
                        Assert.That(got.Ints.SequenceEqual(want.Ints), $"{executor.Isa} {name}");
                    else
                        NativeCases.AssertClose(got.Floats, want.Floats, 1e-5, $"{executor.Isa} {name}");
                }
                scalar ??= graph.Outputs.Keys.ToDictionary(n => n, n => plan.Output(n).Data.ToArray());
                foreach ((string name, byte[] bytes) in scalar)
                    Assert.That(Bits(plan.Output(name).Data.Span).SequenceEqual(Bits(bytes)), $"{executor.Isa} {name} differs from scalar");
            }
    }

    [TestCase(2), TestCase(3), TestCase(4)]
    public void Thread_counts_give_the_same_bits(int threads)
    {
        Graph graph = new NativeCase("big", g =>
        {
            Value x = g.Input("x", DType.F32, 150, 530);
            Value y = g.Activation(ActivationKind.Gelu, g.Linear(x, g.Weight("w", 330, 530), g.Weight("b", 330)));
            g.Output("rows", g.Softmax(y));
            g.Output("product", g.MatMul(g.Permute(y, 1, 0), x));
            Value picture = g.Input("picture", DType.F32, 1, 16, 60, 60);
            g.Output("picture", g.Conv2d(picture, g.Weight("k", 24, 16, 3, 3), stride: 1, padding: 1));
            Value q = g.Input("q", DType.F32, 1, 130, 3, 64);
            g.Output("mixed", g.Attention(q, q, q, AttentionMask.Causal));
            g.Output("one", g.Linear(g.Slice(x, 0, 3, 1), g.Weight("wide", 1000, 530)));
            g.Output("sum", g.Reduce(ReduceKind.Sum, g.Reshape(x, 10, -1), 1));
        }).Graph();
        WeightBinding weights = NativeCases.Weights(graph, 3);
        using var one = new NativeExecutor(new NativeExecutorOptions { Threads = 1 });
        using var many = new NativeExecutor(new NativeExecutorOptions { Threads = threads });
        using IPlan expected = one.Prepare(graph, weights), plan = many.Prepare(graph, weights);
        NativeCases.Fill(graph, expected, 5, 1);
        NativeCases.Fill(graph, plan, 5, 1);
        expected.Run();
        for (int run = 0; run < 3; run++)
        {
            plan.Run();
            foreach (string name in graph.Outputs.Keys)
                Assert.That(Bits(plan.Output(name).Data.Span).SequenceEqual(Bits(expected.Output(name).Data.Span)), $"{name}, {threads} threads");
        }
    }

    [Test]
    public void Plans_may_run_from_several_threads_at_once()
    {
        Graph graph = new NativeCase("shared", g => g.Output("y", g.Linear(g.Input("x", DType.F32, 64, 256), g.Weight("w", 256, 256)))).Graph();
        WeightBinding weights = NativeCases.Weights(graph, 3);
        using var executor = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        IPlan[] plans = [.. Enumerable.Range(0, 3).Select(_ => executor.Prepare(graph, weights))];
        Parallel.ForEach(plans, plan =>
        {
            NativeCases.Fill(graph, plan, 5, 1);
            for (int i = 0; i < 20; i++)
                plan.Run();
        });
        Assert.That(plans.All(p => p.Output("y").Data.Span.SequenceEqual(plans[0].Output("y").Data.Span)));
        foreach (IPlan plan in plans)
            plan.Dispose();
    }

    [Test]
    public void Not_a_number_and_infinities_pass_as_in_reference()
    {
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, -0f, 1e-40f, 100, -100, 88.7f, -103];
        Graph graph = new NativeCase("special", g =>
        {
            Value x = g.Input("x", DType.F32, special.Length);
            foreach (UnaryKind kind in new[] { UnaryKind.Exp, UnaryKind.Tanh, UnaryKind.Sigmoid, UnaryKind.Relu, UnaryKind.Erf, UnaryKind.Softplus, UnaryKind.Abs })
                g.Output($"{kind}", g.Unary(kind, x));
            g.Output("max", g.Binary(BinaryKind.Maximum, x, g.Input("y", DType.F32, special.Length)));
            g.Output("min", g.Binary(BinaryKind.Minimum, g.Input("y", DType.F32, special.Length), x));
            g.Output("hidden", g.Softmax(g.Reshape(x, 5, 2) + float.NegativeInfinity));
        }).Graph();
        using IPlan expected = Reference.Prepare(graph, NativeCases.Weights(graph, 1));
        foreach (NativeExecutor executor in NativeCases.EveryIsa())
            using (executor)
            {
                using IPlan plan = executor.Prepare(graph, NativeCases.Weights(graph, 1));
                foreach (IPlan p in new[] { expected, plan })
                {
                    special.CopyTo(p.Input("x").Floats);
                    special.Reverse().ToArray().CopyTo(p.Input("y").Floats);
                    p.Run();
                }
                foreach (string name in graph.Outputs.Keys)
                    for (int i = 0; i < special.Length; i++)
                    {
                        float want = expected.Output(name).Floats[i], got = plan.Output(name).Floats[i];
                        Assert.That(got.Equals(want) || Math.Abs((double)got - want) <= 1e-6 * Math.Abs(want) + 2e-45, $"{executor.Isa} {name} of {special[i]}: {got}, not {want}");
                    }
            }
    }

    [Test]
    public void Machine_and_its_instruction_sets_are_named()
    {
        string[] all = ["scalar", "avx2", "avx512"];
        TestContext.Out.WriteLine($"{RuntimeInformation.ProcessArchitecture}: has {string.Join(", ", NativeExecutor.AvailableIsas())}; " +
            $"lacks {string.Join(", ", all.Except(NativeExecutor.AvailableIsas()).DefaultIfEmpty("none"))}");
        Assert.That(NativeExecutor.AvailableIsas(), Has.Member("scalar"));
    }

    // NaN payloads are no result, so any NaN equals any other.
    private static int[] Bits(ReadOnlySpan<byte> bytes) =>
        [.. MemoryMarshal.Cast<byte, int>(bytes).ToArray().Select(b => float.IsNaN(BitConverter.Int32BitsToSingle(b)) ? int.MinValue + 1 : b)];
}
