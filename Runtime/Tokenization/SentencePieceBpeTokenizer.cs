using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// SentencePiece byte-pair encoding, as the Llama family has it: spaces become U+2581, the neighbours whose joined
/// spelling has the highest score merge first (leftmost on ties), what the table cannot spell falls back to byte tokens.
/// Immutable and thread-safe.
/// </summary>
public sealed class SentencePieceBpeTokenizer : SentencePieceTokenizer
{
    private readonly Dictionary<string, int> _pieces;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly uint[] _keys;
    private readonly int _longest;

    /// <summary>Builds the tokenizer from a table.</summary>
    /// <param name="vocabulary">Spellings and kinds; byte tokens read exactly <c>&lt;0xHH&gt;</c>.</param>
    /// <param name="scores">One finite score a token; higher merges first.</param>
    /// <param name="dummyPrefix">A space goes before every text, and one is dropped when decoding.</param>
    /// <exception cref="CheckpointException">Scores or byte tokens are malformed, or a byte has no token and there is no unknown one.</exception>
    public SentencePieceBpeTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, bool dummyPrefix = true)
        : this(vocabulary, scores, new SentencePieceRules { DummyPrefix = dummyPrefix }) { }

    internal SentencePieceBpeTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, SentencePieceRules rules)
        : base(vocabulary, scores, rules)
    {
        _keys = [.. scores.Select(FallingKey)];
        _pieces = new(vocabulary.Tokens.Count, StringComparer.Ordinal);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            if (vocabulary.Types[id] is not (TokenType.Normal or TokenType.UserDefined))
                continue;
            _pieces.Add(vocabulary.Tokens[id], id);
            _longest = Math.Max(_longest, vocabulary.Tokens[id].Length);
        }
        _spans = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    private protected override void EncodeNormal(string normal, List<int> ids)
    {
        // Symbols are ids; characters without an entry get numbers behind them, because two of them may still merge.
        var strays = new List<string>();
        var strayNumbers = new Dictionary<Rune, int>();
        var symbols = new int[normal.Length];
        int count = 0;
        for (int at = 0; at < normal.Length;)
        {
            int length = UserDefined.Longest(normal, at, out int symbol);
            if (length == 0)
            {
                Rune rune = TextRepair.RuneAt(normal, at);
                length = rune.Utf16SequenceLength;
                if (!_spans.TryGetValue(normal.AsSpan(at, length), out symbol) && !strayNumbers.TryGetValue(rune, out symbol))
                {
                    strayNumbers.Add(rune, symbol = VocabularySize + strays.Count);
                    strays.Add(rune.ToString());
                }
            }
            symbols[count++] = symbol;
            at += length;
        }
        var merged = new List<int>(count);
        new MergeQueue<Rules>(new Rules(this, strays), symbols, count).Run(merged);
        bool afterUnknown = false;
        foreach (int symbol in merged)
        {
            if (symbol >= VocabularySize)
            {
                Spell(strays[symbol - VocabularySize], ref afterUnknown, ids);
                continue;
            }
            ids.Add(symbol);
            afterUnknown = false;
        }
    }

    // The score's bits turned so that higher scores give lower numbers; adding zero makes minus zero plus zero.
    private static uint FallingKey(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x80000000) != 0 ? bits : ~bits & 0x7FFFFFFF;
    }

    private readonly struct Rules(SentencePieceBpeTokenizer owner, List<string> strays) : IMergeRules
    {
        public bool TryMerge(int left, int right, out uint key, out int merged)
        {
            (key, merged) = (0, 0);
            if (IsUserDefined(left) || IsUserDefined(right))
                return false;
            string a = Spelling(left), b = Spelling(right);
            int length = a.Length + b.Length;
            if (length > owner._longest)
                return false;
            Span<char> joined = stackalloc char[length];
            a.CopyTo(joined);
            b.CopyTo(joined[a.Length..]);
            if (!owner._spans.TryGetValue(joined[..length], out merged))
                return false;
            key = owner._keys[merged];
            return true;
        }

        private bool IsUserDefined(int symbol) =>
            symbol < owner.VocabularySize && owner.Vocabulary.Types[symbol] == TokenType.UserDefined;

        private string Spelling(int symbol) =>
            symbol < owner.VocabularySize ? owner.Vocabulary.Tokens[symbol] : strays[symbol - owner.VocabularySize];
    }
}
