namespace VlmSdk.Tokenization;

/// <summary>
/// SentencePiece unigram, as SigLIP and T5 have it: of all ways to spell a text the one with the highest sum of scores.
/// Sums are 32-bit floats, as in the original: wider ones choose other ways. Immutable and thread-safe.
/// </summary>
public sealed class SentencePieceUnigramTokenizer : SentencePieceTokenizer
{
    private readonly UnigramSearch<float> _search;

    internal SentencePieceUnigramTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, SentencePieceRules rules)
        : base(vocabulary, scores, rules)
    {
        float[] own = [.. scores];
        float lowest = float.MaxValue;
        var pieces = new List<KeyValuePair<string, int>>(own.Length);
        for (int id = 0; id < own.Length; id++)
        {
            string token = vocabulary.Tokens[id];
            if (vocabulary.Types[id] == TokenType.Normal)
                lowest = Math.Min(lowest, own[id]);
            else if (vocabulary.Types[id] == TokenType.UserDefined)
                own[id] = 0.1f * (System.Text.Encoding.UTF8.GetByteCount(token) - 1);
            else
                continue;
            pieces.Add(KeyValuePair.Create(token, id));
        }
        if (lowest == float.MaxValue)
            throw vocabulary.Fault("tokens", "there is no normal piece, so nothing can be spelt.");
        _search = new UnigramSearch<float>(new SortedSpellings(pieces), own, lowest - UnigramSearch<float>.UnknownPenalty);
    }

    private protected override void EncodeNormal(string normal, List<int> ids)
    {
        bool afterUnknown = false;
        foreach ((int start, int length, int id) in _search.Best(normal))
        {
            if (id < 0)
            {
                Spell(normal.AsSpan(start, length), ref afterUnknown, ids);
                continue;
            }
            ids.Add(id);
            afterUnknown = false;
        }
    }
}
