using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace VlmSdk.Tests.Interop.Scenes;

/// <summary>The compiled shaders are committed; this says when they no longer belong to their sources.</summary>
internal sealed class SceneShaderTests
{
    [Test]
    public void Compiled_shaders_belong_to_their_sources()
    {
        string folder = Folder();
        Dictionary<string, string> listed = File.ReadLines(Path.Combine(folder, "checksums.sha256"))
            .Select(line => line.Split((char[])[' ', '*'], StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(parts => parts[1], parts => parts[0]);
        string[] files = [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)!).Where(f => f is not ("compile.sh" or "checksums.sha256"))];
        Assert.That(files, Is.EquivalentTo(listed.Keys));
        foreach (string file in files)
            Assert.That(
                Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, file)))), Is.EqualTo(listed[file]),
                $"{file} has changed: run Samples/Scenes/Shaders/compile.sh and commit all of the folder.");
        foreach (string source in files.Where(f => f.EndsWith(".vert", StringComparison.Ordinal) || f.EndsWith(".frag", StringComparison.Ordinal)))
            Assert.That(files, Does.Contain(source + ".spv"));
    }

    private static string Folder([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "Samples", "Scenes", "Shaders"));
}
