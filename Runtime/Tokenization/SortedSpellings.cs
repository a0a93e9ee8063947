namespace VlmSdk.Tokenization;

/// <summary>
/// Finds fixed spellings in text: all that begin at a place, or the longest. They are kept sorted, so that a search narrows
/// the range of those that go on as the text does, and no file can ask for more memory than its spellings take. Immutable.
/// </summary>
internal sealed class SortedSpellings
{
    private readonly string[] _spellings;
    private readonly int[] _ids;
    private readonly Dictionary<char, (int Low, int High)> _begins = [];

    /// <summary>Sorts spellings, none of them empty; of equal ones the last counts.</summary>
    internal SortedSpellings(IEnumerable<KeyValuePair<string, int>> spellings)
    {
        var sorted = new List<KeyValuePair<string, int>>();
        foreach (KeyValuePair<string, int> entry in spellings.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            if (sorted.Count > 0 && sorted[^1].Key == entry.Key)
                sorted.RemoveAt(sorted.Count - 1);
            sorted.Add(entry);
        }
        _spellings = new string[sorted.Count];
        _ids = new int[sorted.Count];
        for (int i = 0; i < sorted.Count; i++)
        {
            (_spellings[i], _ids[i]) = sorted[i];
            char first = _spellings[i][0];
            _begins[first] = (_begins.TryGetValue(first, out (int Low, int High) range) ? range.Low : i, i + 1);
        }
    }

    /// <summary>Spellings Low to High (exclusive) agree in Length characters.</summary>
    internal readonly record struct Node(int Low, int High, int Length);

    internal bool IsEmpty => _spellings.Length == 0;

    /// <summary>Where a search begins.</summary>
    internal Node Root => new(0, _spellings.Length, 0);

    /// <summary>Goes on by a character; false when no spelling does.</summary>
    internal bool Step(ref Node node, char next)
    {
        (int low, int high) = node.Length == 0 ? _begins.GetValueOrDefault(next) : (Bound(node, next), Bound(node, next + 1));
        node = new Node(low, high, node.Length + 1);
        return low < high;
    }

    /// <summary>The id of the spelling that ends at a node, -1 when none does.</summary>
    internal int IdAt(Node node) => _spellings[node.Low].Length == node.Length ? _ids[node.Low] : -1;

    /// <summary>Length of the longest spelling at a place, 0 for none.</summary>
    internal int Longest(ReadOnlySpan<char> text, int at, out int id)
    {
        (id, int length, Node node) = (-1, 0, Root);
        for (int end = at; end < text.Length && Step(ref node, text[end]);)
        {
            end++;
            if (IdAt(node) is >= 0 and var found)
                (id, length) = (found, end - at);
        }
        return length;
    }

    // The first spelling of a node whose next character is at least this one; one that ends here stands before all.
    private int Bound(Node node, int least)
    {
        (int low, int high) = (node.Low, node.High);
        while (low < high)
        {
            int middle = low + (high - low) / 2;
            string spelling = _spellings[middle];
            if (spelling.Length == node.Length || spelling[node.Length] < least)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
