using System.Globalization;
using System.Text;

// The published splitting expressions as scanners over code points: the framework's expressions see surrogates where
// these see letters, and a scanner cannot backtrack without bound. Each function shows its expression; alternatives are
// tried in order, as there.

namespace VlmSdk.Tokenization;

/// <summary>Scanners of the GPT-2, Llama 3, Qwen and Tekken expressions.</summary>
internal static class WordPatterns
{
    internal const string Gpt2Expression = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    internal const string Llama3Expression =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    internal const string Qwen2Expression =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    internal const string TekkenExpression =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|" +
        @"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary><c>\w+|[^\w\s]+</c></summary>
    internal static int WordOrSymbols(ReadOnlySpan<char> text, int at)
    {
        int end = Run(text, at, AddedTokenSplitter.IsWord);
        return (end > at ? end : Run(text, at, rune => !AddedTokenSplitter.IsWord(rune) && !Rune.IsWhiteSpace(rune))) - at;
    }

    /// <summary>Punctuation of Unicode, and all of ASCII's that is no letter, number or space.</summary>
    internal static bool IsPunctuation(Rune rune) => Rune.IsPunctuation(rune) || (rune.IsAscii && rune.Value > ' ' && rune.Value != 0x7F && !Rune.IsLetterOrDigit(rune));

    /// <summary><c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c></summary>
    internal static int Gpt2(ReadOnlySpan<char> text, int at)
    {
        int length = Contraction(text, at, ignoreCase: false);
        if (length > 0)
            return length;
        int begin = text[at] == ' ' ? at + 1 : at, end;
        if ((end = Run(text, begin, IsLetter)) > begin || (end = Run(text, begin, IsNumber)) > begin || (end = Run(text, begin, IsSymbol)) > begin)
            return end - at;
        return Whitespace(text, at);
    }

    /// <summary>
    /// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>,
    /// with 1 to <paramref name="digits"/> numbers in the third place.
    /// </summary>
    internal static int Llama3(ReadOnlySpan<char> text, int at, int digits)
    {
        int length = Contraction(text, at, ignoreCase: true);
        if (length > 0)
            return length;
        int begin = SkipLead(text, at), end = Run(text, begin, IsLetter);
        if (end > begin)
            return end - at;
        end = at;
        for (int n = 0; n < digits && end < text.Length && IsNumber(TextRepair.RuneAt(text, end)); n++)
            end += TextRepair.RuneAt(text, end).Utf16SequenceLength;
        if (end > at)
            return end - at;
        length = Symbols(text, at, slash: false);
        return length > 0 ? length : NewlinesOrSpace(text, at);
    }

    /// <summary>
    /// With U upper, title, modifier, other letters and marks, and L lower, modifier, other letters and marks:
    /// <c>[^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
    /// </summary>
    internal static int Tekken(ReadOnlySpan<char> text, int at)
    {
        int lead = SkipLead(text, at), end = UpperThenLower(text, lead);
        if (end == lead && lead > at)
            end = UpperThenLower(text, lead = at);
        if (end > lead)
            return end - at;
        lead = SkipLead(text, at);
        int upper = Run(text, lead, IsUpperLike);
        if (upper == lead && lead > at)
            upper = Run(text, lead = at, IsUpperLike);
        if (upper > lead)
            return Run(text, upper, IsLowerLike) - at;
        int length = OneDigit(text, at);
        if (length == 0)
            length = Symbols(text, at, slash: true);
        return length > 0 ? length : NewlinesOrSpace(text, at);
    }

    /// <summary><c>\p{N}</c></summary>
    internal static int OneDigit(ReadOnlySpan<char> text, int at)
    {
        Rune rune = TextRepair.RuneAt(text, at);
        return IsNumber(rune) ? rune.Utf16SequenceLength : 0;
    }

    // U*L+ : the run of U, then L; where no L follows, the run gives back to its last character that is also an L.
    private static int UpperThenLower(ReadOnlySpan<char> text, int at)
    {
        int upper = at, shared = -1;
        while (upper < text.Length && TextRepair.RuneAt(text, upper) is var rune && IsUpperLike(rune))
        {
            if (IsLowerLike(rune))
                shared = upper;
            upper += rune.Utf16SequenceLength;
        }
        int end = Run(text, upper, IsLowerLike);
        if (end > upper)
            return end;
        return shared < 0 ? at : Run(text, shared, IsLowerLike);
    }

    private static int Contraction(ReadOnlySpan<char> text, int at, bool ignoreCase)
    {
        if (text[at] != '\'' || at + 1 == text.Length)
            return 0;
        char first = Fold(text[at + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (at + 2 == text.Length)
            return 0;
        return (first, Fold(text[at + 2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // The long s folds to s; no other character beyond ASCII folds to a letter of the contractions.
    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;

    // [^\r\n\p{L}\p{N}]?
    private static int SkipLead(ReadOnlySpan<char> text, int at)
    {
        Rune rune = TextRepair.RuneAt(text, at);
        return rune.Value is '\r' or '\n' || IsLetter(rune) || IsNumber(rune) ? at : at + rune.Utf16SequenceLength;
    }

    // Optional space, symbols, then newlines (and slashes).
    private static int Symbols(ReadOnlySpan<char> text, int at, bool slash)
    {
        int begin = text[at] == ' ' ? at + 1 : at, end = Run(text, begin, IsSymbol);
        if (end == begin)
            return 0;
        while (end < text.Length && (text[end] is '\r' or '\n' || (slash && text[end] == '/')))
            end++;
        return end - at;
    }

    // \s*[\r\n]+ reaches to the last newline of the run of whitespace.
    private static int NewlinesOrSpace(ReadOnlySpan<char> text, int at)
    {
        int newline = text[at..Run(text, at, Rune.IsWhiteSpace)].LastIndexOfAny('\r', '\n');
        return newline >= 0 ? newline + 1 : Whitespace(text, at);
    }

    // \s+(?!\S) leaves the last space to the word behind it; alone it falls to \s+. All whitespace is one unit wide.
    private static int Whitespace(ReadOnlySpan<char> text, int at)
    {
        int end = Run(text, at, Rune.IsWhiteSpace);
        return end == text.Length || end - at < 2 ? end - at : end - at - 1;
    }

    private static int Run(ReadOnlySpan<char> text, int at, Func<Rune, bool> belongs)
    {
        while (at < text.Length && TextRepair.RuneAt(text, at) is var rune && belongs(rune))
            at += rune.Utf16SequenceLength;
        return at;
    }

    private static bool IsLetter(Rune rune) => Rune.IsLetter(rune);

    private static bool IsNumber(Rune rune) => Rune.IsNumber(rune);

    private static bool IsSymbol(Rune rune) => !Rune.IsWhiteSpace(rune) && !Rune.IsLetter(rune) && !Rune.IsNumber(rune);

    private static bool IsUpperLike(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter
        or UnicodeCategory.TitlecaseLetter || IsCaseless(rune);

    private static bool IsLowerLike(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.LowercaseLetter || IsCaseless(rune);

    private static bool IsCaseless(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
}
