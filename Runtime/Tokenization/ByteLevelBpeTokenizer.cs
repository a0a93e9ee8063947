using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Byte-level byte-pair encoding, as GPT-2, Llama 3 and Qwen have it: text is split by the pre-tokenizer, the bytes of
/// each piece merge by rank (lowest first, leftmost on ties). Immutable and thread-safe.
/// </summary>
public sealed class ByteLevelBpeTokenizer : VocabularyTokenizer
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Merged)> _merges;
    private readonly Dictionary<string, int> _pieces = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly int[] _byteIds = new int[256];
    private readonly int _longest;
    private readonly PreTokenizer _splitter;
    private readonly SpellingMatcher _added;

    /// <summary>Builds the tokenizer from a table.</summary>
    /// <param name="vocabulary">Spellings in the byte alphabet; every byte of UTF-8 text needs an entry.</param>
    /// <param name="merges">Pairs as <c>left right</c> in rank order.</param>
    /// <param name="preTokenizer">How text is split first.</param>
    /// <exception cref="CheckpointException">A merge is malformed or names no token, or a byte has no token.</exception>
    public ByteLevelBpeTokenizer(TokenizerVocabulary vocabulary, IReadOnlyList<string> merges, PreTokenizer preTokenizer)
        : base(vocabulary, new TextRules(), id => Piece(vocabulary, id))
    {
        _splitter = preTokenizer;
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
        if (merges.Count > TokenizerVocabulary.MaxMerges)
            throw vocabulary.Fault("merges", $"has {merges.Count} entries; at most {TokenizerVocabulary.MaxMerges} are accepted.");
        _merges = new(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++)
            AddMerge(vocabulary, merges[rank], rank);
        _added = new SpellingMatcher(vocabulary.Ids.Where(e => vocabulary.Types[e.Value] is TokenType.Control or TokenType.UserDefined));
    }

    private protected override void Encode(string text, bool allowControl, List<int> ids)
    {
        int begun = 0;
        for (int at = 0; !_added.IsEmpty && at < text.Length; at++)
        {
            int length = _added.Match(text, at, out int id);
            if (length == 0)
                continue;
            // A refused control spelling still uses up its text: nothing shorter inside it is taken.
            if (allowControl || Vocabulary.Types[id] == TokenType.UserDefined)
            {
                EncodePlain(text.AsSpan(begun, at - begun), ids);
                ids.Add(id);
                begun = at + length;
            }
            at += length - 1;
        }
        EncodePlain(text.AsSpan(begun), ids);
    }

    private void EncodePlain(ReadOnlySpan<char> text, List<int> ids)
    {
        foreach ((int start, int length) in _splitter.Split(text))
            EncodePiece(text.Slice(start, length), ids);
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> ids)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(piece)];
        Encoding.UTF8.GetBytes(piece, bytes);
        if (_splitter.TakesWholePieces && bytes.Length <= _longest)
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
        new MergeQueue<Rules>(new Rules(_merges), symbols, symbols.Length).Run(ids);
    }

    private void AddMerge(TokenizerVocabulary vocabulary, string merge, int rank)
    {
        int space = merge.IndexOf(' ');
        if (space <= 0 || space == merge.Length - 1 || merge.IndexOf(' ', space + 1) >= 0)
            throw vocabulary.Fault("merges", $"merge {rank} is '{merge}'; it must be two spellings with one space between.");
        ReadOnlySpan<char> left = merge.AsSpan(0, space), right = merge.AsSpan(space + 1);
        if (!vocabulary.Ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(string.Concat(left, right), out int merged) ||
            !FindPart(left, out int a) || !FindPart(right, out int b))
            throw vocabulary.Fault("merges", $"merge {rank}, '{merge}', names a spelling that no token has.");
        // The first of equal pairs has the lower rank and stays.
        if (vocabulary.Types[merged] is TokenType.Normal or TokenType.UserDefined)
            _merges.TryAdd((a, b), (rank, merged));

        bool FindPart(ReadOnlySpan<char> part, out int id) =>
            vocabulary.Ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(part, out id);
    }

    private static (byte[] Bytes, TokenPieceKind Kind) Piece(TokenizerVocabulary vocabulary, int id) =>
        (ByteAlphabet.Decode(vocabulary.Tokens[id]), vocabulary.Types[id] == TokenType.Control ? TokenPieceKind.Control : TokenPieceKind.Bytes);

    private readonly struct Rules(Dictionary<(int, int), (int Rank, int Merged)> merges) : IMergeRules
    {
        public bool TryMerge(int left, int right, out uint key, out int merged)
        {
            bool found = merges.TryGetValue((left, right), out (int Rank, int Merged) entry);
            (key, merged) = ((uint)entry.Rank, entry.Merged);
            return found;
        }
    }
}
