using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>What a SentencePiece model says beside its pieces; the defaults are those of GGUF vocabularies.</summary>
internal sealed record SentencePieceRules
{
    /// <summary>Characters to replace, if any.</summary>
    internal CharacterMap? Map { get; init; }

    /// <summary>A space goes before every text, and one is dropped when decoding.</summary>
    internal bool DummyPrefix { get; init; } = true;

    /// <summary>Spaces at both ends and all but one of each run are removed.</summary>
    internal bool RemovesExtraSpaces { get; init; }

    /// <summary>Spaces become U+2581.</summary>
    internal bool EscapesSpaces { get; init; } = true;

    /// <summary>Characters without a piece become byte tokens.</summary>
    internal bool ByteFallback { get; init; } = true;

    /// <summary>What the unknown token decodes to.</summary>
    internal string UnknownText { get; init; } = " \u2047 ";
}

/// <summary>
/// What SentencePiece models have in common: the normaliser, byte and unknown tokens, decoding. Control spellings in
/// text are plain text unless the caller allows them. Immutable and thread-safe.
/// </summary>
public abstract class SentencePieceTokenizer : VocabularyTokenizer
{
    private const char Space = '\u2581';

    private readonly SentencePieceRules _rules;
    private readonly int[] _byteIds = new int[256];
    private readonly int _unknown = -1;

    private protected SentencePieceTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<float> scores, SentencePieceRules rules)
        : base(vocabulary, Decoding(rules), Control(vocabulary), null, id => Piece(vocabulary, rules, id))
    {
        _rules = rules;
        if (scores.Count != vocabulary.Tokens.Count)
            throw vocabulary.Fault("scores", $"has {scores.Count} entries for {vocabulary.Tokens.Count} tokens; the lengths must agree.");
        Array.Fill(_byteIds, -1);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            if (!float.IsFinite(scores[id]))
                throw vocabulary.Fault("scores", $"the score of token {id} is {scores[id]}; scores must be finite.");
            switch (vocabulary.Types[id])
            {
                case TokenType.Byte when rules.ByteFallback:
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
        UserDefined = new SortedSpellings(vocabulary.Ids.Where(entry => vocabulary.Types[entry.Value] == TokenType.UserDefined));
    }

    /// <summary>Pieces that stay whole.</summary>
    private protected SortedSpellings UserDefined { get; }

    /// <summary>Adds the ids of a normalised text, never empty.</summary>
    private protected abstract void EncodeNormal(string normal, List<int> ids);

    private protected sealed override void EncodeText(ReadOnlySpan<char> text, bool first, List<int> ids)
    {
        string normal = Normalize(text, first && _rules.DummyPrefix);
        if (normal.Length > 0)
            EncodeNormal(normal, ids);
    }

    /// <summary>
    /// Adds the ids of a character without a piece: its bytes, or one unknown token for several such characters in a row.
    /// </summary>
    /// <param name="character">The character, or several that no piece spells.</param>
    /// <param name="afterUnknown">Whether the token before is the unknown one; says the same of this one afterwards.</param>
    /// <param name="ids">Where the ids go.</param>
    private protected void Spell(ReadOnlySpan<char> character, ref bool afterUnknown, List<int> ids)
    {
        Span<byte> utf8 = stackalloc byte[4];
        utf8 = utf8[..Encoding.UTF8.GetBytes(character, utf8)];
        bool unknown = false;
        foreach (byte value in utf8)
            unknown |= _byteIds[value] < 0;
        if (unknown && !afterUnknown)
            ids.Add(_unknown);
        for (int i = 0; i < utf8.Length && !unknown; i++)
            ids.Add(_byteIds[utf8[i]]);
        afterUnknown = unknown;
    }

    private string Normalize(ReadOnlySpan<char> text, bool prefix)
    {
        bool removes = _rules.RemovesExtraSpaces;
        int at = 0;
        while (removes && at < text.Length && Next(text, at, out int length) is " ")
            at += length;
        if (at == text.Length)
            return "";
        char space = _rules.EscapesSpaces ? Space : ' ';
        var normal = new StringBuilder(text.Length + 1);
        if (prefix)
            normal.Append(space);
        bool afterSpace = removes;
        while (at < text.Length)
        {
            ReadOnlySpan<char> next = Next(text, at, out int length);
            at += length;
            while (afterSpace && next is [' ', ..])
                next = next[1..];
            foreach (char c in next)
                normal.Append(c == ' ' ? space : c);
            if (!next.IsEmpty)
                afterSpace = removes && next[^1] == ' ';
        }
        while (removes && normal.Length > 0 && normal[^1] == space)
            normal.Length--;
        return normal.ToString();
    }

    // What takes the place of the text at a position: a user-defined piece as it is, a replacement, or one character.
    private ReadOnlySpan<char> Next(ReadOnlySpan<char> text, int at, out int length)
    {
        length = UserDefined.Longest(text, at, out _);
        if (length == 0 && _rules.Map?.Longest(text, at, out length) is string replaced)
            return replaced;
        if (length == 0)
            length = TextRepair.RuneAt(text, at).Utf16SequenceLength;
        return text.Slice(at, length);
    }

    private static TextRules Decoding(SentencePieceRules rules) => new()
    {
        Invalid = InvalidBytes.OnePerByte,
        ControlEndsCharacter = true,
        Dropped = rules.RemovesExtraSpaces ? LeadingSpace.OfEachPieceBeforeText
            : rules.DummyPrefix ? LeadingSpace.OfFirstPiece : LeadingSpace.Kept,
    };

    private static IEnumerable<AddedToken> Control(TokenizerVocabulary vocabulary) =>
        from entry in vocabulary.Ids
        where vocabulary.Types[entry.Value] == TokenType.Control
        select new AddedToken(entry.Value, entry.Key) { IsControl = true };

    private static (byte[] Bytes, TokenPieceKind Kind) Piece(TokenizerVocabulary vocabulary, SentencePieceRules rules, int id) => vocabulary.Types[id] switch
    {
        TokenType.Byte => ([ByteOf(vocabulary, id)], TokenPieceKind.Bytes),
        // As bytes, since its own leading space is never the dummy prefix.
        TokenType.Unknown => (Encoding.UTF8.GetBytes(rules.UnknownText), TokenPieceKind.Bytes),
        TokenType.Control => (Encoding.UTF8.GetBytes(vocabulary.Tokens[id]), TokenPieceKind.Control),
        _ => (Encoding.UTF8.GetBytes(vocabulary.Tokens[id].Replace(Space, ' ')), TokenPieceKind.Text),
    };

    private static byte ByteOf(TokenizerVocabulary vocabulary, int id) => ByteSpelling.Parse(vocabulary.Tokens[id]) ??
        throw vocabulary.Fault("tokens", $"byte token {id} is spelt '{vocabulary.Tokens[id]}'; it must read <0xHH> with two upper-case hexadecimal digits.");
}

/// <summary>The spelling of byte tokens.</summary>
internal static class ByteSpelling
{
    /// <summary>The byte that <c>&lt;0xHH&gt;</c> stands for, with upper-case digits only; null for any other spelling.</summary>
    internal static byte? Parse(string spelling) =>
        spelling is ['<', '0', 'x', _, _, '>'] && IsUpperHex(spelling[3]) && IsUpperHex(spelling[4])
            ? byte.Parse(spelling.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : null;

    private static bool IsUpperHex(char c) => c is (>= '0' and <= '9') or (>= 'A' and <= 'F');
}
