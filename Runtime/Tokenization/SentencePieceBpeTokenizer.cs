using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// SentencePiece byte-pair encoding, as the Llama family has it: spaces become U+2581, the neighbours whose joined
/// spelling has the highest score merge first (leftmost on ties), what the table cannot spell falls back to byte tokens.
/// Immutable and thread-safe.
/// </summary>
public sealed class SentencePieceBpeTokenizer : VocabularyTokenizer
{
    private const char Space = '\u2581';

    private readonly Dictionary<string, int> _pieces;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly uint[] _keys;
    private readonly int[] _byteIds = new int[256];
    private readonly int _unknown;
    private readonly int _longest;
    private readonly bool _dummyPrefix;
    private readonly SpellingMatcher _user, _control;

    /// <summary>Builds the tokenizer from a table.</summary>
    /// <param name="vocabulary">Spellings and kinds; byte tokens read exactly <c>&lt;0xHH&gt;</c>.</param>
    /// <param name="scores">One finite score a token; higher merges first.</param>
    /// <param name="dummyPrefix">A space goes before every text, and one is dropped when decoding.</param>
    /// <exception cref="CheckpointException">Scores or byte tokens are malformed, or a byte has no token and there is no unknown one.</exception>
    public SentencePieceBpeTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, bool dummyPrefix = true)
        : base(vocabulary, new TextRules { ReplaceEachByte = true, ControlEndsCharacter = true, DropLeadingSpace = dummyPrefix }, id => Piece(vocabulary, id))
    {
        if (scores.Count != vocabulary.Tokens.Count)
            throw vocabulary.Fault("scores", $"has {scores.Count} entries for {vocabulary.Tokens.Count} tokens; the lengths must agree.");
        _keys = [.. scores.Select(FallingKey)];
        _dummyPrefix = dummyPrefix;
        _pieces = new Dictionary<string, int>(StringComparer.Ordinal);
        Array.Fill(_byteIds, -1);
        _unknown = -1;
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            if (!float.IsFinite(scores[id]))
                throw vocabulary.Fault("scores", $"the score of token {id} is {scores[id]}; scores must be finite.");
            switch (vocabulary.Types[id])
            {
                case TokenType.Normal or TokenType.UserDefined:
                    _pieces.Add(vocabulary.Tokens[id], id);
                    _longest = Math.Max(_longest, vocabulary.Tokens[id].Length);
                    break;
                case TokenType.Byte:
                    _byteIds[ByteOf(vocabulary, id)] = id;
                    break;
                case TokenType.Unknown when _unknown < 0:
                    _unknown = id;
                    break;
                case TokenType.Unused:
                    throw vocabulary.Fault("token_type", $"token {id} has kind 5 (unused), which SentencePiece vocabularies here do not have.");
            }
        }
        int missing = Array.IndexOf(_byteIds, -1);
        if (missing >= 0 && _unknown < 0)
            throw vocabulary.Fault("tokens", $"there is neither a byte token <0x{missing:X2}> nor an unknown token, so not every text can be spelt.");
        _spans = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        _user = Matcher(vocabulary, TokenType.UserDefined);
        _control = Matcher(vocabulary, TokenType.Control);
    }

    private protected override void Encode(string text, bool allowControl, List<int> ids)
    {
        bool control = allowControl && !_control.IsEmpty;
        int begun = 0;
        for (int at = 0; control && at < text.Length; at++)
        {
            int length = _control.Match(text, at, out int id);
            if (length == 0)
                continue;
            EncodePlain(text.AsSpan(begun, at - begun), begun == 0, ids);
            ids.Add(id);
            begun = at + length;
            at = begun - 1;
        }
        EncodePlain(text.AsSpan(begun), begun == 0, ids);
    }

    private void EncodePlain(ReadOnlySpan<char> text, bool first, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        string normal = string.Concat(first && _dummyPrefix ? "\u2581" : "", text).Replace(' ', Space);
        // Symbols are ids; characters without an entry get numbers behind them, because two of them may still merge.
        var strays = new List<string>();
        var strayNumbers = new Dictionary<Rune, int>();
        var symbols = new int[normal.Length];
        int count = 0;
        for (int at = 0; at < normal.Length;)
        {
            int length = _user.Match(normal, at, out int symbol);
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
        Spell(merged, strays, ids);
    }

    private void Spell(List<int> symbols, List<string> strays, List<int> ids)
    {
        bool afterUnknown = false;
        Span<byte> buffer = stackalloc byte[4];
        foreach (int symbol in symbols)
        {
            bool unknown = false;
            if (symbol < VocabularySize)
            {
                ids.Add(symbol);
            }
            else
            {
                Span<byte> utf8 = buffer[..Encoding.UTF8.GetBytes(strays[symbol - VocabularySize], buffer)];
                foreach (byte value in utf8)
                    unknown |= _byteIds[value] < 0;
                // Unknown characters in a row give one id.
                if (unknown && !afterUnknown)
                    ids.Add(_unknown);
                for (int i = 0; i < utf8.Length && !unknown; i++)
                    ids.Add(_byteIds[utf8[i]]);
            }
            afterUnknown = unknown;
        }
    }

    private static (byte[] Bytes, TokenPieceKind Kind) Piece(TokenizerVocabulary vocabulary, int id) => vocabulary.Types[id] switch
    {
        TokenType.Byte => ([ByteOf(vocabulary, id)], TokenPieceKind.Bytes),
        // As bytes, since its own leading space is never the dummy prefix.
        TokenType.Unknown => (" \u2047 "u8.ToArray(), TokenPieceKind.Bytes),
        TokenType.Control => (Encoding.UTF8.GetBytes(vocabulary.Tokens[id]), TokenPieceKind.Control),
        _ => (Encoding.UTF8.GetBytes(vocabulary.Tokens[id].Replace(Space, ' ')), TokenPieceKind.Text),
    };

    private static byte ByteOf(TokenizerVocabulary vocabulary, int id)
    {
        string token = vocabulary.Tokens[id];
        if (token is ['<', '0', 'x', _, _, '>'] && IsUpperHex(token[3]) && IsUpperHex(token[4]))
            return byte.Parse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        throw vocabulary.Fault("tokens", $"byte token {id} is spelt '{token}'; it must read <0xHH> with two upper-case hexadecimal digits.");
    }

    // The score's bits turned so that higher scores give lower numbers; adding zero makes minus zero plus zero.
    private static uint FallingKey(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x80000000) != 0 ? bits : ~bits & 0x7FFFFFFF;
    }

    private static bool IsUpperHex(char c) => c is (>= '0' and <= '9') or (>= 'A' and <= 'F');

    private static SpellingMatcher Matcher(TokenizerVocabulary vocabulary, TokenType type) =>
        new(vocabulary.Ids.Where(entry => vocabulary.Types[entry.Value] == type));

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
