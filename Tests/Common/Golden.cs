using System.Runtime.CompilerServices;
using System.Text.Json;

namespace VlmSdk.Tests;

/// <summary>
/// Where the golden fixtures lie: the folder named by VLMSDK_GOLDEN, else Tests/Fixtures/golden of this repository.
/// Tests find cases by looking into the folders, so other sets run through the same tests.
/// </summary>
internal static class Golden
{
    internal static string Root { get; } = Environment.GetEnvironmentVariable("VLMSDK_GOLDEN") is { Length: > 0 } folder
        ? folder
        : Path.Combine(TestsFolder(), "Fixtures", "golden");

    /// <summary>A path below the golden folder.</summary>
    internal static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>Folders directly below a golden folder that hold the named file, in name order.</summary>
    internal static IEnumerable<string> Cases(string folder, string file = "case.json")
    {
        string top = At(folder);
        return Directory.Exists(top)
            ? Directory.GetDirectories(top).Where(d => File.Exists(Path.Combine(d, file))).Order(StringComparer.Ordinal)
            : [];
    }

    /// <summary>A JSON file as a document root.</summary>
    internal static JsonElement Json(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;

    private static string TestsFolder([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, ".."));
}
