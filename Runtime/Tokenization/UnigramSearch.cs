using System.Numerics;

namespace VlmSdk.Tokenization;

/// <summary>
/// Of all ways to spell a text in pieces, the one with the highest sum of scores; of equal ones the one whose last piece
/// begins first. Sums have the precision of the score type, since another one chooses other ways: SentencePiece adds
/// 32-bit floats, the tokenizers library 64-bit ones. Immutable and thread-safe.
/// </summary>
/// <param name="pieces">Ids of the pieces by spelling.</param>
/// <param name="scores">Scores by id.</param>
/// <param name="unknownScore">Score of a character that no piece of one character spells.</param>
internal sealed class UnigramSearch<T>(SortedSpellings pieces, T[] scores, T unknownScore) where T : struct, IFloatingPoint<T>
{
    /// <summary>What makes a character without a piece worse than the worst piece, in both libraries.</summary>
    internal static readonly T UnknownPenalty = T.CreateChecked(10);

    /// <summary>The parts of the best way in order, with their ids; -1 for one unknown character.</summary>
    internal List<(int Start, int Length, int Id)> Best(ReadOnlySpan<char> text)
    {
        // Best sum of the ways that end at each place, where their last piece begins, and which it is.
        var best = new T[text.Length + 1];
        var from = new int[text.Length + 1];
        var piece = new int[text.Length + 1];
        Array.Fill(from, -1);
        for (int start = 0, width; start < text.Length; start += width)
        {
            width = TextRepair.RuneAt(text, start).Utf16SequenceLength;
            bool single = false;
            SortedSpellings.Node node = pieces.Root;
            for (int end = start; end < text.Length && pieces.Step(ref node, text[end]);)
            {
                end++;
                if (pieces.IdAt(node) is var id && id < 0)
                    continue;
                Offer(start, end, scores[id], id);
                single |= end == start + width;
            }
            if (!single)
                Offer(start, start + width, unknownScore, -1);
        }
        var parts = new List<(int Start, int Length, int Id)>();
        for (int end = text.Length; end > 0; end = from[end])
            parts.Add((from[end], end - from[end], piece[end]));
        parts.Reverse();
        return parts;

        void Offer(int start, int end, T score, int id)
        {
            T sum = best[start] + score;
            if (from[end] < 0 || sum > best[end])
                (best[end], from[end], piece[end]) = (sum, start, id);
        }
    }
}
