using VlmSdk.Models;

namespace VlmSdk.Tests.Models;

/// <summary>The README's table of families is the registry's.</summary>
public sealed class CapabilityTableTests
{
    private const string Begin = "<!-- ModelRegistry.ToMarkdown -->\n", End = "<!-- end -->";

    [Test]
    public void The_readme_shows_the_registry()
    {
        string readme = File.ReadAllText(Path.Combine(Golden.Own(), "..", "..", "..", "README.md")).Replace("\r\n", "\n");
        int from = readme.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        Assert.That(readme[from..readme.IndexOf(End, from, StringComparison.Ordinal)], Is.EqualTo(ModelRegistry.ToMarkdown()), "paste what `vlm models` prints");
    }

    [Test]
    public void Every_family_can_do_something() =>
        Assert.That(ModelRegistry.Families.Select(f => f.Abilities), Has.None.EqualTo(ModelAbilities.None));
}
