using VlmSdk.Decoding;

namespace VlmSdk.Queries;

/// <summary>How a description is written.</summary>
public sealed record DescribeOptions
{
    /// <summary>How tokens are chosen; greedy by default.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens, 16..4096; Scout writes at most 256.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to another number.</exception>
    public int MaxTokens { get; init => field = AnswerLength.Checked(value); } = 128;
}

/// <summary>How a question is answered.</summary>
public sealed record AskOptions
{
    /// <summary>How tokens are chosen; greedy by default.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens, 16..4096; Scout writes at most 256.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to another number.</exception>
    public int MaxTokens { get; init => field = AnswerLength.Checked(value); } = 128;
}

/// <summary>How a phrase is grounded. Grounding is always greedy.</summary>
public sealed record GroundOptions
{
    /// <summary>Presence below this is <see cref="NotInView"/>, 0..1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a number outside 0..1 or to NaN.</exception>
    public float Threshold
    {
        get;
        init => field = value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Threshold), value, "The threshold is a probability between 0 and 1.");
    } = 0.5f;

    /// <summary>Most boxes of one phrase, at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 1.</exception>
    public int MaxDetections
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDetections), value, "A phrase in view has at least one box.");
    } = 16;
}

/// <summary>The range of an answer's length.</summary>
internal static class AnswerLength
{
    /// <summary>Fewest tokens an answer's grammar can close all its tags in, and the most any answer has.</summary>
    internal const int Least = 16, Most = 4096;

    internal static int Checked(int maxTokens) => maxTokens is >= Least and <= Most
        ? maxTokens
        : throw new ArgumentOutOfRangeException(nameof(maxTokens), maxTokens, $"An answer has {Least} to {Most} tokens at the most.");
}
