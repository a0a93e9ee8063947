using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Byte-pair encoding by ranked merges over characters, as tokenizer.json files have it that were converted from
/// SentencePiece: characters without a token become byte tokens, or one unknown token a run. Immutable and thread-safe.
/// </summary>
public sealed class CharacterBpeTokenizer : VocabularyTokenizer
{
    private readonly MergeTable _merges;
    private readonly Dictionary<Rune, int> _characters = [];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly int[] _byteIds = new int[256];
    private readonly MarkedSplitter _splitter;
    private readonly Options _options;

    internal CharacterBpeTokenizer(
        TokenizerVocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges, Options options, IEnumerable<AddedToken> added, JsonTokenizerParts parts)
        : base(vocabulary, parts.Rules, added, parts.Normalizer, id => parts.Piece(vocabulary, id))
    {
        _splitter = parts.MarkedSplitter;
        _options = options;
        _merges = new MergeTable(vocabulary, merges);
        _spans = vocabulary.Ids.GetAlternateLookup<ReadOnlySpan<char>>();
        Array.Fill(_byteIds, -1);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            string token = vocabulary.Tokens[id];
            // A control token's spelling must stay text, so nothing may arrive at it.
            if (vocabulary.Types[id] != TokenType.Control && Rune.DecodeFromUtf16(token, out Rune rune, out int length) == 0 && length == token.Length)
                _characters.Add(rune, id);
            if (options.ByteFallback && vocabulary.Types[id] == TokenType.Byte)
                _byteIds[ByteSpelling.Parse(token)!.Value] = id;
        }
        if (options.UnknownId is null && Array.IndexOf(_byteIds, -1) is >= 0 and var missing)
            throw vocabulary.Fault("model.unk_token", $"is missing, and so is the byte token <0x{missing:X2}>; not every text can be spelt.");
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool first, List<int> ids)
    {
        foreach (ReadOnlyMemory<char> piece in _splitter.Split(text, first))
            EncodePiece(piece.Span, ids);
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_options.WholePieces && _spans.TryGetValue(piece, out int whole) && Vocabulary.Types[whole] != TokenType.Control)
        {
            ids.Add(whole);
            return;
        }
        var symbols = new List<int>(piece.Length);
        Span<byte> buffer = stackalloc byte[4];
        bool afterUnknown = false;
        foreach (Rune rune in piece.EnumerateRunes())
        {
            bool unknown = false;
            if (_characters.TryGetValue(rune, out int id))
            {
                symbols.Add(id);
            }
            else
            {
                Span<byte> utf8 = buffer[..rune.EncodeToUtf8(buffer)];
                foreach (byte value in utf8)
                    unknown |= _byteIds[value] < 0;
                // Fused, several unknown characters in a row give one token.
                if (unknown && _options.UnknownId is int stray && !(afterUnknown && _options.FusesUnknown))
                    symbols.Add(stray);
                for (int i = 0; i < utf8.Length && !unknown; i++)
                    symbols.Add(_byteIds[utf8[i]]);
            }
            afterUnknown = unknown;
        }
        new MergeQueue<MergeTable>(_merges, [.. symbols], symbols.Count).Run(ids);
    }

    /// <summary>What the file says beside its tables.</summary>
    internal sealed record Options(int? UnknownId, bool ByteFallback, bool FusesUnknown, bool WholePieces);
}
