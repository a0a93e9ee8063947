namespace VlmSdk.Tokenization;

/// <summary>
/// What tokenizers over a table have in common. Encoding: added tokens are cut out of the text, each rest is normalised
/// and cut again at those sought in normalised text, the model's rules take what is left. Immutable and thread-safe.
/// </summary>
public abstract class VocabularyTokenizer : ITokenizer
{
    private readonly byte[] _bytes;
    private readonly int[] _starts;
    private readonly TokenPieceKind[] _kinds;
    private readonly ITextNormalizer? _normalizer;
    private readonly bool _normalizesFirst;
    private readonly AddedTokenSplitter _raw, _normalized;

    private protected VocabularyTokenizer(
        TokenizerVocabulary vocabulary,
        TextRules rules,
        IEnumerable<AddedToken> added,
        ITextNormalizer? normalizer,
        Func<int, (byte[] Bytes, TokenPieceKind Kind)> piece,
        bool normalizesFirst = false)
    {
        _normalizesFirst = normalizesFirst;
        Vocabulary = vocabulary;
        TextRules = rules;
        _normalizer = normalizer;
        ILookup<bool, AddedToken> tokens = added.ToLookup(t => t.IsNormalized && normalizer is not null);
        _raw = new AddedTokenSplitter(tokens[false]);
        _normalized = new AddedTokenSplitter(tokens[true], normalizer);
        _starts = new int[vocabulary.Tokens.Count + 1];
        _kinds = new TokenPieceKind[vocabulary.Tokens.Count];
        // As large as plain letters need from the start, so that a large vocabulary is not copied again and again.
        var all = new MemoryStream((int)Math.Min(vocabulary.Tokens.Sum(t => (long)t.Length), 1 << 28));
        for (int id = 0; id < _kinds.Length; id++)
        {
            (byte[] bytes, _kinds[id]) = piece(id);
            all.Write(bytes);
            _starts[id + 1] = checked((int)all.Length);
        }
        _bytes = all.GetBuffer();
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
    public int[] Encode(string text, bool allowControl = false) => Encode(text, _ => allowControl);

    /// <summary>The ids of a text in which only some control spellings count, such as the image markers of a template.</summary>
    /// <param name="text">Text of the program's own where control spellings are allowed.</param>
    /// <param name="allowed">Ids of the control tokens that may be made; the spellings of all others are plain text.</param>
    public int[] Encode(string text, IReadOnlySet<int> allowed)
    {
        ArgumentNullException.ThrowIfNull(allowed);
        return Encode(text, allowed.Contains);
    }

    /// <summary>
    /// As <see cref="Encode(string, bool)"/>, with the tokens that training put around every text: the begin token if
    /// <see cref="AddsBegin"/>, the closing token of the vocabulary if it has one.
    /// </summary>
    public int[] EncodeComplete(string text, bool allowControl = false)
    {
        int[] ids = Encode(text, allowControl);
        return [.. AddsBegin ? [BeginId!.Value] : Array.Empty<int>(), .. ids, .. Vocabulary.ClosingId is int end ? [end] : Array.Empty<int>()];
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

    /// <summary>Adds the ids of a normalised text without added tokens, never empty.</summary>
    /// <param name="text">The text.</param>
    /// <param name="first">Whether the whole text begins here.</param>
    /// <param name="ids">Where the ids go.</param>
    private protected abstract void EncodeText(ReadOnlySpan<char> text, bool first, List<int> ids);

    private int[] Encode(string text, Func<int, bool> allowsControl)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = TextRepair.ReplaceLoneSurrogates(text);
        if (_normalizesFirst && _normalizer is not null)
            text = _normalizer.Normalize(text);
        var ids = new List<int>(text.Length / 3 + 4);
        foreach (TextSegment raw in _raw.Split(text, allowsControl))
        {
            if (raw.Id >= 0)
            {
                ids.Add(raw.Id);
                continue;
            }
            string part = text.Substring(raw.Start, raw.Length);
            string normal = _normalizesFirst || _normalizer is null ? part : _normalizer.Normalize(part);
            foreach (TextSegment inner in _normalized.Split(normal, allowsControl))
                if (inner.Id >= 0)
                    ids.Add(inner.Id);
                else
                    EncodeText(normal.AsSpan(inner.Start, inner.Length), raw.Start + inner.Start == 0, ids);
        }
        return [.. ids];
    }
}
