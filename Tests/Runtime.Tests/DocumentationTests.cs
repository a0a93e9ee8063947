using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace VlmSdk.Tests;

/// <summary>The documentation file that ships beside the library has an entry for every public member.</summary>
public sealed class DocumentationTests
{
    [Test]
    public void Every_public_member_is_documented()
    {
        Assembly library = typeof(VlmModel).Assembly;
        var documented = XDocument.Load(Path.ChangeExtension(library.Location, ".xml")).Descendants("member")
            .Where(m => m.Elements().Any()).Select(m => m.Attribute("name")!.Value.Split('(')[0].Split('`', '~')[0]).ToHashSet();
        Assert.That(library.GetExportedTypes().SelectMany(Names).Where(n => !documented.Contains(n)), Is.Empty);
    }

    // Names without parameters, as the file writes them before the parenthesis; what the compiler adds to records is its own.
    private static IEnumerable<string> Names(Type type)
    {
        string name = type.FullName!.Replace('+', '.').Split('`')[0];
        yield return $"T:{name}";
        if (type.IsSubclassOf(typeof(Delegate)))
            yield break;
        foreach (MemberInfo member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
        {
            if (member.IsDefined(typeof(CompilerGeneratedAttribute)))
                continue;
            switch (member)
            {
                case FieldInfo field when (field.IsPublic || field.IsFamily) && !field.IsSpecialName:
                    yield return $"F:{name}.{field.Name}";
                    break;
                case PropertyInfo property when Seen(property.GetMethod ?? property.SetMethod) && property.Name != "EqualityContract":
                    yield return $"P:{name}.{property.Name}";
                    break;
                case MethodInfo method when Seen(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)):
                    yield return $"M:{name}.{method.Name}";
                    break;
            }
        }
    }

    private static bool Seen(MethodBase? method) => method is not null && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);
}
