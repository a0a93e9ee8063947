using System.Diagnostics;

namespace VlmSdk.Benchmarks;

/// <summary>
/// One comparison: a piece of work and the limit it is held against (the same bytes merely read or copied, the same
/// multiply-adds without memory, or another way of doing the work). Both are run in turn within one process, so that the
/// machine's moods meet both alike.
/// </summary>
/// <param name="Name">Its name in the results.</param>
/// <param name="Work">The work measured.</param>
/// <param name="Limit">What it is held against.</param>
/// <param name="Note">Sizes and meaning, one line.</param>
/// <param name="Rounds">Pairs measured after the warm-up.</param>
internal sealed record Benchmark(string Name, Action Work, Action Limit, string Note, int Rounds = 31)
{
    /// <summary>What the limit's time is multiplied by to stand for the amount of one piece of work.</summary>
    internal double LimitScale { get; init; } = 1;

    /// <summary>Floating-point operations of the work; 0 when they are not what counts.</summary>
    internal double Flops { get; init; }

    /// <summary>Bytes the work must read; 0 when they are not what counts.</summary>
    internal long Bytes { get; init; }

    /// <summary>The work makes one token.</summary>
    internal bool Token { get; init; }

    /// <summary>Threads of work and limit.</summary>
    internal int Threads { get; init; } = 1;

    /// <summary>Instruction set of the work.</summary>
    internal string Isa { get; init; } = "managed";
}

/// <summary>Measures comparisons in interleaved pairs.</summary>
internal static class Harness
{
    internal static void Measure(Report report, Benchmark b)
    {
        int rounds = report.Quick ? Math.Max(5, b.Rounds / 4) : b.Rounds;
        // Long enough for the compiler's second tier to replace the first.
        var warm = Stopwatch.StartNew();
        int budget = report.Quick ? 300 : 1500;
        for (int i = 0; i < 50 && (i < 2 || warm.ElapsedMilliseconds < budget); i++)
        {
            b.Work();
            b.Limit();
        }
        double[] work = new double[rounds], limit = new double[rounds], ratios = new double[rounds];
        for (int i = 0; i < rounds; i++)
        {
            // The order alternates, so that neither always runs in the other's wake.
            if (i % 2 == 0)
                work[i] = Time(b.Work);
            limit[i] = Time(b.Limit) * b.LimitScale;
            if (i % 2 != 0)
                work[i] = Time(b.Work);
            ratios[i] = work[i] / limit[i];
        }
        Times done = Times.Of(work), least = Times.Of(limit);
        List<Figure> figures =
        [
            new("median", done.Median, "ms"), new("best", done.Best, "ms"),
            new("limit median", least.Median, "ms"), new("limit best", least.Best, "ms"),
            new("ratio", Times.Of(ratios).Median, ""), new("ratio of bests", done.Best / least.Best, ""),
            new("share of limit", Times.Of([.. ratios.Select(r => 1 / r)]).Median * 100, "%"),
        ];
        if (b.Token)
            figures.Add(new("tokens", 1000 / done.Median, "/s"));
        if (b.Flops > 0)
            figures.AddRange([new("rate", b.Flops / done.Median / 1e6, "GFLOP/s"), new("limit rate", b.Flops / least.Median / 1e6, "GFLOP/s")]);
        if (b.Bytes > 0)
            figures.AddRange([new("bytes", b.Bytes / 1e6, "MB"), new("rate", b.Bytes / done.Median / 1e6, "GB/s"), new("limit rate", b.Bytes / least.Median / 1e6, "GB/s")]);
        report.Add(new Result(b.Name, $"{b.Note}; {rounds} pairs", b.Threads, b.Isa, Math.Max(done.Spread, least.Spread), figures)
        {
            // Nothing runs faster than the multiply-adds it consists of.
            LimitMissed = b.Flops > 0 && (done.Best < least.Best || Times.Of(ratios).Median < 1),
        });
    }

    /// <summary>The time of an action in milliseconds.</summary>
    internal static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}

/// <summary>What repeated times say.</summary>
/// <param name="Median">The middle one.</param>
/// <param name="Best">The least: what an idle machine would show.</param>
/// <param name="Spread">Distance of the quartiles over the median.</param>
internal readonly record struct Times(double Median, double Best, double Spread)
{
    internal static Times Of(double[] values)
    {
        double[] sorted = [.. values.Order()];
        double median = sorted[sorted.Length / 2];
        return new Times(median, sorted[0], (sorted[sorted.Length * 3 / 4] - sorted[sorted.Length / 4]) / median);
    }
}
