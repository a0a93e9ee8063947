using System.Diagnostics;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>Prints times and rates of the native executor; asserts none. Run with --filter "FullyQualifiedName~NativeMeasurements".</summary>
public sealed class NativeMeasurements
{
    [Test, Explicit("Measures and prints; --filter FullyQualifiedName~NativeMeasurements runs it.")]
    public void Measure_everything()
    {
        foreach (string isa in NativeExecutor.AvailableIsas().Where(i => i != "scalar"))
        {
            foreach (int threads in new[] { 1, 2 })
                Scout(threads, isa);
            Rates(isa);
        }
    }

    private static void Scout(int threads, string isa)
    {
        ScoutConfig c = ScoutConfig.Default;
        using var executor = new NativeExecutor(new NativeExecutorOptions { Threads = threads, Isa = isa });
        WeightBinding weights = ScoutNativeTests.Weights(c);
        using IPlan encode = executor.Prepare(ScoutNativeTests.Encoder(c), weights), prefix = executor.Prepare(ScoutNativeTests.Prefix(c), weights),
            step = executor.Prepare(ScoutNativeTests.Text(c, 1), weights);
        using KvCache cache = executor.CreateCache(ScoutNativeTests.Cache(c));
        NativeCases.Random(encode.Input("pixels").Shape, 5, -2, 2).Floats.CopyTo(encode.Input("pixels").Floats);
        Times encoding = Measure(41, () => encode.Run());
        Times filling = Measure(41, () =>
        {
            cache.Truncate(0);
            prefix.Run(cache);
        });
        Times stepping = Measure(201, () =>
        {
            cache.Truncate(c.PictureTokens + 16 > cache.Length ? cache.Length : c.PictureTokens);
            step.Run(cache);
        });
        TestContext.Out.WriteLine($"{executor.Isa}, {threads} threads, median (best): encode {encoding}, prefix of {c.PictureTokens} {filling}, step {stepping}");
    }

    private static unsafe void Rates(string isa)
    {
        using var executor = new NativeExecutor(new NativeExecutorOptions { Threads = 1, Isa = isa });
        const int size = 768;
        Rate("GEMM", size, size, size, DType.F32, executor);
        Rate("GEMM", size, size, size, DType.Q8_0, executor);
        foreach (DType type in new[] { DType.F32, DType.F16, DType.Q8_0, DType.Q4_0 })
            Rate("GEMV", 1, 4096, 8192, type, executor);
        var memory = new float[32 << 20];
        fixed (float* p = memory)
        {
            nint address = (nint)p;
            double seconds = Measure(9, () => NativeMethods.ReadAll(executor.Context, (float*)address, memory.Length, out _)).Best;
            TestContext.Out.WriteLine($"{isa} read {memory.Length * 4 / seconds / 1e9:F1} GB/s");
        }
    }

    private static void Rate(string name, int m, int k, int n, DType type, NativeExecutor executor)
    {
        var g = new GraphBuilder();
        g.Output("y", g.Linear(g.Input("x", DType.F32, m, k), g.Weight("w", n, k)));
        var weight = new HostTensor(type, new Shape(n, k));
        using IPlan plan = executor.Prepare(g.Build(), new WeightBinding("zeros", new Dictionary<string, HostTensor> { ["w"] = weight }));
        double seconds = Measure(9, () => plan.Run()).Best;
        TestContext.Out.WriteLine($"{executor.Isa} {name} {m} x {k} x {n} {type}: {2.0 * m * k * n / seconds / 1e9:F1} GFLOP/s, {weight.Data.Length / seconds / 1e9:F1} GB/s of weights");
    }

    // The best time is what an idle machine would show; the median includes whatever else runs.
    private static Times Measure(int runs, Action action)
    {
        action();
        var times = new double[runs];
        for (int i = 0; i < runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(times);
        return new Times(times[runs / 2], times[0]);
    }

    private readonly record struct Times(double Median, double Best)
    {
        public override string ToString() => $"{Median * 1e3:F2} ({Best * 1e3:F2}) ms";
    }
}
