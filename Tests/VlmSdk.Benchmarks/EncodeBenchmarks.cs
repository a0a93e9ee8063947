using System.Diagnostics;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Benchmarks;

/// <summary>Encoding and matrix products against multiply-adds in registers.</summary>
internal static class EncodeBenchmarks
{
    internal static void Scout(Report report)
    {
        (ScoutConfig c, WeightBinding weights) = EmbeddedScout.Load();
        using var executor = new NativeExecutor();
        Graph graph = ScoutGraphs.Encode(c);
        using IPlan plan = executor.Prepare(graph, weights);
        EmbeddedScout.Fill(plan.Input("pixels"), -2, 2);
        Against(report, executor, "encode-scout", $"{c.ImageSide} x {c.ImageSide} pixels to {c.PictureTokens} picture tokens", 2.0 * GraphCost.Of(graph).MultiplyAdds, () => plan.Run());
    }

    internal static void Product(Report report)
    {
        const int Size = 768;
        using var executor = new NativeExecutor();
        foreach (DType type in new[] { DType.F32, DType.Q8_0 })
        {
            var g = new GraphBuilder();
            g.Output("y", g.Linear(g.Input("x", DType.F32, Size, Size), g.Weight("w", Size, Size)));
            var weight = new HostTensor(type, new Shape(Size, Size));
            using IPlan plan = executor.Prepare(g.Build(), new WeightBinding("zeros", new Dictionary<string, HostTensor> { ["w"] = weight }));
            EmbeddedScout.Fill(plan.Input("x"), -1, 1);
            Against(report, executor, $"gemm-{type}", $"{Size} x {Size} times a {type} weight of {Size} x {Size}", 2.0 * Size * Size * Size, () => plan.Run());
        }
    }

    /// <summary>Where an encode's and a step's time goes, kernel by kernel; every operation is its own call here.</summary>
    internal static void Operations(Report report)
    {
        (ScoutConfig c, WeightBinding weights) = EmbeddedScout.Load();
        using var executor = new NativeExecutor();
        using var encode = (NativePlan)executor.Prepare(ScoutGraphs.Encode(c), weights);
        using var step = (NativePlan)executor.Prepare(ScoutGraphs.Text(c, 1), weights);
        using KvCache cache = executor.CreateCache(EmbeddedScout.Cache(c));
        EmbeddedScout.Fill(encode.Input("pixels"), -2, 2);
        Table(report, executor, "ops-encode", encode, null);
        Table(report, executor, "ops-step", step, cache);
    }

    private static void Table(Report report, NativeExecutor executor, string name, NativePlan plan, KvCache? cache)
    {
        int rounds = report.Quick ? 9 : 41, kinds = Enum.GetValues<Kernel>().Length;
        var times = new long[rounds][];
        var counts = new int[kinds];
        for (int i = -2; i < rounds; i++)
        {
            var ticks = new long[kinds];
            Array.Clear(counts);
            cache?.Truncate(0);
            plan.RunTimed(cache, ticks, counts);
            if (i >= 0)
                times[i] = ticks;
        }
        double[] Of(int kind) => [.. times.Select(t => t[kind] * 1000.0 / Stopwatch.Frequency)];
        double[] totals = [.. times.Select(t => t.Sum() * 1000.0 / Stopwatch.Frequency)];
        Figure[] rows = [.. Enumerable.Range(0, kinds).Where(k => counts[k] > 0)
            .Select(k => new Figure($"{(Kernel)k} x {counts[k]}", Times.Of(Of(k)).Median, "ms")).OrderByDescending(f => f.Value)];
        report.Add(new Result(name, $"median time by kernel, {rounds} runs", executor.Threads, executor.Isa, Times.Of(totals).Spread,
            [new Figure("all", Times.Of(totals).Median, "ms"), .. rows]));
    }

    private static void Against(Report report, NativeExecutor executor, string name, string note, double flops, Action work)
    {
        // As long as the work, so that both find the same gaps between whatever else runs; starting threads costs some 0.1 ms.
        double ran = MultiplyAddLimit.Run(flops, executor.Threads);
        Harness.Measure(report, new Benchmark(name, work, () => MultiplyAddLimit.Run(flops, executor.Threads),
            $"{note}; limit: the same multiply-adds in registers, {MultiplyAddLimit.Lanes} lanes")
        {
            LimitScale = flops / ran,
            Flops = flops,
            Threads = executor.Threads,
            Isa = executor.Isa,
        });
    }
}
