using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// A regular expression of a pre-tokenizer, on code points: alternatives of sequences of characters, escapes and classes
/// with quantifiers, and one look ahead <c>(?!\S)</c> at an end. Anything else is refused. Groups do not repeat, so a
/// match costs no more than the text it looks at times the parts of a sequence.
/// </summary>
internal sealed class SplitPattern
{
    private readonly List<List<Part>> _alternatives = [];

    private SplitPattern() { }

    /// <summary>Reads an expression; null when it uses what is not supported.</summary>
    internal static SplitPattern? TryParse(string expression)
    {
        var pattern = new SplitPattern();
        var sequence = new List<Part>();
        pattern._alternatives.Add(sequence);
        for (int at = 0; at < expression.Length;)
        {
            if (expression[at] == '|')
            {
                pattern._alternatives.Add(sequence = []);
                at++;
                continue;
            }
            if (expression.AsSpan(at).StartsWith(@"(?!\S)"))
            {
                sequence.Add(new Part(rune => !Rune.IsWhiteSpace(rune), 0, 0, IsBarrier: true));
                at += 6;
                continue;
            }
            if (ReadSet(expression, ref at) is not { } set || ReadCount(expression, ref at) is not var (least, most))
                return null;
            sequence.Add(new Part(set, least, most, IsBarrier: false));
        }
        return pattern._alternatives.Any(s => s.Count == 0) ? null : pattern;
    }

    /// <summary>Length of the match that begins at a place, 0 for none.</summary>
    internal int Match(ReadOnlySpan<char> text, int at)
    {
        foreach (List<Part> sequence in _alternatives)
            if (Match(sequence, 0, text, at) is var end && end > at)
                return end - at;
        return 0;
    }

    private static int Match(List<Part> sequence, int index, ReadOnlySpan<char> text, int at)
    {
        if (index == sequence.Count)
            return at;
        Part part = sequence[index];
        if (part.IsBarrier)
            return at < text.Length && part.Has(TextRepair.RuneAt(text, at)) ? -1 : Match(sequence, index + 1, text, at);
        int end = at, count = 0;
        while (count < part.Most && end < text.Length && TextRepair.RuneAt(text, end) is var rune && part.Has(rune))
        {
            end += rune.Utf16SequenceLength;
            count++;
        }
        for (; count >= part.Least; count--)
        {
            int found = Match(sequence, index + 1, text, end);
            if (found >= 0 || count == 0)
                return found;
            end -= char.IsLowSurrogate(text[end - 1]) ? 2 : 1;
        }
        return -1;
    }

    private static (int Least, int Most)? ReadCount(string expression, ref int at)
    {
        (int, int) count = at == expression.Length ? (1, 1) : expression[at] switch
        {
            '?' => (0, 1),
            '*' => (0, int.MaxValue),
            '+' => (1, int.MaxValue),
            '{' => (-1, -1),
            _ => (1, 1),
        };
        if (count.Item1 < 0)
        {
            int end = expression.IndexOf('}', at);
            string[] bounds = end < 0 ? [] : expression[(at + 1)..end].Split(',');
            if (bounds.Length is 0 or > 2 || !int.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out int least))
                return null;
            int most = bounds.Length == 1 ? least : int.MaxValue;
            if (bounds.Length == 2 && bounds[1].Length > 0 && !int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out most))
                return null;
            at = end + 1;
            return most >= least && most > 0 ? (least, most) : null;
        }
        if (count != (1, 1))
            at++;
        // Lazy and possessive forms behave otherwise.
        return count != (1, 1) && at < expression.Length && expression[at] is '?' or '+' ? null : count;
    }

    // One character, escape or class; null for anything that is none.
    private static Func<Rune, bool>? ReadSet(string expression, ref int at)
    {
        if (expression[at] == '[')
            return ReadClass(expression, ref at);
        if (expression[at] == '\\')
            return ReadEscape(expression, ref at, out _);
        if (expression[at] is '(' or ')' or '?' or '*' or '+' or '{' or '}' or '.' or '^' or '$')
            return null;
        Rune only = TextRepair.RuneAt(expression, at);
        at += only.Utf16SequenceLength;
        return rune => rune == only;
    }

    private static Func<Rune, bool>? ReadClass(string expression, ref int at)
    {
        at++;
        bool negated = at < expression.Length && expression[at] == '^';
        if (negated)
            at++;
        var sets = new List<Func<Rune, bool>>();
        var ranges = new List<(int First, int Last)>();
        while (at < expression.Length && expression[at] != ']')
        {
            if (expression[at] == '[' || expression.AsSpan(at).StartsWith("&&"))
                return null;
            if (ReadMember(expression, ref at, out Func<Rune, bool>? set) is not int first)
            {
                if (set is null)
                    return null;
                sets.Add(set);
                continue;
            }
            int last = first;
            if (at + 1 < expression.Length && expression[at] == '-' && expression[at + 1] != ']')
            {
                at++;
                if (ReadMember(expression, ref at, out _) is not int bound || bound < first)
                    return null;
                last = bound;
            }
            ranges.Add((first, last));
        }
        if (at == expression.Length)
            return null;
        at++;
        (int First, int Last)[] sorted = [.. ranges.OrderBy(r => r.First)];
        return rune => negated != (sets.Exists(s => s(rune)) || Array.Exists(sorted, r => rune.Value >= r.First && rune.Value <= r.Last));
    }

    private static int? ReadMember(string expression, ref int at, out Func<Rune, bool>? set)
    {
        set = null;
        if (expression[at] == '\\')
        {
            set = ReadEscape(expression, ref at, out int? point);
            return point;
        }
        Rune rune = TextRepair.RuneAt(expression, at);
        at += rune.Utf16SequenceLength;
        return rune.Value;
    }

    private static Func<Rune, bool>? ReadEscape(string expression, ref int at, out int? point)
    {
        point = null;
        if (at + 1 == expression.Length)
            return null;
        char kind = expression[at + 1];
        if (kind == 'p' && at + 2 < expression.Length && expression[at + 2] == '{' && expression.IndexOf('}', at) is > 0 and var end)
        {
            string name = expression[(at + 3)..end];
            at = end + 1;
            return Category(name);
        }
        at += 2;
        switch (kind)
        {
            case 's': return Rune.IsWhiteSpace;
            case 'S': return rune => !Rune.IsWhiteSpace(rune);
            case 'r': point = '\r'; break;
            case 'n': point = '\n'; break;
            case 't': point = '\t'; break;
            case var c when char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c): point = c; break;
            default: return null;
        }
        int only = point.Value;
        return rune => rune.Value == only;
    }

    private static Func<Rune, bool>? Category(string name) => name switch
    {
        "L" => Rune.IsLetter,
        "N" => Rune.IsNumber,
        "P" => Rune.IsPunctuation,
        "S" => Rune.IsSymbol,
        "Nd" => Rune.IsDigit,
        "M" => rune => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark,
        "Lu" => rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.UppercaseLetter,
        "Ll" => rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.LowercaseLetter,
        "Lt" => rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter,
        "Lm" => rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.ModifierLetter,
        "Lo" => rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.OtherLetter,
        _ => null,
    };

    private sealed record Part(Func<Rune, bool> Has, int Least, int Most, bool IsBarrier);
}
