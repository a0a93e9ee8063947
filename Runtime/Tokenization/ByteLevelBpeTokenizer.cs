using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Byte-level byte-pair encoding, as GPT-2, Llama 3 and Qwen have it: text is split by the pre-tokenizer, the bytes of
/// each piece merge by rank (lowest first, leftmost on ties). Immutable and thread-safe.
/// </summary>
public sealed class ByteLevelBpeTokenizer : VocabularyTokenizer
{
    private readonly MergeTable _merges;
    private readonly Dictionary<string, int> _pieces;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly int[] _byteIds = new int[256];
    private readonly int _longest;
    private readonly bool _wholePieces;
    private readonly PreTokenizer _splitter;

    /// <summary>Builds the tokenizer from a table.</summary>
    /// <param name="vocabulary">Spellings in the byte alphabet; every byte of UTF-8 text needs an entry.</param>
    /// <param name="merges">Pairs as <c>left right</c> in rank order.</param>
    /// <param name="preTokenizer">How text is split first.</param>
    /// <exception cref="CheckpointException">A merge is malformed or names no token, or a byte has no token.</exception>
    public ByteLevelBpeTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<string> merges, PreTokenizer preTokenizer)
        : this(vocabulary, new MergeTable(vocabulary, merges), preTokenizer, preTokenizer.TakesWholePieces, AddedTokens(vocabulary), null) { }

    /// <summary>Builds the tokenizer with added tokens and a normaliser of its own.</summary>
    internal ByteLevelBpeTokenizer(
        TokenizerVocabulary vocabulary,
        MergeTable? merges,
        PreTokenizer preTokenizer,
        bool wholePieces,
        IEnumerable<AddedToken> added,
        ITextNormalizer? normalizer,
        bool normalizesFirst = false,
        TextRules? rules = null)
        : base(vocabulary, rules ?? new TextRules(), added, normalizer, id => Piece(vocabulary, id), normalizesFirst)
    {
        _splitter = preTokenizer;
        _wholePieces = wholePieces;
        _pieces = new(vocabulary.Tokens.Count, StringComparer.Ordinal);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            // A control token's spelling must stay text, so merging may never arrive at it.
            if (vocabulary.Types[id] is not (TokenType.Normal or TokenType.UserDefined))
                continue;
            _pieces.Add(vocabulary.Tokens[id], id);
            _longest = Math.Max(_longest, vocabulary.Tokens[id].Length);
        }
        _spans = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int value = 0; value < 256; value++)
        {
            // The bytes C0, C1 and F5 to FF occur in no UTF-8 text.
            if (!_pieces.TryGetValue(ByteAlphabet.CharacterOf((byte)value).ToString(), out _byteIds[value]) && value is not (0xC0 or 0xC1 or >= 0xF5))
                throw vocabulary.Fault("tokens", $"byte 0x{value:X2} has no token ('{ByteAlphabet.CharacterOf((byte)value)}'), so not every text can be spelt.");
        }
        _merges = merges ?? new MergeTable(_pieces);
    }

    /// <summary>
    /// A tokenizer whose merges are the tokens themselves: two neighbours merge at the rank, which is the order of ids, of
    /// what they spell together. A piece that is a token is taken whole.
    /// </summary>
    /// <param name="vocabulary">Spellings in the byte alphabet.</param>
    /// <param name="preTokenizer">How text is split first.</param>
    /// <param name="normalizer">Rewrites the whole text before control tokens are sought, if any.</param>
    /// <param name="rules">How tokens become text; the plain rules when omitted.</param>
    internal static ByteLevelBpeTokenizer FromRanks(
        TokenizerVocabulary vocabulary, PreTokenizer preTokenizer, ITextNormalizer? normalizer, TextRules? rules = null) =>
        new(vocabulary, null, preTokenizer, wholePieces: true, AddedTokens(vocabulary), normalizer, normalizesFirst: true, rules);

    private protected override void EncodeText(ReadOnlySpan<char> text, bool first, List<int> ids)
    {
        foreach ((int start, int length) in _splitter.Split(text))
            EncodePiece(text.Slice(start, length), ids);
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> ids)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(piece)];
        Encoding.UTF8.GetBytes(piece, bytes);
        if (_wholePieces && bytes.Length <= _longest)
        {
            Span<char> spelling = stackalloc char[bytes.Length];
            for (int i = 0; i < bytes.Length; i++)
                spelling[i] = ByteAlphabet.CharacterOf(bytes[i]);
            if (_spans.TryGetValue(spelling, out int whole))
            {
                ids.Add(whole);
                return;
            }
        }
        var symbols = new int[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
            symbols[i] = _byteIds[bytes[i]];
        new MergeQueue<MergeTable>(_merges, symbols, symbols.Length).Run(ids);
    }

    private static IEnumerable<AddedToken> AddedTokens(TokenizerVocabulary vocabulary) =>
        from entry in vocabulary.Ids
        let type = vocabulary.Types[entry.Value]
        where type is TokenType.Control or TokenType.UserDefined
        select new AddedToken(entry.Value, entry.Key) { IsControl = type == TokenType.Control };

    private static (byte[] Bytes, TokenPieceKind Kind) Piece(TokenizerVocabulary vocabulary, int id) =>
        (ByteAlphabet.Decode(vocabulary.Tokens[id]), vocabulary.Types[id] == TokenType.Control ? TokenPieceKind.Control : TokenPieceKind.Bytes);
}
