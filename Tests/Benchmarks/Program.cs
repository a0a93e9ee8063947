using VlmSdk.Benchmarks;

// Prints figures, fails only on errors: times are for people to compare within one run on one machine.
var all = new Dictionary<string, Action<TextWriter>>(StringComparer.Ordinal)
{
    ["capture"] = CaptureBenchmark.Run,
};
string[] unknown = [.. args.Where(a => !all.ContainsKey(a))];
if (unknown.Length > 0)
{
    Console.Error.WriteLine($"No benchmark is called {string.Join(", ", unknown)}. There are: {string.Join(", ", all.Keys)}.");
    return 2;
}
foreach ((string name, Action<TextWriter> run) in all)
    if (args.Length == 0 || args.Contains(name))
        run(Console.Out);
return 0;
