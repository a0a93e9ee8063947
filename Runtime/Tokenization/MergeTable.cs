using VlmSdk.Weights;

namespace VlmSdk.Tokenization;

/// <summary>Ranked merges: which pairs of tokens become which token, lower ranks first. Immutable once built.</summary>
internal readonly struct MergeTable : IMergeRules
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Merged)> _merges;

    /// <summary>From merges in rank order, written as two spellings with one space between.</summary>
    /// <exception cref="CheckpointException">There are too many, one is written otherwise, or names a spelling that no token has.</exception>
    internal MergeTable(TokenizerVocabulary vocabulary, IReadOnlyList<string> merges)
    {
        var table = new Builder(vocabulary, merges.Count);
        foreach (string merge in merges)
        {
            int space = merge.IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 || space == merge.Length - 1 || merge.AsSpan(space + 1).Contains(' '))
                throw vocabulary.Fault("merges", $"merge {table.Rank} is '{TensorReading.Shown(merge)}'; it must be two spellings with one space between.");
            table.Add(merge.AsSpan(0, space), merge.AsSpan(space + 1));
        }
        _merges = table.Merges;
    }

    /// <summary>From pairs of spellings in rank order.</summary>
    /// <exception cref="CheckpointException">There are too many, or one names a spelling that no token has.</exception>
    internal MergeTable(TokenizerVocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges)
    {
        var table = new Builder(vocabulary, merges.Count);
        foreach ((string left, string right) in merges)
            table.Add(left, right);
        _merges = table.Merges;
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

    public bool TryMerge(int left, int right, out uint key, out int merged)
    {
        bool found = _merges.TryGetValue((left, right), out (int Rank, int Merged) entry);
        (key, merged) = ((uint)entry.Rank, entry.Merged);
        return found;
    }

    /// <summary>Collects merges without making strings of their parts: files hold hundreds of thousands.</summary>
    private sealed class Builder
    {
        private readonly TokenizerVocabulary _vocabulary;
        private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
        private readonly char[] _joined = new char[TokenizerVocabulary.MaxSpelling];

        internal Builder(TokenizerVocabulary vocabulary, int count)
        {
            if (count > TokenizerVocabulary.MaxMerges)
                throw vocabulary.Fault("merges", $"has {count} entries; at most {TokenizerVocabulary.MaxMerges} are accepted.");
            _vocabulary = vocabulary;
            _ids = vocabulary.Ids.GetAlternateLookup<ReadOnlySpan<char>>();
            Merges = new(count);
        }

        internal Dictionary<(int Left, int Right), (int Rank, int Merged)> Merges { get; }

        internal int Rank { get; private set; }

        internal void Add(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
        {
            int length = left.Length + right.Length;
            bool fits = length <= _joined.Length;
            if (fits)
            {
                left.CopyTo(_joined);
                right.CopyTo(_joined.AsSpan(left.Length));
            }
            if (!fits || !_ids.TryGetValue(_joined.AsSpan(0, length), out int merged) || !_ids.TryGetValue(left, out int a) || !_ids.TryGetValue(right, out int b))
                throw _vocabulary.Fault("merges", $"merge {Rank}, '{TensorReading.Shown($"{left} {right}")}', names a spelling that no token has.");
            // The first of equal pairs has the lower rank and stays. No merge arrives at a control token.
            if (_vocabulary.Types[merged] is TokenType.Normal or TokenType.UserDefined)
                Merges.TryAdd((a, b), (Rank, merged));
            Rank++;
        }
    }
}
