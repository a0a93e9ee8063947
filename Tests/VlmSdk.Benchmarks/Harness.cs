using System.Diagnostics;
using System.Runtime.InteropServices;

namespace VlmSdk.Benchmarks;

/// <summary>
/// One comparison: a piece of work and the limit it is held against (the same bytes merely read or copied, or another
/// way of doing the work). Both are run in turn within one process, so that the machine's moods meet both alike.
/// </summary>
/// <param name="Name">What --filter looks at.</param>
/// <param name="Work">The work measured.</param>
/// <param name="Limit">What it is held against.</param>
/// <param name="Note">Sizes and meaning, one line.</param>
/// <param name="Rounds">Pairs measured after the warm-up.</param>
internal sealed record Benchmark(string Name, Action Work, Action Limit, string Note, int Rounds = 31);

/// <summary>Runs comparisons and prints medians and ratios.</summary>
internal static class Harness
{
    internal static int Run(IEnumerable<Func<Benchmark>> benchmarks, string[] names, string filter)
    {
        Console.WriteLine($"processor: {Processor()}, {Environment.ProcessorCount} logical cores; {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}");
        int run = 0;
        foreach ((Func<Benchmark> make, string name) in benchmarks.Zip(names))
        {
            if (!name.Contains(filter, StringComparison.OrdinalIgnoreCase))
                continue;
            Measure(make());
            run++;
        }
        if (run > 0)
            return 0;
        Console.Error.WriteLine($"No benchmark's name contains '{filter}'. There are: {string.Join(", ", names)}.");
        return 1;
    }

    private static void Measure(Benchmark b)
    {
        // Long enough for the compiler's second tier to replace the first.
        var warm = Stopwatch.StartNew();
        for (int i = 0; i < 50 && (i < 5 || warm.ElapsedMilliseconds < 1500); i++)
        {
            b.Work();
            b.Limit();
        }
        double[] work = new double[b.Rounds], limit = new double[b.Rounds], ratios = new double[b.Rounds];
        for (int i = 0; i < b.Rounds; i++)
        {
            // The order alternates, so that neither always runs in the other's wake.
            if (i % 2 == 0)
                work[i] = Time(b.Work);
            limit[i] = Time(b.Limit);
            if (i % 2 != 0)
                work[i] = Time(b.Work);
            ratios[i] = work[i] / limit[i];
        }
        Console.WriteLine($"{b.Name}: {Median(work):0.000} ms, limit {Median(limit):0.000} ms, ratio {Median(ratios):0.00} (median of {b.Rounds} pairs; {b.Note})");
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static string Processor()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info) ? File.ReadLines(Info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
