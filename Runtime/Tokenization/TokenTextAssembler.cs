using System.Buffers;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Joins the pieces of tokens to text, character by character. What is complete can be taken at any time; an incomplete
/// tail of bytes waits. The only decoder of token bytes: whole and streamed decoding both run through it. Not thread-safe.
/// </summary>
public sealed class TokenTextAssembler
{
    private readonly TextRules _rules;
    private readonly StringBuilder _text = new();
    private readonly byte[] _tail = new byte[4];
    private int _held;
    private bool _begun;

    /// <summary>Starts a text.</summary>
    public TokenTextAssembler(TextRules rules) => _rules = rules;

    /// <summary>Adds a token's piece.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="skipControl">Leaves the spelling of control tokens out.</param>
    public void Append(TokenPiece piece, bool skipControl)
    {
        ReadOnlySpan<byte> bytes = piece.Bytes.Span;
        if (piece.Kind == TokenPieceKind.Text || (piece.Kind == TokenPieceKind.Control && _rules.ControlEndsCharacter))
            EndCharacter();
        if (piece.Kind == TokenPieceKind.Control && skipControl)
            return;
        if (piece.Kind == TokenPieceKind.Text && !_begun && _rules.DropLeadingSpace && bytes is [(byte)' ', ..])
            bytes = bytes[1..];
        // The first token that shows anything ends the search for the dummy prefix.
        _begun |= piece.Kind != TokenPieceKind.Control && !piece.Bytes.IsEmpty;
        foreach (byte value in bytes)
            Add(value);
    }

    /// <summary>Ends the text: a tail that is no character is replaced. The next piece begins a new text.</summary>
    public void End()
    {
        EndCharacter();
        _begun = false;
    }

    /// <summary>The complete characters since the last call.</summary>
    public string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }

    private void Add(byte value)
    {
        _tail[_held++] = value;
        while (_held > 0)
        {
            OperationStatus status = Rune.DecodeFromUtf8(_tail.AsSpan(0, _held), out Rune rune, out int used);
            if (status == OperationStatus.NeedMoreData)
                return;
            if (status == OperationStatus.Done)
                _text.Append(rune.ToString());
            else
                Replace(used);
            Drop(used);
        }
    }

    private void EndCharacter()
    {
        if (_held == 0)
            return;
        Replace(_held);
        _held = 0;
    }

    private void Replace(int bytes) => _text.Append('\uFFFD', _rules.ReplaceEachByte ? bytes : 1);

    private void Drop(int bytes)
    {
        _tail.AsSpan(bytes, _held - bytes).CopyTo(_tail);
        _held -= bytes;
    }
}
