using VlmSdk.Benchmarks;

// dotnet run -c Release --project Tests/VlmSdk.Benchmarks -- [--filter NAME]
string filter = "";
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--filter" && i + 1 < args.Length)
        filter = args[++i];
    else
    {
        Console.Error.WriteLine("Usage: VlmSdk.Benchmarks [--filter NAME]");
        return 1;
    }
}

(string Name, Func<Benchmark> Make)[] all =
[
    ("image-letterbox-1080p", ImageBenchmarks.Letterbox1080p),
    ("image-crop-4k", ImageBenchmarks.Crop4K),
];
bool capture = "capture".Contains(filter, StringComparison.OrdinalIgnoreCase);
if (capture)
    CaptureBenchmark.Run(Console.Out);
if (capture && !all.Any(b => b.Name.Contains(filter, StringComparison.OrdinalIgnoreCase)))
    return 0;
return Harness.Run(all.Select(b => b.Make), [.. all.Select(b => b.Name)], filter);
