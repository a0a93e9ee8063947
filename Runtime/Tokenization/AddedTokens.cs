using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>A token sought in text before any other rule.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Spelling">What is sought.</param>
internal sealed record AddedToken(int Id, string Spelling)
{
    /// <summary>A control token: taken only where the caller allows it.</summary>
    internal bool IsControl { get; init; }

    /// <summary>Swallows whitespace before it.</summary>
    internal bool SwallowsBefore { get; init; }

    /// <summary>Swallows whitespace behind it.</summary>
    internal bool SwallowsBehind { get; init; }

    /// <summary>Is refused beside a word character.</summary>
    internal bool IsWholeWord { get; init; }

    /// <summary>Sought in the normalised text, by its normalised spelling.</summary>
    internal bool IsNormalized { get; init; }
}

/// <summary>A part of a text: a token, or with <paramref name="Id"/> -1 text between tokens.</summary>
internal readonly record struct TextSegment(int Start, int Length, int Id);

/// <summary>
/// Splits text at added tokens: the leftmost spelling, then the longest. A spelling that is refused still uses up its
/// text, so nothing shorter inside it is taken.
/// </summary>
internal sealed class AddedTokenSplitter
{
    private readonly Dictionary<int, AddedToken> _tokens;
    private readonly SortedSpellings _spellings;

    internal AddedTokenSplitter(IEnumerable<AddedToken> tokens, ITextNormalizer? normalizer = null)
    {
        _tokens = tokens.ToDictionary(t => t.Id);
        _spellings = new SortedSpellings(_tokens.Values
            .Select(t => KeyValuePair.Create(normalizer?.Normalize(t.Spelling) ?? t.Spelling, t.Id))
            .Where(entry => entry.Key.Length > 0));
    }

    internal bool IsEmpty => _spellings.IsEmpty;

    internal List<TextSegment> Split(ReadOnlySpan<char> text, Func<int, bool> allowsControl)
    {
        var segments = new List<TextSegment>();
        int begun = 0;
        for (int at = 0; !IsEmpty && at < text.Length; at++)
        {
            int length = _spellings.Longest(text, at, out int id);
            if (length == 0)
                continue;
            int start = at, end = at + length;
            at = end - 1;
            AddedToken token = _tokens[id];
            if ((token.IsControl && !allowsControl(id)) || (token.IsWholeWord && (EndsWithWord(text[..start]) || BeginsWithWord(text[end..]))))
                continue;
            if (token.SwallowsBefore)
                start = text[..start].TrimEnd().Length;
            start = Math.Max(start, begun);
            if (token.SwallowsBehind)
                end = text.Length - text[end..].TrimStart().Length;
            if (start > begun)
                segments.Add(new TextSegment(begun, start - begun, -1));
            segments.Add(new TextSegment(start, end - start, id));
            begun = Math.Max(begun, end);
        }
        if (begun < text.Length)
            segments.Add(new TextSegment(begun, text.Length - begun, -1));
        return segments;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) => !text.IsEmpty && Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == 0 && IsWord(rune);

    private static bool BeginsWithWord(ReadOnlySpan<char> text) => !text.IsEmpty && IsWord(TextRepair.RuneAt(text, 0));

    // \w: alphabetic characters (circled letters among them), marks, decimal digits, connectors and joiners.
    internal static bool IsWord(Rune rune) => Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LetterNumber
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation ||
        rune.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);
}
