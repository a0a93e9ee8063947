namespace VlmSdk.Tokenization;

/// <summary>Where a Metaspace pre-tokenizer puts its mark before a piece.</summary>
internal enum MarkPrefix { Never, First, Always }

/// <summary>
/// The pre-tokenizers of a character-level tokenizer.json: stages that split, and behind them Metaspace, if there is one,
/// which turns spaces into U+2581, puts one before pieces and cuts before each. Immutable and thread-safe.
/// </summary>
/// <param name="splitter">The stages.</param>
/// <param name="prefix">Where Metaspace puts its mark; null without Metaspace.</param>
/// <param name="cuts">Whether Metaspace cuts.</param>
internal sealed class MarkedSplitter(PreTokenizer splitter, MarkPrefix? prefix, bool cuts)
{
    /// <summary>U+2581, which stands for a space.</summary>
    internal const char Mark = '\u2581';

    private static readonly PreTokenizerStage BeforeMarks = new(new MatchFinder(Mark.ToString()), SplitBehavior.MergedWithNext);

    /// <summary>The pieces the model sees.</summary>
    /// <param name="text">A normalised segment.</param>
    /// <param name="first">Whether the whole text begins with it.</param>
    internal List<ReadOnlyMemory<char>> Split(ReadOnlySpan<char> text, bool first)
    {
        string whole = text.ToString();
        var result = new List<ReadOnlyMemory<char>>();
        var parts = new List<(int Start, int Length)>();
        foreach ((int start, int length) in splitter.Split(text))
        {
            if (prefix is null)
            {
                result.Add(whole.AsMemory(start, length));
                continue;
            }
            string marked = whole.Substring(start, length).Replace(' ', Mark);
            if (marked[0] != Mark && (prefix == MarkPrefix.Always || (prefix == MarkPrefix.First && first && start == 0)))
                marked = Mark + marked;
            parts.Clear();
            if (cuts)
                BeforeMarks.Split(marked, 0, parts);
            else
                parts.Add((0, marked.Length));
            foreach ((int from, int count) in parts)
                result.Add(marked.AsMemory(from, count));
        }
        return result;
    }
}
