using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>Several normalisers, one after the other.</summary>
internal sealed class SequenceNormalizer(ITextNormalizer[] parts) : ITextNormalizer
{
    public string Normalize(string text) => parts.Aggregate(text, (current, part) => part.Normalize(current));
}

/// <summary>Puts a text before every segment that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : ITextNormalizer
{
    public string Normalize(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary>Replaces a fixed spelling.</summary>
internal sealed class ReplaceNormalizer(string sought, string replacement) : ITextNormalizer
{
    public string Normalize(string text) => text.Replace(sought, replacement, StringComparison.Ordinal);
}

/// <summary>Lower-cases each character by its full mapping, without regard to its neighbours.</summary>
internal sealed class LowercaseNormalizer : ITextNormalizer
{
    public string Normalize(string text)
    {
        var lower = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            // The dotted capital I is the one character whose lower case is two; the framework leaves it as it is.
            lower.Append(rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString());
        return lower.ToString();
    }
}
