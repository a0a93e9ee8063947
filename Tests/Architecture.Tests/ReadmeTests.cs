namespace VlmSdk.Tests.Architecture;

/// <summary>What the README shows is what the solution compiles.</summary>
public sealed class ReadmeTests
{
    [Test]
    public void The_program_in_the_readme_is_the_compiled_one() =>
        Assert.That(Text("README.md"), Does.Contain("```csharp\n" + Text("Samples", "TenLines", "Program.cs") + "```"));

    [Test]
    public void Both_commands_and_the_picture_stand_in_the_readme()
    {
        string readme = Text("README.md");
        Assert.Multiple(() =>
        {
            Assert.That(readme, Does.Contain("./demo.sh").And.Contains("./test.sh"));
            Assert.That(File.Exists(Path.Combine(DependencyTests.Root, "docs", "images", "scene.annotated.png")));
            Assert.That(readme, Does.Contain("docs/images/scene.annotated.png"));
        });
    }

    [Test]
    public void Links_of_the_readme_lead_to_files_of_the_repository()
    {
        IEnumerable<string> links = System.Text.RegularExpressions.Regex.Matches(Text("README.md"), @"\]\((?!https?:)([^)#]+)").Select(m => m.Groups[1].Value);
        Assert.That(links.Where(l => !Path.Exists(Path.Combine(DependencyTests.Root, l))), Is.Empty);
    }

    private static string Text(params string[] parts) => File.ReadAllText(Path.Combine([DependencyTests.Root, .. parts])).Replace("\r\n", "\n");
}
