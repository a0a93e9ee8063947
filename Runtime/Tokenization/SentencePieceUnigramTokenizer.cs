namespace VlmSdk.Tokenization;

/// <summary>
/// SentencePiece unigram, as SigLIP and T5 have it: of all ways to spell a text the one with the highest sum of scores.
/// Sums are 32-bit floats, as in the original: wider ones choose other ways. Immutable and thread-safe.
/// </summary>
public sealed class SentencePieceUnigramTokenizer : SentencePieceTokenizer
{
    private const float UnknownPenalty = 10f;

    private readonly SpellingTrie _pieces;
    private readonly float[] _scores;
    private readonly float _unknownScore;

    internal SentencePieceUnigramTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, SentencePieceRules rules)
        : base(vocabulary, scores, rules)
    {
        _scores = [.. scores];
        float lowest = float.MaxValue;
        var pieces = new List<KeyValuePair<string, int>>(_scores.Length);
        for (int id = 0; id < _scores.Length; id++)
        {
            string token = vocabulary.Tokens[id];
            if (vocabulary.Types[id] == TokenType.Normal)
                lowest = Math.Min(lowest, _scores[id]);
            else if (vocabulary.Types[id] == TokenType.UserDefined)
                _scores[id] = 0.1f * (System.Text.Encoding.UTF8.GetByteCount(token) - 1);
            else
                continue;
            pieces.Add(KeyValuePair.Create(token, id));
        }
        if (lowest == float.MaxValue)
            throw vocabulary.Fault("tokens", "there is no normal piece, so nothing can be spelt.");
        _unknownScore = lowest - UnknownPenalty;
        _pieces = new SpellingTrie(pieces);
    }

    private protected override void EncodeNormal(string normal, List<int> ids)
    {
        // Best sum of the ways that end at each place, where their last piece begins, and which it is (-1: unknown).
        var best = new float[normal.Length + 1];
        var from = new int[normal.Length + 1];
        var piece = new int[normal.Length + 1];
        Array.Fill(from, -1);
        for (int start = 0, width; start < normal.Length; start += width)
        {
            width = TextRepair.RuneAt(normal, start).Utf16SequenceLength;
            bool single = false;
            for (int node = SpellingTrie.Root, end = start; end < normal.Length && (node = _pieces.Step(node, normal[end])) >= 0;)
            {
                end++;
                if (_pieces.IdAt(node) is var id && id < 0)
                    continue;
                Offer(start, end, _scores[id], id);
                single |= end == start + width;
            }
            if (!single)
                Offer(start, start + width, _unknownScore, -1);
        }
        var ends = new List<int>();
        for (int end = normal.Length; end > 0; end = from[end])
            ends.Add(end);
        bool afterUnknown = false;
        for (int i = ends.Count - 1; i >= 0; i--)
        {
            int end = ends[i];
            if (piece[end] < 0)
            {
                Spell(normal.AsSpan(from[end], end - from[end]), ref afterUnknown, ids);
                continue;
            }
            ids.Add(piece[end]);
            afterUnknown = false;
        }

        void Offer(int start, int end, float score, int id)
        {
            float sum = best[start] + score;
            if (from[end] < 0 || sum > best[end])
                (best[end], from[end], piece[end]) = (sum, start, id);
        }
    }
}
