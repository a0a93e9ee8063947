using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>A whole small Scout: encode, picture prefill, question, single steps.</summary>
public sealed class ScoutNativeTests
{
    private static readonly ScoutConfig Config = ScoutConfig.Tiny;

    internal static KvCacheSpec Cache(ScoutConfig c) => new(c.DecoderLayers, c.DecoderWidth / c.HeadWidth, c.HeadWidth, c.PictureTokens + 64);

    internal static WeightBinding Weights(ScoutConfig c) => new("seeded", new[] { ScoutGraphs.Encode(c), ScoutGraphs.Prefix(c), ScoutGraphs.Text(c, 1) }.SelectMany(g => g.Weights).DistinctBy(w => w.WeightName)
        .Select((w, i) => (w.WeightName, Tensor: NativeCases.Random(w.WeightShape, 100 + i, -0.15f, 0.17f))).ToDictionary(p => p.WeightName, p => p.Tensor));

    [Test]
    public void Scout_gives_the_logits_of_reference()
    {
        WeightBinding weights = Weights(Config);
        using var reference = new ReferenceExecutor();
        float[][] expected = Walk(reference, weights);
        foreach (NativeExecutor executor in NativeCases.EveryIsa(threads: 2))
            using (executor)
            {
                float[][] got = Walk(executor, weights);
                for (int i = 0; i < expected.Length; i++)
                    NativeCases.AssertClose(got[i], expected[i], 2e-5, $"{executor.Isa} step {i}");
            }
    }

    [Test]
    public void A_step_allocates_nothing()
    {
        using var executor = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        using IPlan step = executor.Prepare(ScoutGraphs.Text(Config, 1), Weights(Config));
        using KvCache cache = executor.CreateCache(Cache(Config));
        using var stop = new CancellationTokenSource();
        step.Run(cache, stop.Token);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            step.Input("tokens").Ints[0] = i;
            step.Input("positions").Ints[0] = cache.Length;
            step.Run(cache, stop.Token);
            step.Run(cache);
        }
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void A_cancelled_run_leaves_the_cache_and_the_plan_usable()
    {
        using var executor = new NativeExecutor(new NativeExecutorOptions { Threads = 1 });
        WeightBinding weights = Weights(Config);
        using IPlan step = executor.Prepare(ScoutGraphs.Text(Config, 2), weights);
        using KvCache cache = executor.CreateCache(Cache(Config)), fresh = executor.CreateCache(Cache(Config));
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => step.Run(cache, stop.Token));
        Assert.That(cache.Length, Is.Zero);
        step.Run(cache);
        float[] after = step.Output("logits").Floats.ToArray();
        step.Run(fresh);
        Assert.That(step.Output("logits").Floats.SequenceEqual(after));
    }

    [Test]
    public void Intermediate_values_share_memory()
    {
        using var executor = new NativeExecutor();
        Graph graph = ScoutGraphs.Encode(Config);
        using var plan = (NativePlan)executor.Prepare(graph, Weights(Config));
        long all = graph.Nodes.Where(n => n.Op is not (WeightOp or InputOp or ConstantOp or ReshapeOp)).Sum(n => n.Shape.Count * 4);
        Assert.That(plan.ArenaBytes, Is.LessThan(all / 4));
    }

    // Picture, a question of five words, three single steps; the logits of all.
    private static float[][] Walk(IExecutor executor, WeightBinding weights)
    {
        using IPlan encode = executor.Prepare(ScoutGraphs.Encode(Config), weights), prefix = executor.Prepare(ScoutGraphs.Prefix(Config), weights),
            question = executor.Prepare(ScoutGraphs.Text(Config, 5), weights), step = executor.Prepare(ScoutGraphs.Text(Config, 1), weights);
        using KvCache cache = executor.CreateCache(Cache(Config));
        NativeCases.Random(encode.Input("pixels").Shape, 5, -2, 2).Floats.CopyTo(encode.Input("pixels").Floats);
        encode.Run();
        encode.Output("picture").Data.CopyTo(prefix.Input("picture").Data);
        Positions(prefix, cache);
        prefix.Run(cache);
        List<float[]> logits = [encode.Output("picture").Floats.ToArray()];
        foreach (IPlan plan in new[] { question, step, step, step })
        {
            for (int i = 0; i < plan.Input("tokens").Ints.Length; i++)
                plan.Input("tokens").Ints[i] = 7 + i + cache.Length;
            Positions(plan, cache);
            plan.Run(cache);
            logits.Add(plan.Output("logits").Floats.ToArray());
        }
        return [.. logits];
    }

    internal static void Positions(IPlan plan, KvCache cache)
    {
        Span<int> positions = plan.Input("positions").Ints;
        for (int i = 0; i < positions.Length; i++)
            positions[i] = cache.Length + i;
    }
}
