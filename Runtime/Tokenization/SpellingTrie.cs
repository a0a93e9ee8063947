namespace VlmSdk.Tokenization;

/// <summary>
/// Finds fixed spellings in text: all that begin at a place, or the longest. A search ends as soon as no spelling goes
/// on, so its cost is bounded by what the text shares with the spellings. Immutable.
/// </summary>
internal sealed class SpellingTrie
{
    internal const int Root = 0;

    private readonly Dictionary<(int Node, char Next), int> _steps = [];
    private readonly List<int> _ids = [-1];

    internal SpellingTrie(IEnumerable<KeyValuePair<string, int>> spellings)
    {
        foreach ((string spelling, int id) in spellings)
        {
            int node = Root;
            foreach (char c in spelling)
            {
                if (!_steps.TryGetValue((node, c), out int next))
                {
                    _steps.Add((node, c), next = _ids.Count);
                    _ids.Add(-1);
                }
                node = next;
            }
            _ids[node] = id;
        }
    }

    internal bool IsEmpty => _ids.Count == 1;

    /// <summary>The node behind a character, -1 when no spelling goes on so.</summary>
    internal int Step(int node, char next) => _steps.GetValueOrDefault((node, next), -1);

    /// <summary>The id of the spelling that ends at a node, -1 when none does.</summary>
    internal int IdAt(int node) => _ids[node];

    /// <summary>Length of the longest spelling at a place, 0 for none.</summary>
    internal int Longest(ReadOnlySpan<char> text, int at, out int id)
    {
        (id, int length) = (-1, 0);
        for (int node = Root, end = at; end < text.Length && (node = Step(node, text[end])) >= 0;)
        {
            end++;
            if (_ids[node] >= 0)
                (id, length) = (_ids[node], end - at);
        }
        return length;
    }
}
