using System.Runtime.CompilerServices;
using System.Text.Json;

namespace VlmSdk.Tests;

/// <summary>
/// Where the golden fixtures lie: the folder named by VLMSDK_GOLDEN, else Tests/Fixtures/golden of this repository.
/// Tests find cases by looking into the folders, so other sets run through the same tests, and a family that a set
/// lacks gives no cases.
/// </summary>
internal static class Golden
{
    internal static string Root { get; } = Environment.GetEnvironmentVariable("VLMSDK_GOLDEN") is { Length: > 0 } folder ? Path.GetFullPath(folder) : Own();

    /// <summary>A path in this repository's own set, for tests that need one certain file and hold it to no golden.</summary>
    internal static string Own(params string[] parts) => Path.Combine([TestsFolder(), "Fixtures", "golden", .. parts]);

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

    /// <summary>The items of a list in a JSON file below the golden folder; none when the set lacks the file.</summary>
    internal static IEnumerable<JsonElement> Items(string list, params string[] parts) =>
        File.Exists(At(parts)) ? Json(At(parts)).GetProperty(list).EnumerateArray() : Enumerable.Empty<JsonElement>();

    /// <summary>A JSON file as a document root.</summary>
    internal static JsonElement Json(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;

    private static string TestsFolder([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, ".."));
}
