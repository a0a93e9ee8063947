namespace VlmSdk.Tokenization;

/// <summary>Ranked merges: which pairs of tokens become which token, lower ranks first. Immutable once built.</summary>
internal readonly struct MergeTable : IMergeRules
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Merged)> _merges;

    /// <summary>From pairs of spellings in rank order.</summary>
    /// <exception cref="CheckpointException">There are too many, or one names a spelling that no token has.</exception>
    internal MergeTable(TokenizerVocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges)
    {
        if (merges.Count > TokenizerVocabulary.MaxMerges)
            throw vocabulary.Fault("merges", $"has {merges.Count} entries; at most {TokenizerVocabulary.MaxMerges} are accepted.");
        _merges = new(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            if (!vocabulary.Ids.TryGetValue(left + right, out int merged) || !vocabulary.Ids.TryGetValue(left, out int a) || !vocabulary.Ids.TryGetValue(right, out int b))
                throw vocabulary.Fault("merges", $"merge {rank}, '{left} {right}', names a spelling that no token has.");
            // The first of equal pairs has the lower rank and stays. No merge arrives at a control token.
            if (vocabulary.Types[merged] is TokenType.Normal or TokenType.UserDefined)
                _merges.TryAdd((a, b), (rank, merged));
        }
    }

    /// <summary>From the tokens themselves: two neighbours merge at the id of what they spell together.</summary>
    internal MergeTable(Dictionary<string, int> pieces)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> spans = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        _merges = new(pieces.Count);
        foreach ((string spelling, int merged) in pieces)
            for (int cut = 1; cut < spelling.Length; cut++)
                if (spans.TryGetValue(spelling.AsSpan(0, cut), out int left) && spans.TryGetValue(spelling.AsSpan(cut), out int right))
                    _merges[(left, right)] = (merged, merged);
    }

    /// <summary>Parts of merges written as two spellings with one space between.</summary>
    /// <exception cref="CheckpointException">One is not.</exception>
    internal static (string Left, string Right)[] Parse(TokenizerVocabulary vocabulary, IReadOnlyList<string> merges)
    {
        if (merges.Count > TokenizerVocabulary.MaxMerges)
            throw vocabulary.Fault("merges", $"has {merges.Count} entries; at most {TokenizerVocabulary.MaxMerges} are accepted.");
        return [.. merges.Select((merge, rank) => merge.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right]
            ? (left, right)
            : throw vocabulary.Fault("merges", $"merge {rank} is '{merge}'; it must be two spellings with one space between."))];
    }

    public bool TryMerge(int left, int right, out uint key, out int merged)
    {
        bool found = _merges.TryGetValue((left, right), out (int Rank, int Merged) entry);
        (key, merged) = ((uint)entry.Rank, entry.Merged);
        return found;
    }
}
