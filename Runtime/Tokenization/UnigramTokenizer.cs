using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// The unigram model of <c>tokenizer.json</c>, as T5, SigLIP and XLM-R have it. Characters without a piece become byte
/// tokens where the file says so, or one unknown token a run. Immutable and thread-safe.
/// </summary>
public sealed class UnigramTokenizer : VocabularyTokenizer
{
    private readonly UnigramSearch<double> _search;
    private readonly MarkedSplitter _splitter;
    private readonly int[]? _byteIds;
    private readonly int _unknown;

    internal UnigramTokenizer(
        TokenizerVocabulary vocabulary, IReadOnlyList<double> scores, int unknown, bool byteFallback, IEnumerable<AddedToken> added, JsonTokenizerParts parts)
        : base(vocabulary, parts.Rules, added, parts.Normalizer, id => parts.Piece(vocabulary, id))
    {
        (_unknown, _splitter) = (unknown, parts.MarkedSplitter);
        // A control token's spelling must stay text, so no way may lead over it.
        var pieces = new SortedSpellings(Enumerable.Range(0, scores.Count).Where(id => vocabulary.Types[id] != TokenType.Control)
            .Select(id => KeyValuePair.Create(vocabulary.Tokens[id], id)));
        _search = new UnigramSearch<double>(pieces, [.. scores], scores.Min() - UnigramSearch<double>.UnknownPenalty);
        if (!byteFallback)
            return;
        _byteIds = new int[256];
        for (int value = 0; value < 256; value++)
            _byteIds[value] = vocabulary.Ids.GetValueOrDefault($"<0x{value:X2}>", -1);
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool first, List<int> ids)
    {
        foreach (ReadOnlyMemory<char> piece in _splitter.Split(text, first))
        {
            int unknown = 0;
            foreach ((int start, int length, int id) in _search.Best(piece.Span))
            {
                // The id of the unknown token can stand in the table of pieces too, and counts as unknown all the same.
                bool strange = id < 0 || id == _unknown;
                if (!strange)
                {
                    AddUnknown(piece.Span.Slice(start - unknown, unknown), ids);
                    ids.Add(id);
                }
                unknown = strange ? unknown + length : 0;
            }
            AddUnknown(piece.Span[^unknown..], ids);
        }
    }

    // Several unknown characters in a row are spelt together: in bytes if there is a token for each, else as one.
    private void AddUnknown(ReadOnlySpan<char> characters, List<int> ids)
    {
        if (characters.IsEmpty)
            return;
        if (Vocabulary.Ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(characters, out int id) && Vocabulary.Types[id] != TokenType.Control)
        {
            ids.Add(id);
            return;
        }
        var utf8 = new byte[Encoding.UTF8.GetByteCount(characters)];
        Encoding.UTF8.GetBytes(characters, utf8);
        if (_byteIds is null || utf8.Any(value => _byteIds[value] < 0))
            ids.Add(_unknown);
        else
            ids.AddRange(utf8.Select(value => _byteIds[value]));
    }
}
