using VlmSdk.Decoding;

namespace VlmSdk.Queries;

/// <summary>How a description is written.</summary>
public sealed record DescribeOptions
{
    /// <summary>How tokens are chosen; greedy by default.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens, 16..256.</summary>
    public int MaxTokens { get; init; } = 128;
}

/// <summary>How a question is answered.</summary>
public sealed record AskOptions
{
    /// <summary>How tokens are chosen; greedy by default.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens, 16..256.</summary>
    public int MaxTokens { get; init; } = 32;
}

/// <summary>How a phrase is grounded. Grounding is always greedy.</summary>
public sealed record GroundOptions
{
    /// <summary>Presence below this is <see cref="NotInView"/>, 0..1.</summary>
    public float Threshold { get; init; } = 0.5f;

    /// <summary>Most boxes of one phrase, at least 1.</summary>
    public int MaxDetections { get; init; } = 16;
}
