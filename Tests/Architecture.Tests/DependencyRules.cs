using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace VlmSdk.Tests.Architecture;

/// <summary>
/// The direction of dependency: Samples -> Interop -> Runtime, never back; inside Runtime each folder sees only what
/// stands before it. Rules are functions over (path, text) pairs so that the tests can also feed them a breach.
/// </summary>
internal static class DependencyRules
{
    /// <summary>Runtime folders and the Runtime namespaces each may use.</summary>
    internal static readonly IReadOnlyDictionary<string, string[]> RuntimeLayers = new Dictionary<string, string[]>
    {
        ["Tensors"] = [],
        ["Graphs"] = ["Tensors"],
        ["Weights"] = ["Tensors", "Graphs"],
        ["Vision"] = ["Tensors"],
        ["Tokenization"] = ["Tensors", "Weights"],
        ["Execution"] = ["Tensors", "Graphs", "Weights"],
        ["Models"] = ["Tensors", "Graphs", "Weights", "Vision", "Tokenization"],
        ["Decoding"] = ["Tensors", "Graphs", "Weights", "Execution", "Models", "Tokenization", "Vision"],
        ["Scheduling"] = ["Tensors", "Vision"],
        ["Queries"] = ["Tensors", "Graphs", "Weights", "Execution", "Models", "Tokenization", "Vision", "Decoding", "Scheduling"],
        ["Training"] = ["Tensors", "Graphs", "Models"],
    };

    private static readonly string[] ForeignNamespaces = ["TorchSharp", "Silk.NET", "SkiaSharp"];

    /// <summary>Breaches of the references in one project file: projects that point back, packages in the runtime.</summary>
    internal static IEnumerable<string> ProjectBreaches(string path, string xml)
    {
        string from = Layer(path);
        XDocument project = XDocument.Parse(xml);
        if (from == "Runtime")
            foreach (XElement package in project.Descendants("PackageReference"))
                yield return $"{path} takes the package {package.Attribute("Include")?.Value}";
        foreach (XElement reference in project.Descendants("ProjectReference"))
        {
            string include = reference.Attribute("Include")!.Value.Replace('\\', '/');
            string target = Path.GetRelativePath("/", Path.GetFullPath(Path.Combine("/", Path.GetDirectoryName(path)!, include)));
            string to = Layer(target);
            bool allowed = (from, to) switch
            {
                ("Runtime", _) => false,
                ("Interop", "Runtime") => true,
                ("Interop", _) => path.StartsWith("Interop/Capi/", StringComparison.Ordinal) && to == "Interop",
                ("Samples", "Runtime" or "Interop" or "Samples") => true,
                ("Tests", _) => true,
                _ => false,
            };
            if (!allowed)
                yield return $"{path} references {target}";
        }
    }

    /// <summary>
    /// Breaches inside one Runtime source file: foreign libraries, a layer that stands later (by a using of any kind, or by the
    /// qualified name of a type), or the namespace of another folder.
    /// </summary>
    internal static IEnumerable<string> SourceBreaches(string path, string text)
    {
        string[] parts = path.Split('/');
        if (parts[0] != "Runtime")
            yield break;
        foreach (string foreign in ForeignNamespaces)
            if (text.Contains(foreign, StringComparison.Ordinal))
                yield return $"{path} names {foreign}";
        if (parts.Length < 3)
            yield break;
        if (!RuntimeLayers.TryGetValue(parts[1], out string[]? allowed))
        {
            yield return $"{path} lies in a folder without a rule";
            yield break;
        }
        foreach (string layer in RuntimeLayers.Keys)
            if (layer != parts[1] && !allowed.Contains(layer) && Regex.IsMatch(text, $@"(?<![\w.])(VlmSdk\.{layer}\b|{layer}\.[A-Z])"))
                yield return $"{path} uses VlmSdk.{layer}, which {parts[1]} may not see";
        if (Regex.Match(text, @"^namespace ([\w.]+)", RegexOptions.Multiline) is { Success: true } space
            && !$"{space.Groups[1].Value}.".StartsWith($"VlmSdk.{parts[1]}.", StringComparison.Ordinal))
            yield return $"{path} is of the namespace {space.Groups[1].Value}";
    }

    /// <summary>A source file longer than 400 lines needs a reason in its header.</summary>
    internal static IEnumerable<string> LengthBreaches(string path, string text)
    {
        string[] lines = text.Split('\n');
        if (lines.Length > 401 && !lines.Take(30).Any(l => l.Contains("Long file:", StringComparison.Ordinal)))
            yield return $"{path} has {lines.Length - 1} lines and no 'Long file:' reason in its header";
    }

    /// <summary>Files are replaced in one way, so that none of them ever stands half written.</summary>
    internal static IEnumerable<string> ReplacementBreaches(string path, string text)
    {
        if (!path.StartsWith("Tests/", StringComparison.Ordinal) && path != "Runtime/AtomicFile.cs"
            && (text.Contains("File.Move(", StringComparison.Ordinal) || text.Contains("File.Replace(", StringComparison.Ordinal)))
            yield return $"{path} replaces a file by itself; AtomicFile.Write does it";
    }

    private static string Layer(string path) => path.Split('/')[0];
}
