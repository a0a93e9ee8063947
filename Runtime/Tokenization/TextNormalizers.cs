using System.Globalization;
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

/// <summary>Replaces every place found.</summary>
internal sealed class ReplaceNormalizer(TextFinder sought, string replacement) : ITextNormalizer
{
    public string Normalize(string text)
    {
        var matches = new List<(int Start, int Length)>();
        sought.Find(text, matches);
        if (matches.Count == 0)
            return text;
        var result = new StringBuilder(text.Length);
        int end = 0;
        foreach ((int start, int length) in matches)
        {
            result.Append(text, end, start - end).Append(replacement);
            end = start + length;
        }
        return result.Append(text, end, text.Length - end).ToString();
    }
}

/// <summary>Removes whitespace from one end or both.</summary>
internal sealed class StripNormalizer(bool left, bool right) : ITextNormalizer
{
    public string Normalize(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    };
}

/// <summary>Removes combining marks.</summary>
internal sealed class StripAccentsNormalizer : ITextNormalizer
{
    public string Normalize(string text) => string.Concat(text.EnumerateRunes().Where(rune => Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark)).Select(rune => rune.ToString()));
}

/// <summary>
/// A SentencePiece character map as tokenizer.json applies it, which differs from SentencePiece: each user-perceived
/// character of at most five bytes is replaced as a whole by what its shortest key stands for, or else each code point is.
/// </summary>
internal sealed class PrecompiledNormalizer(CharacterMap map) : ITextNormalizer
{
    private const int LongestWhole = 5;

    public string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = StringInfo.GetNextTextElementLength(text, at);
            ReadOnlySpan<char> element = text.AsSpan(at, length);
            if (Encoding.UTF8.GetByteCount(element) <= LongestWhole && map.Shortest(element) is string whole)
            {
                result.Append(whole);
                continue;
            }
            foreach (Rune rune in element.EnumerateRunes())
            {
                string character = rune.ToString();
                result.Append(map.Shortest(character) ?? character);
            }
        }
        return result.ToString();
    }
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
