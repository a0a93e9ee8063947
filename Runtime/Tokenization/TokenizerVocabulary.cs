using VlmSdk.Weights;

namespace VlmSdk.Tokenization;

/// <summary>Kinds of vocabulary entries, with the numbers of SentencePiece and GGUF files.</summary>
public enum TokenType
{
    /// <summary>Content that the model's rules find.</summary>
    Normal = 1,
    /// <summary>Stands for characters that the vocabulary cannot spell.</summary>
    Unknown = 2,
    /// <summary>Begin, end, turn and image markers; never made from a user's text.</summary>
    Control = 3,
    /// <summary>Content found whole, before any other rule.</summary>
    UserDefined = 4,
    /// <summary>Padding of the table; never made from text.</summary>
    Unused = 5,
    /// <summary>One byte, spelt <c>&lt;0xHH&gt;</c>.</summary>
    Byte = 6,
}

/// <summary>
/// The table behind a tokenizer, whatever file it was read from: spellings and kinds by id, special ids, and where it
/// comes from for messages. Checked once here, immutable and thread-safe afterwards.
/// </summary>
public sealed class TokenizerVocabulary
{
    /// <summary>Most tokens accepted.</summary>
    public const int MaxTokens = 1 << 20;

    /// <summary>Most merges accepted.</summary>
    public const int MaxMerges = 2 << 20;

    /// <summary>Longest spelling accepted, in UTF-16 units.</summary>
    public const int MaxSpelling = 4096;

    /// <summary>Most bytes accepted of a file that holds only a tokenizer.</summary>
    public const int MaxFileBytes = 64 << 20;

    private readonly string _keyPrefix;

    /// <summary>Checks a table.</summary>
    /// <param name="source">File it comes from, for messages.</param>
    /// <param name="tokens">Spellings by id, distinct and not empty.</param>
    /// <param name="types">Kinds by id; all normal when omitted.</param>
    /// <param name="keyPrefix">What goes before the names of parts in messages.</param>
    /// <exception cref="CheckpointException">There are too many tokens, lengths differ, a spelling is empty, too long or double, or a kind is unknown.</exception>
    public TokenizerVocabulary(string source, IReadOnlyList<string> tokens, IReadOnlyList<int>? types = null, string keyPrefix = "tokenizer.ggml.")
    {
        _keyPrefix = keyPrefix;
        Source = source;
        Tokens = tokens;
        if (tokens.Count == 0)
            throw Fault("tokens", "the vocabulary is empty. Use a model file with an embedded vocabulary.");
        if (tokens.Count > MaxTokens)
            throw Fault("tokens", $"has {tokens.Count} entries; at most {MaxTokens} are accepted.");
        if (types is not null && types.Count != tokens.Count)
            throw Fault("token_type", $"has {types.Count} entries for {tokens.Count} tokens; the lengths must agree.");
        Types = new TokenType[tokens.Count];
        var ids = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Count; id++)
        {
            string token = tokens[id];
            if (token.Length is 0 or > MaxSpelling)
                throw Fault("tokens", $"token {id} has {token.Length} characters; 1 to {MaxSpelling} are accepted.");
            if (!ids.TryAdd(token, id))
                throw Fault("tokens", $"tokens {ids[token]} and {id} are both spelt '{TensorReading.Shown(token)}'; spellings must differ.");
            int type = types?[id] ?? (int)TokenType.Normal;
            if (type is < 1 or > 6)
                throw Fault("token_type", $"token {id} has kind {type}; kinds run from 1 to 6.");
            Types[id] = (TokenType)type;
        }
        Ids = ids;
    }

    /// <summary>File the table comes from.</summary>
    public string Source { get; }

    /// <summary>Spellings by id.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>The token that begins a text.</summary>
    public int? BeginId { get; init => field = Checked(value, "bos_token_id"); }

    /// <summary>Tokens that end an answer.</summary>
    public IReadOnlyList<int> EndIds
    {
        get;
        init => field = value.All(id => Checked(id, "eos_token_id") is not null) ? value : [];
    } = [];

    /// <summary>Whether a begin token goes before every text.</summary>
    public bool AddsBegin { get; init; }

    /// <summary>The token that training put behind every text, if there is one.</summary>
    public int? ClosingId { get; init => field = Checked(value, "eos_token_id"); }

    internal TokenType[] Types { get; }

    internal Dictionary<string, int> Ids { get; }

    internal CheckpointException Fault(string key, string fault) => new(Source, _keyPrefix + key, fault);

    private int? Checked(int? id, string key) => id is null || (uint)id < (uint)Tokens.Count
        ? id
        : throw Fault(key, $"is {id}, but ids run from 0 to {Tokens.Count - 1}.");
}
