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
        "gpt-2" or "mpt" => new(name, false, false, new MatchStage(WordPatterns.Gpt2)),
        "smollm" or "starcoder" or "refact" or "command-r" =>
            new(name, false, false, new MatchStage(WordPatterns.OneDigit), new MatchStage(WordPatterns.Gpt2)),
        "llama-bpe" or "llama3" or "pixtral" => new(name, true, true, new MatchStage((text, at) => WordPatterns.Llama3(text, at, digits: 3))),
        "qwen2" => new(name, false, false, new MatchStage((text, at) => WordPatterns.Llama3(text, at, digits: 1))),
        "tekken" => new(name, true, false, new MatchStage(WordPatterns.Tekken)),
        "deepseek-llm" => new(name, false, false,
            new MatchStage(DeepSeekPatterns.Newline), new MatchStage(DeepSeekPatterns.Letters), new MatchStage(DeepSeekPatterns.Punctuation),
            new TrailingSpaceStage(), new MatchStage(DeepSeekPatterns.Ideographs), new MatchStage(WordPatterns.OneDigit)),
        _ => null,
    };

    /// <summary>The splitting by one regular expression, or null when it is not one this library reads.</summary>
    internal static PreTokenizer? FromPattern(string pattern) =>
        StageOf(pattern) is { } stage ? new(pattern, false, false, stage) : null;

    /// <summary>The stage that splits at the matches of an expression; null when it cannot be read.</summary>
    internal static PreTokenizerStage? StageOf(string pattern) => pattern switch
    {
        WordPatterns.Gpt2Expression => new MatchStage(WordPatterns.Gpt2),
        WordPatterns.Llama3Expression => new MatchStage((text, at) => WordPatterns.Llama3(text, at, digits: 3)),
        WordPatterns.Qwen2Expression => new MatchStage((text, at) => WordPatterns.Llama3(text, at, digits: 1)),
        WordPatterns.TekkenExpression => new MatchStage(WordPatterns.Tekken),
        @"\s+$" => new TrailingSpaceStage(),
        _ => SplitPattern.TryParse(pattern) is { } other ? new MatchStage(other.Match) : null,
    };

    /// <summary>The pieces of a text, in order and without gaps, as start and length.</summary>
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
}

/// <summary>One splitting of a chain. It sees each piece as a text of its own.</summary>
internal abstract class PreTokenizerStage
{
    /// <summary>Adds the parts of a piece that begins at <paramref name="offset"/> of the whole text.</summary>
    internal abstract void Split(ReadOnlySpan<char> piece, int offset, List<(int Start, int Length)> parts);
}

/// <summary>Length of the match that begins at a place, 0 for none.</summary>
internal delegate int Matcher(ReadOnlySpan<char> text, int at);

/// <summary>Splits at the matches of an expression.</summary>
internal sealed class MatchStage(Matcher match) : PreTokenizerStage
{
    internal override void Split(ReadOnlySpan<char> piece, int offset, List<(int Start, int Length)> parts)
    {
        int gap = 0;
        for (int at = 0; at < piece.Length;)
        {
            int length = match(piece, at);
            if (length == 0)
            {
                at += TextRepair.RuneAt(piece, at).Utf16SequenceLength;
                continue;
            }
            if (at > gap)
                parts.Add((offset + gap, at - gap));
            parts.Add((offset + at, length));
            gap = at += length;
        }
        if (gap < piece.Length)
            parts.Add((offset + gap, piece.Length - gap));
    }
}

/// <summary>Cuts behind, or before, each occurrence of a character.</summary>
internal sealed class CutStage(char mark, bool behind) : PreTokenizerStage
{
    internal override void Split(ReadOnlySpan<char> piece, int offset, List<(int Start, int Length)> parts)
    {
        int begun = 0;
        for (int at = 0; at < piece.Length; at++)
        {
            int cut = behind ? at + 1 : at;
            if (piece[at] != mark || cut == begun)
                continue;
            parts.Add((offset + begun, cut - begun));
            begun = cut;
        }
        if (begun < piece.Length)
            parts.Add((offset + begun, piece.Length - begun));
    }
}

/// <summary>Cuts whitespace off the end (<c>\s+$</c>); its own stage because a match at every place would be quadratic.</summary>
internal sealed class TrailingSpaceStage : PreTokenizerStage
{
    internal override void Split(ReadOnlySpan<char> piece, int offset, List<(int Start, int Length)> parts)
    {
        int end = piece.Length;
        while (end > 0 && Rune.DecodeLastFromUtf16(piece[..end], out Rune last, out int width) == System.Buffers.OperationStatus.Done && Rune.IsWhiteSpace(last))
            end -= width;
        if (end > 0)
            parts.Add((offset, end));
        if (end < piece.Length)
            parts.Add((offset + end, piece.Length - end));
    }
}
