namespace VlmSdk.Tokenization;

/// <summary>
/// The merging of byte-pair encoding over a linked list of symbols, with a heap of candidate pairs: n log n in the
/// length of the piece. The pair with the lowest key goes first, the leftmost on ties.
/// </summary>
/// <typeparam name="TRules">Says which neighbours merge, at which key and into what.</typeparam>
internal struct MergeQueue<TRules> where TRules : struct, IMergeRules
{
    private readonly TRules _rules;
    private readonly int[] _symbols, _next, _previous;
    private readonly PriorityQueue<Pair, ulong> _queue;
    private readonly int _count;

    /// <summary>Prepares the symbols of one piece; the array is merged in place.</summary>
    internal MergeQueue(TRules rules, int[] symbols, int count)
    {
        _rules = rules;
        _symbols = symbols;
        _count = count;
        _next = new int[count];
        _previous = new int[count];
        var offers = new List<(Pair, ulong)>(count);
        for (int i = 0; i < count; i++)
        {
            _next[i] = i + 1;
            _previous[i] = i - 1;
            if (i + 1 < count && rules.TryMerge(symbols[i], symbols[i + 1], out uint key, out int merged))
                offers.Add((new Pair(i, symbols[i], symbols[i + 1], merged), Priority(key, i)));
        }
        _queue = new(offers);
    }

    /// <summary>Merges until no pair is left and adds the remaining symbols to a list.</summary>
    internal readonly void Run(List<int> result)
    {
        while (_queue.TryDequeue(out Pair pair, out _))
        {
            int left = pair.Left, right = _symbols[left] == pair.LeftSymbol ? _next[left] : _count;
            // Symbol numbers are never negative, so a place merged away (-1) cannot match an offer.
            if (right >= _count || _symbols[right] != pair.RightSymbol)
                continue;
            _symbols[left] = pair.Merged;
            _symbols[right] = -1;
            int after = _next[left] = _next[right];
            if (after < _count)
                _previous[after] = left;
            Offer(left);
            if (_previous[left] >= 0)
                Offer(_previous[left]);
        }
        for (int i = 0; i < _count; i = _next[i])
            result.Add(_symbols[i]);
    }

    private readonly void Offer(int left)
    {
        int right = _next[left];
        if (right < _count && _rules.TryMerge(_symbols[left], _symbols[right], out uint key, out int merged))
            _queue.Enqueue(new Pair(left, _symbols[left], _symbols[right], merged), Priority(key, left));
    }

    private static ulong Priority(uint key, int position) => (ulong)key << 32 | (uint)position;

    private readonly record struct Pair(int Left, int LeftSymbol, int RightSymbol, int Merged);
}

/// <summary>Which neighbouring symbols merge.</summary>
internal interface IMergeRules
{
    /// <summary>Whether two symbols (never negative) merge; lower keys go first.</summary>
    bool TryMerge(int left, int right, out uint key, out int merged);
}
