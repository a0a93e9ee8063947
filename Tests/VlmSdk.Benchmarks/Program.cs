using VlmSdk;
using VlmSdk.Benchmarks;

// dotnet run -c Release --project Tests/VlmSdk.Benchmarks -- [--list] [--filter NAME] [--quick] [--ops] [--json FILE]
const string Usage = "Usage: VlmSdk.Benchmarks [--list] [--filter NAME] [--quick] [--ops] [--json FILE]";
(string Name, string What, Action<Report> Run)[] all =
[
    ("decode-llama", "one-token step of a Llama decoder of some 100 to 180 MB, Q8_0 and Q4_0, against reading its weights", DecodeBenchmarks.Llama),
    ("decode-scout", "one-token step of the embedded Scout against reading its weights", DecodeBenchmarks.Scout),
    ("encode-scout", "Scout's encoder and projector against multiply-adds in registers", EncodeBenchmarks.Scout),
    ("gemm", "a matrix product of plain and Q8_0 weights against multiply-adds in registers", EncodeBenchmarks.Product),
    ("end-to-end", "encode, prefill and decode of the embedded Scout through VlmModel", ModelBenchmarks.EndToEnd),
    ("load", "opening a GGUF file and loading a model against reading the file", ModelBenchmarks.Load),
    ("image-letterbox-1080p", "the CPU image processor against copying the bytes", r => Harness.Measure(r, ImageBenchmarks.Letterbox1080p())),
    ("image-crop-4k", "the CPU image processor against copying the bytes", r => Harness.Measure(r, ImageBenchmarks.Crop4K())),
    ("tokenize", "200,000 characters without a break through every kind of tokenizer, against four times a quarter of them", TokenizerBenchmarks.LongText),
    ("capture", "render-thread cost and grid latency of a capture against the same frames without", CaptureBenchmark.Run),
    ("ops", "time by kernel of an encode and a decode step; only with --ops", EncodeBenchmarks.Operations),
];
string filter = "";
string? json = null;
bool quick = false, operations = false;
for (int i = 0; i < args.Length; i++)
    switch (args[i])
    {
        case "--filter" when i + 1 < args.Length:
            filter = args[++i];
            break;
        case "--json" when i + 1 < args.Length:
            json = args[++i];
            break;
        case "--quick":
            quick = true;
            break;
        case "--ops":
            operations = true;
            break;
        case "--list":
            foreach ((string name, string what, _) in all)
                Console.WriteLine($"{name}: {what}");
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return args[i] == "--help" ? 0 : 1;
    }

// The table by kernel alone, unless a filter asks for more.
var chosen = all.Where(b => b.Name == "ops" ? operations : operations && filter.Length == 0 ? false : b.Name.Contains(filter, StringComparison.OrdinalIgnoreCase)).ToArray();
if (chosen.Length == 0)
{
    Console.Error.WriteLine($"No benchmark's name contains '{filter}'. There are: {string.Join(", ", all.Select(b => b.Name))}.");
    return 1;
}
var report = new Report(quick);
Report.Header();
foreach ((string name, _, Action<Report> run) in chosen)
    try
    {
        run(report);
    }
    catch (DeviceUnavailableException e)
    {
        Console.WriteLine($"{name}: left out. {e.Message}");
    }
if (json is not null)
    report.Save(json);
return 0;
