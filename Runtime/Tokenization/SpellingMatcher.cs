namespace VlmSdk.Tokenization;

/// <summary>Finds fixed spellings in text, the longest at a place. Cost a place: one look-up per length that occurs.</summary>
internal sealed class SpellingMatcher
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly Dictionary<char, int[]> _lengths;

    internal SpellingMatcher(IEnumerable<KeyValuePair<string, int>> spellings)
    {
        _ids = new Dictionary<string, int>(spellings, StringComparer.Ordinal);
        _spans = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengths = _ids.Keys.GroupBy(s => s[0]).ToDictionary(g => g.Key, g => g.Select(s => s.Length).Distinct().OrderDescending().ToArray());
    }

    internal bool IsEmpty => _ids.Count == 0;

    /// <summary>Length of the longest spelling at a place, 0 for none.</summary>
    internal int Match(ReadOnlySpan<char> text, int at, out int id)
    {
        id = -1;
        if (!_lengths.TryGetValue(text[at], out int[]? lengths))
            return 0;
        foreach (int length in lengths)
            if (length <= text.Length - at && _spans.TryGetValue(text.Slice(at, length), out id))
                return length;
        return 0;
    }
}
