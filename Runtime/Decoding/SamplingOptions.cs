namespace VlmSdk.Decoding;

/// <summary>
/// How the next token is chosen. The defaults are greedy. Steps, in order: top-k, softmax at the temperature, top-p,
/// min-p, then one draw from what is left.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>Greedy decoding: always the most likely token.</summary>
    public static SamplingOptions Greedy { get; } = new();

    /// <summary>Divides the logits: 0 is greedy, 1 the model's own distribution, more is wilder. Finite, at least 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a negative number, NaN or infinity.</exception>
    public float Temperature
    {
        get;
        init => field = value >= 0 && float.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Temperature), value, "The temperature must be a finite number of at least 0; 0 is greedy.");
    }

    /// <summary>Only the k most likely tokens stay (lowest ids on ties); 0 keeps all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a negative number.</exception>
    public int TopK
    {
        get;
        init => field = value >= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TopK), value, "The number of tokens kept must be at least 0; 0 keeps all.");
    }

    /// <summary>Only the most likely tokens whose probabilities together reach this share stay; 1 keeps all. In (0, 1].</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a number outside (0, 1].</exception>
    public float TopP
    {
        get;
        init => field = value is > 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TopP), value, "The share kept must be above 0 and at most 1; 1 keeps all.");
    } = 1;

    /// <summary>Tokens below this share of the most likely one's probability go; 0 keeps all. In [0, 1].</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a number outside [0, 1].</exception>
    public float MinP
    {
        get;
        init => field = value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MinP), value, "The share must be between 0 and 1; 0 keeps all.");
    }

    /// <summary>Start of the random sequence: equal seeds and logits give equal tokens on every machine.</summary>
    public ulong Seed { get; init; }
}
