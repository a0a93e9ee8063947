namespace VlmSdk.Tests.Architecture;

/// <summary>Holds the repository to <see cref="DependencyRules"/>, and shows that the rules catch a breach.</summary>
public sealed class DependencyTests
{
    internal static readonly string Root = FindRoot();

    [Test]
    public void Project_references_point_one_way() =>
        Assert.That(Files("*.csproj").SelectMany(f => DependencyRules.ProjectBreaches(f.Path, f.Text)), Is.Empty);

    [Test]
    public void Runtime_layers_see_only_earlier_ones() =>
        Assert.That(Files("*.cs").SelectMany(f => DependencyRules.SourceBreaches(f.Path, f.Text)), Is.Empty);

    [Test]
    public void Files_stay_short_or_say_why() =>
        Assert.That(new[] { "*.cs", "*.cpp", "*.h", "*.comp", "*.frag", "*.vert", "*.glsl", "*.sh" }.SelectMany(Files)
            .SelectMany(f => DependencyRules.LengthBreaches(f.Path, f.Text)), Is.Empty);

    [Test]
    public void Native_code_knows_nothing_of_csharp() =>
        Assert.That(Files("*").Where(f => f.Path.StartsWith("native/", StringComparison.Ordinal) && (f.Path.EndsWith(".cs", StringComparison.Ordinal)
            || f.Text.Contains("dotnet", StringComparison.OrdinalIgnoreCase))).Select(f => f.Path), Is.Empty);

    [TestCase("Runtime/VlmSdk.csproj", "../Interop/Native/VlmSdk.Native.csproj", true)]
    [TestCase("Interop/Torch/VlmSdk.Torch.csproj", "../Native/VlmSdk.Native.csproj", true)]
    [TestCase("Interop/Torch/VlmSdk.Torch.csproj", "../../Samples/Vlm/Vlm.csproj", true)]
    [TestCase("Interop/Torch/VlmSdk.Torch.csproj", "../../Runtime/VlmSdk.csproj", false)]
    [TestCase("Samples/Vlm/Vlm.csproj", "../../Interop/Native/VlmSdk.Native.csproj", false)]
    public void A_wrong_reference_is_caught(string path, string include, bool breach)
    {
        string xml = $"<Project><ItemGroup><ProjectReference Include=\"{include}\" /></ItemGroup></Project>";
        Assert.That(DependencyRules.ProjectBreaches(path, xml).Any(), Is.EqualTo(breach));
    }

    [Test]
    public void A_package_of_the_runtime_is_caught()
    {
        const string Xml = "<Project><ItemGroup><PackageReference Include=\"TorchSharp\" /></ItemGroup></Project>";
        Assert.That(DependencyRules.ProjectBreaches("Runtime/VlmSdk.csproj", Xml), Is.Not.Empty);
        Assert.That(DependencyRules.ProjectBreaches("Interop/Torch/VlmSdk.Torch.csproj", Xml), Is.Empty);
    }

    [TestCase("Runtime/Models/Scout/X.cs", "using VlmSdk.Execution;", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "using static VlmSdk.Execution.KvCacheRules;", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "using Cache = VlmSdk.Execution.KvCache;", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "Decoding.Sampler sampler = new();", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "var found = new VlmSdk.Queries.NotInView();", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "namespace VlmSdk.Queries;", true)]
    [TestCase("Runtime/Models/Scout/X.cs", "namespace VlmSdk.Models.Scout;", false)]
    [TestCase("Runtime/Models/Scout/X.cs", "model.Decoding.Sampler", false)]
    [TestCase("Runtime/Models/Scout/X.cs", "using VlmSdk.Graphs;", false)]
    [TestCase("Runtime/Tensors/X.cs", "using VlmSdk.Graphs;", true)]
    [TestCase("Runtime/Vision/X.cs", "using SkiaSharp;", true)]
    [TestCase("Runtime/Unheard/X.cs", "", true)]
    [TestCase("Interop/Imaging/X.cs", "using SkiaSharp;", false)]
    public void A_wrong_using_is_caught(string path, string text, bool breach) =>
        Assert.That(DependencyRules.SourceBreaches(path, text).Any(), Is.EqualTo(breach));

    [Test]
    public void Files_are_replaced_in_one_way() =>
        Assert.That(Files("*.cs").SelectMany(f => DependencyRules.ReplacementBreaches(f.Path, f.Text)), Is.Empty);

    [TestCase("Interop/Imaging/X.cs", "File.Move(partial, path);", true)]
    [TestCase("Interop/Imaging/X.cs", "AtomicFile.Write(path, write);", false)]
    [TestCase("Runtime/AtomicFile.cs", "File.Move(partial, path);", false)]
    public void A_replacement_of_its_own_is_caught(string path, string text, bool breach) =>
        Assert.That(DependencyRules.ReplacementBreaches(path, text).Any(), Is.EqualTo(breach));

    [Test]
    public void A_long_file_is_caught()
    {
        string text = string.Join('\n', Enumerable.Repeat("x", 500));
        Assert.Multiple(() =>
        {
            Assert.That(DependencyRules.LengthBreaches("a.cs", text), Is.Not.Empty);
            Assert.That(DependencyRules.LengthBreaches("a.cs", "// Long file: one table\n" + text), Is.Empty);
        });
    }

    private static IEnumerable<(string Path, string Text)> Files(string pattern)
    {
        foreach (string folder in new[] { "Runtime", "Interop", "Samples", "native", "scripts", "Tests" })
        {
            string top = Path.Combine(Root, folder);
            if (!Directory.Exists(top))
                continue;
            foreach (string file in Directory.EnumerateFiles(top, pattern, SearchOption.AllDirectories))
            {
                string path = Path.GetRelativePath(Root, file).Replace('\\', '/');
                if (!path.Contains("/Fixtures/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal) && !path.Contains("/obj/", StringComparison.Ordinal))
                    yield return (path, File.ReadAllText(file));
            }
        }
    }

    private static string FindRoot()
    {
        string? folder = TestContext.CurrentContext.TestDirectory;
        // The artifacts folder may lie outside the repository, so the source path recorded at build time is the fallback.
        while (folder is not null && !File.Exists(Path.Combine(folder, "VlmSdk.sln")))
            folder = Path.GetDirectoryName(folder);
        folder ??= SourceRoot();
        return folder;
    }

    private static string SourceRoot([System.Runtime.CompilerServices.CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", ".."));
}
