using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace VlmSdk.Benchmarks;

/// <summary>One number of a result.</summary>
internal sealed record Figure(string Name, double Value, string Unit);

/// <summary>What one comparison gave.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Note">Sizes and meaning.</param>
/// <param name="Threads">Threads used.</param>
/// <param name="Isa">Instruction set used.</param>
/// <param name="Spread">Distance of the quartiles over the median, the worse of work and limit.</param>
/// <param name="Figures">The numbers.</param>
internal sealed record Result(string Name, string Note, int Threads, string Isa, double Spread, IReadOnlyList<Figure> Figures)
{
    /// <summary>The machine was too busy with other things for the medians to be trusted.</summary>
    public bool Noisy => Spread > 0.15;

    /// <summary>The work was faster than its limit, so the limit was disturbed and the ratio says nothing.</summary>
    public bool LimitMissed { get; init; }
}

/// <summary>Prints results as they come and keeps them for a JSON file.</summary>
internal sealed class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private readonly List<Result> _results = [];

    internal Report(bool quick) => Quick = quick;

    /// <summary>Few rounds and small models: a look, not a measurement.</summary>
    internal bool Quick { get; }

    internal static void Header() => Console.WriteLine(
        $"processor: {Processor()}, {Environment.ProcessorCount} logical cores; instruction sets {string.Join(", ", Native.NativeExecutor.AvailableIsas())}; " +
        $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}");

    internal void Add(Result result)
    {
        _results.Add(result);
        Console.WriteLine($"{result.Name} [{result.Isa}, {result.Threads} {(result.Threads == 1 ? "thread" : "threads")}] ({result.Note})");
        Console.WriteLine("  " + string.Join("; ", result.Figures.Select(f => $"{f.Name} {Shown(f.Value)}{(f.Unit.Length > 0 ? " " + f.Unit : "")}")));
        if (result.LimitMissed)
            Console.WriteLine("  LIMIT MISSED: the work was faster than its limit, so other programs disturbed the limit; this ratio says nothing.");
        if (result.Noisy)
            Console.WriteLine($"  NOISY: the middle half of the times spreads over {result.Spread:P0} of the median; trust the bests and ratios only, or measure again on an idle machine.");
    }

    internal void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(
        new { processor = Processor(), cores = Environment.ProcessorCount, runtime = RuntimeInformation.FrameworkDescription, quick = Quick, results = _results }, Indented));

    private static string Shown(double value) => value.ToString(Math.Abs(value) >= 100 ? "0" : Math.Abs(value) >= 10 ? "0.0" : "0.000", CultureInfo.InvariantCulture);

    private static string Processor()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info) ? File.ReadLines(Info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
