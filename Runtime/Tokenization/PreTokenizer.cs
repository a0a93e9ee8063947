using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Splits text into pieces inside which byte-pair encoding merges. Each stage cuts the pieces of the stage before;
/// matches and the gaps between them are both kept. Immutable and thread-safe.
/// </summary>
public sealed class PreTokenizer
{
    private readonly PreTokenizerStage[] _stages;

    internal PreTokenizer(string name, bool wholePieces, bool addsBegin, params PreTokenizerStage[] stages)
    {
        Name = name;
        TakesWholePieces = wholePieces;
        AddsBegin = addsBegin;
        _stages = stages;
    }

    /// <summary>Its name in <c>tokenizer.ggml.pre</c>.</summary>
    public string Name { get; }

    /// <summary>A piece that is a vocabulary entry is taken whole, without merging.</summary>
    public bool TakesWholePieces { get; }

    /// <summary>Files with this splitting add the begin token unless they say otherwise.</summary>
    public bool AddsBegin { get; }

    /// <summary>All names <see cref="Find"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "gpt-2", "mpt", "smollm", "starcoder", "refact", "command-r", "llama-bpe", "llama3", "pixtral", "qwen2", "tekken", "deepseek-llm",
    ];

    /// <summary>The splitting of a name in <c>tokenizer.ggml.pre</c>, or null when it is none of <see cref="Names"/>.</summary>
    public static PreTokenizer? Find(string name) => name switch
    {
        "gpt-2" or "mpt" => new(name, false, false, Stage(WordPatterns.Gpt2)),
        "smollm" or "starcoder" or "refact" or "command-r" =>
            new(name, false, false, Stage(WordPatterns.OneDigit), Stage(WordPatterns.Gpt2)),
        "llama-bpe" or "llama3" or "pixtral" => new(name, true, true, Stage((text, at) => WordPatterns.Llama3(text, at, digits: 3))),
        "qwen2" => new(name, false, false, Stage((text, at) => WordPatterns.Llama3(text, at, digits: 1))),
        "tekken" => new(name, true, false, Stage(WordPatterns.Tekken)),
        "deepseek-llm" => new(name, false, false,
            Stage(DeepSeekPatterns.Newline), Stage(DeepSeekPatterns.Letters), Stage(DeepSeekPatterns.Punctuation),
            new PreTokenizerStage(new TrailingSpaceFinder()), Stage(DeepSeekPatterns.Ideographs), Stage(WordPatterns.OneDigit)),
        _ => null,
    };

    /// <summary>The splitting by one regular expression, or null when it is not one this library reads.</summary>
    internal static PreTokenizer? FromPattern(string pattern) =>
        TextFinder.Of(pattern) is { } finder ? new(pattern, false, false, new PreTokenizerStage(finder)) : null;

    /// <summary>The pieces of a text, in order, as start and length; without gaps unless a stage removes text.</summary>
    internal List<(int Start, int Length)> Split(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Start, int Length)>();
        if (!text.IsEmpty)
            pieces.Add((0, text.Length));
        foreach (PreTokenizerStage stage in _stages)
        {
            var finer = new List<(int Start, int Length)>(pieces.Count);
            foreach ((int start, int length) in pieces)
                stage.Split(text.Slice(start, length), start, finer);
            pieces = finer;
        }
        return pieces;
    }

    private static PreTokenizerStage Stage(Matcher match) => new(new MatchFinder(match));
}

/// <summary>Length of the match that begins at a place, 0 for none.</summary>
internal delegate int Matcher(ReadOnlySpan<char> text, int at);

/// <summary>What a stage does with the matches it finds.</summary>
internal enum SplitBehavior
{
    /// <summary>Matches and the text between them are pieces.</summary>
    Isolated,
    /// <summary>Matches are left out.</summary>
    Removed,
    /// <summary>The first of several matches in a row ends the piece before it.</summary>
    MergedWithPrevious,
    /// <summary>The last of several matches in a row begins the piece behind it.</summary>
    MergedWithNext,
    /// <summary>Matches in a row are one piece.</summary>
    Contiguous,
}

/// <summary>One splitting of a chain. It sees each piece as a text of its own.</summary>
/// <param name="finder">Finds the matches.</param>
/// <param name="behavior">What becomes of them.</param>
/// <param name="inverted">The text between matches counts as matches, and the other way round.</param>
internal sealed class PreTokenizerStage(TextFinder finder, SplitBehavior behavior = SplitBehavior.Isolated, bool inverted = false)
{
    /// <summary>Adds the parts of a piece that begins at <paramref name="offset"/> of the whole text.</summary>
    internal void Split(ReadOnlySpan<char> piece, int offset, List<(int Start, int Length)> parts)
    {
        var matches = new List<(int Start, int Length)>();
        finder.Find(piece, matches);
        int begun = parts.Count, end = 0;
        bool afterMatch = false;
        foreach ((int start, int length) in matches)
        {
            if (start > end)
                Add(end, start - end, inverted);
            Add(start, length, !inverted);
            end = start + length;
        }
        if (end < piece.Length)
            Add(end, piece.Length - end, inverted);

        void Add(int start, int length, bool isMatch)
        {
            bool merges = parts.Count > begun && behavior switch
            {
                SplitBehavior.MergedWithPrevious => isMatch && !afterMatch,
                SplitBehavior.MergedWithNext => !isMatch && afterMatch,
                SplitBehavior.Contiguous => isMatch == afterMatch,
                _ => false,
            };
            if (merges)
                parts[^1] = (parts[^1].Start, parts[^1].Length + length);
            else if (!isMatch || behavior != SplitBehavior.Removed)
                parts.Add((offset + start, length));
            afterMatch = isMatch;
        }
    }
}

/// <summary>Finds places in text, from left to right and without overlap; none is empty.</summary>
internal abstract class TextFinder
{
    internal abstract void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches);

    /// <summary>The finder of a regular expression; null when it cannot be read.</summary>
    internal static TextFinder? Of(string pattern) => pattern switch
    {
        WordPatterns.Gpt2Expression => new MatchFinder(WordPatterns.Gpt2),
        WordPatterns.Llama3Expression => new MatchFinder((text, at) => WordPatterns.Llama3(text, at, digits: 3)),
        WordPatterns.Qwen2Expression => new MatchFinder((text, at) => WordPatterns.Llama3(text, at, digits: 1)),
        WordPatterns.TekkenExpression => new MatchFinder(WordPatterns.Tekken),
        @"\s+$" => new TrailingSpaceFinder(),
        _ => SplitPattern.TryParse(pattern) is { } other ? new MatchFinder(other.Match) : null,
    };
}

/// <summary>Finds the matches of an expression.</summary>
internal sealed class MatchFinder(Matcher match) : TextFinder
{
    /// <summary>Finds a fixed spelling, not empty.</summary>
    internal MatchFinder(string spelling) : this((text, at) => text[at..].StartsWith(spelling, StringComparison.Ordinal) ? spelling.Length : 0) { }

    /// <summary>Finds each character of a kind on its own.</summary>
    internal MatchFinder(Func<Rune, bool> has)
        : this((text, at) => TextRepair.RuneAt(text, at) is var rune && has(rune) ? rune.Utf16SequenceLength : 0) { }

    internal override void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = match(text, at);
            if (length > 0)
                matches.Add((at, length));
            at += length > 0 ? length : TextRepair.RuneAt(text, at).Utf16SequenceLength;
        }
    }
}

/// <summary>Finds whitespace at the end (<c>\s+$</c>); its own finder because a match at every place would be quadratic.</summary>
internal sealed class TrailingSpaceFinder : TextFinder
{
    internal override void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        int end = text.Length;
        while (end > 0 && Rune.DecodeLastFromUtf16(text[..end], out Rune last, out int width) == System.Buffers.OperationStatus.Done && Rune.IsWhiteSpace(last))
            end -= width;
        if (end < text.Length)
            matches.Add((end, text.Length - end));
    }
}
