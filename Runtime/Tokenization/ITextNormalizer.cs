namespace VlmSdk.Tokenization;

/// <summary>Rewrites a segment of text before the model's rules see it. Implementations are immutable and thread-safe.</summary>
internal interface ITextNormalizer
{
    /// <summary>The rewritten text; the input is well-formed.</summary>
    string Normalize(string text);
}
