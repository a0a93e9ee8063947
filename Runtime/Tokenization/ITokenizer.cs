namespace VlmSdk.Tokenization;

/// <summary>Text to token ids and back. Implementations are immutable and thread-safe.</summary>
public interface ITokenizer
{
    /// <summary>Number of ids; ids run from 0.</summary>
    int VocabularySize { get; }

    /// <summary>The token that begins a text, if the vocabulary has one.</summary>
    int? BeginId { get; }

    /// <summary>Tokens that end an answer.</summary>
    IReadOnlyList<int> EndIds { get; }

    /// <summary>Whether the model was trained with <see cref="BeginId"/> before every text.</summary>
    bool AddsBegin { get; }

    /// <summary>How the pieces of tokens become text.</summary>
    TextRules TextRules { get; }

    /// <summary>
    /// The ids of a text. Spellings of control tokens are plain text unless <paramref name="allowControl"/>, which is for
    /// templates of the program's own, never for text from outside. Lone surrogates count as U+FFFD. No begin token is added.
    /// </summary>
    int[] Encode(string text, bool allowControl = false);

    /// <summary>The text of ids; invalid bytes become U+FFFD.</summary>
    /// <param name="ids">Tokens.</param>
    /// <param name="skipControl">Leaves control tokens out instead of showing their spelling.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    string Decode(ReadOnlySpan<int> ids, bool skipControl = true);

    /// <summary>What one token contributes to a text.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id lies outside the vocabulary.</exception>
    TokenPiece GetPiece(int id);

    /// <summary>The id of a token by its spelling in the vocabulary, if there is one.</summary>
    int? FindId(string spelling);
}

/// <summary>How a token's bytes take part in a text.</summary>
public enum TokenPieceKind
{
    /// <summary>Complete characters: they end a character begun by bytes before.</summary>
    Text,
    /// <summary>Bytes that may begin or go on inside a character.</summary>
    Bytes,
    /// <summary>A control token; its bytes are its spelling.</summary>
    Control,
}

/// <summary>What one token contributes to a text.</summary>
/// <param name="Bytes">UTF-8, or parts of it for <see cref="TokenPieceKind.Bytes"/>.</param>
/// <param name="Kind">How the bytes take part.</param>
public readonly record struct TokenPiece(ReadOnlyMemory<byte> Bytes, TokenPieceKind Kind);

/// <summary>What takes the place of bytes that are no UTF-8.</summary>
public enum InvalidBytes
{
    /// <summary>One U+FFFD per maximal invalid part.</summary>
    OnePerPart,
    /// <summary>One U+FFFD per invalid byte, as SentencePiece has it.</summary>
    OnePerByte,
    /// <summary>
    /// A run of byte tokens that is not valid as a whole becomes one U+FFFD per byte of the run, as the byte fallback of
    /// tokenizer.json has it. A stream that has shown characters of such a run already replaces only the rest of it.
    /// </summary>
    WholeRun,
}

/// <summary>Which spaces at the beginning of a text are left out.</summary>
public enum LeadingSpace
{
    /// <summary>None.</summary>
    Kept,
    /// <summary>One of the first piece, if it is a text piece: the dummy prefix.</summary>
    OfFirstPiece,
    /// <summary>One of each text piece until text appears, as with removal of extra whitespace.</summary>
    OfEachPieceBeforeText,
    /// <summary>One of the joined text.</summary>
    OfText,
    /// <summary>All of the first token that is shown, as the Metaspace decoder of tokenizer.json has it.</summary>
    AllOfFirstToken,
}

/// <summary>How the pieces of a vocabulary become text.</summary>
public sealed record TextRules
{
    /// <summary>What takes the place of invalid bytes.</summary>
    public InvalidBytes Invalid { get; init; }

    /// <summary>A control token ends a run of bytes even when it is left out of the text.</summary>
    public bool ControlEndsCharacter { get; init; }

    /// <summary>Which leading spaces are left out.</summary>
    public LeadingSpace Dropped { get; init; }
}
