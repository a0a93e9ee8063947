namespace VlmSdk.Decoding;

/// <summary>
/// Policy between a decoder's logits and the sampler, such as a grammar. Stateful: one object belongs to one answer.
/// Not thread-safe.
/// </summary>
public interface ILogitsProcessor
{
    /// <summary>
    /// Changes the logits [V] of the next token in place; minus infinity forbids a token. At least one must stay allowed.
    /// </summary>
    void Process(Span<float> logits);

    /// <summary>Tells the processor which token was chosen.</summary>
    void Accept(int token);
}
