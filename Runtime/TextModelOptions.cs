using VlmSdk.Decoding;
using VlmSdk.Execution;

namespace VlmSdk;

/// <summary>How a <see cref="TextModel"/> is loaded.</summary>
public sealed record TextModelOptions
{
    /// <summary>The executor to run on; it stays the caller's and must outlive the model. The reference executor when omitted.</summary>
    public IExecutor? Executor { get; init; }

    /// <summary>Longest prompt accepted, in UTF-16 units; at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 1.</exception>
    public int MaxPromptCharacters
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxPromptCharacters), value, "A prompt needs room for at least one character.");
    } = 32_768;

    /// <summary>
    /// Most tokens of prompt and answer together; the model's own context when that is smaller. Memory for keys and
    /// values grows with what a call needs, up to this. At least 2.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 2.</exception>
    public int MaxContext
    {
        get;
        init => field = value >= 2 ? value : throw new ArgumentOutOfRangeException(nameof(MaxContext), value, "A context needs room for a prompt and an answer: at least 2 tokens.");
    } = 8192;
}

/// <summary>How one text is generated. The defaults are greedy, up to 256 tokens.</summary>
public sealed record GenerationOptions
{
    /// <summary>How tokens are chosen.</summary>
    public SamplingOptions Sampling { get; init; } = SamplingOptions.Greedy;

    /// <summary>Most tokens of the answer; at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 1.</exception>
    public int MaxTokens
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxTokens), value, "An answer needs room for at least one token.");
    } = 256;

    /// <summary>Strings that end the answer where they begin; none is empty.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Goes on past the model's end tokens, for measuring.</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Makes the policy of one answer, such as a grammar; called once a call.</summary>
    public Func<ILogitsProcessor>? LogitsProcessor { get; init; }
}

/// <summary>A generated text with what led to it.</summary>
public sealed record GenerationResult
{
    /// <summary>Ids the model was given, a begin token included where the model has one.</summary>
    public required IReadOnlyList<int> PromptIds { get; init; }

    /// <summary>Ids the model chose, without the end token.</summary>
    public required IReadOnlyList<int> Ids { get; init; }

    /// <summary>Their text, up to a stop string; empty when the file embeds no vocabulary.</summary>
    public required string Text { get; init; }

    /// <summary>The eight best logits of the first step as the model gave them, best first.</summary>
    public required IReadOnlyList<ScoredToken> FirstBest { get; init; }

    /// <summary>Why the answer ended.</summary>
    public required StopReason StopReason { get; init; }
}
