namespace VlmSdk.Tokenization;

/// <summary>What tokenizers over a table have in common: ids, spellings, pieces, decoding. Immutable and thread-safe.</summary>
public abstract class VocabularyTokenizer : ITokenizer
{
    private readonly byte[] _bytes;
    private readonly int[] _starts;
    private readonly TokenPieceKind[] _kinds;

    private protected VocabularyTokenizer(TokenizerVocabulary vocabulary, TextRules rules, Func<int, (byte[] Bytes, TokenPieceKind Kind)> piece)
    {
        Vocabulary = vocabulary;
        TextRules = rules;
        _starts = new int[vocabulary.Tokens.Count + 1];
        _kinds = new TokenPieceKind[vocabulary.Tokens.Count];
        var all = new MemoryStream();
        for (int id = 0; id < _kinds.Length; id++)
        {
            (byte[] bytes, _kinds[id]) = piece(id);
            all.Write(bytes);
            _starts[id + 1] = checked((int)all.Length);
        }
        _bytes = all.ToArray();
    }

    /// <inheritdoc/>
    public int VocabularySize => Vocabulary.Tokens.Count;

    /// <inheritdoc/>
    public int? BeginId => Vocabulary.BeginId;

    /// <inheritdoc/>
    public IReadOnlyList<int> EndIds => Vocabulary.EndIds;

    /// <inheritdoc/>
    public bool AddsBegin => Vocabulary.AddsBegin;

    /// <inheritdoc/>
    public TextRules TextRules { get; }

    /// <summary>The table.</summary>
    public TokenizerVocabulary Vocabulary { get; }

    /// <inheritdoc/>
    public int[] Encode(string text, bool allowControl = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3 + 4);
        Encode(TextRepair.ReplaceLoneSurrogates(text), allowControl, ids);
        return [.. ids];
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids, bool skipControl = true)
    {
        var assembler = new TokenTextAssembler(TextRules);
        foreach (int id in ids)
            assembler.Append(GetPiece(id), skipControl);
        assembler.End();
        return assembler.Take();
    }

    /// <inheritdoc/>
    public TokenPiece GetPiece(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, VocabularySize);
        return new TokenPiece(_bytes.AsMemory(_starts[id].._starts[id + 1]), _kinds[id]);
    }

    /// <inheritdoc/>
    public int? FindId(string spelling) => Vocabulary.Ids.TryGetValue(spelling, out int id) ? id : null;

    private protected abstract void Encode(string text, bool allowControl, List<int> ids);
}
