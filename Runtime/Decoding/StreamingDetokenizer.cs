using VlmSdk.Tokenization;

namespace VlmSdk.Decoding;

/// <summary>
/// Turns tokens into text as they come, never showing half a character: each step gives all characters complete so far
/// and holds an incomplete tail back. The pieces joined, <see cref="Flush"/> included, equal the full decoding.
/// Not thread-safe.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly ITokenizer _tokenizer;
    private readonly TokenTextAssembler _assembler;
    private readonly bool _skipControl;

    /// <summary>Starts an answer.</summary>
    /// <param name="tokenizer">Gives the pieces of the tokens.</param>
    /// <param name="skipControl">Leaves control tokens out of the text instead of showing their spelling.</param>
    public StreamingDetokenizer(ITokenizer tokenizer, bool skipControl = true)
    {
        _tokenizer = tokenizer;
        _skipControl = skipControl;
        _assembler = new TokenTextAssembler(tokenizer.TextRules);
    }

    /// <summary>Takes a token and returns the characters that are complete now, often none or several.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such token.</exception>
    public string Append(int id)
    {
        _assembler.Append(_tokenizer.GetPiece(id), _skipControl);
        return _assembler.Take();
    }

    /// <summary>Ends the text: an incomplete character becomes U+FFFD. The object starts afresh afterwards.</summary>
    public string Flush()
    {
        _assembler.End();
        return _assembler.Take();
    }
}
