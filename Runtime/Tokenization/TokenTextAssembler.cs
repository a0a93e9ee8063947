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
    private int _held, _run, _runStart;
    private bool _begun, _spoilt;

    /// <summary>Starts a text.</summary>
    public TokenTextAssembler(TextRules rules) => _rules = rules;

    /// <summary>Adds a token's piece.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="skipControl">Leaves the spelling of control tokens out.</param>
    public void Append(TokenPiece piece, bool skipControl)
    {
        bool control = piece.Kind == TokenPieceKind.Control, shown = !control || !skipControl;
        bool wholeRuns = _rules.Invalid == InvalidBytes.WholeRun;
        if (piece.Kind == TokenPieceKind.Text || (control && (_rules.ControlEndsCharacter || (shown && wholeRuns))))
            EndRun();
        if (!shown)
            return;
        ReadOnlySpan<byte> bytes = piece.Bytes.Span;
        if (!_begun && DropsSpaceOf(piece.Kind) && (bytes is [(byte)' ', ..] || (_rules.Dropped == LeadingSpace.AllOfFirstToken && bytes.Contains((byte)' '))))
            bytes = _rules.Dropped == LeadingSpace.AllOfFirstToken ? bytes.ToArray().Where(value => value != ' ').ToArray() : bytes[1..];
        // What ends the search for the dummy prefix: the first token that shows anything, or the first text.
        _begun |= _rules.Dropped switch
        {
            LeadingSpace.OfText or LeadingSpace.AllOfFirstToken => !piece.Bytes.IsEmpty,
            LeadingSpace.OfEachPieceBeforeText => !control && !bytes.IsEmpty,
            _ => !control && !piece.Bytes.IsEmpty,
        };
        foreach (byte value in bytes)
            Add(value);
        if (wholeRuns && piece.Kind != TokenPieceKind.Bytes)
            EndRun();
    }

    /// <summary>Ends the text: a tail that is no character is replaced. The next piece begins a new text.</summary>
    public void End()
    {
        EndRun();
        _begun = false;
    }

    /// <summary>The complete characters since the last call.</summary>
    public string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        // What has been shown cannot be taken back.
        (_runStart, _run) = (0, _held);
        return text;
    }

    private bool DropsSpaceOf(TokenPieceKind kind) => _rules.Dropped switch
    {
        LeadingSpace.Kept => false,
        LeadingSpace.OfText or LeadingSpace.AllOfFirstToken => true,
        _ => kind == TokenPieceKind.Text,
    };

    private void Add(byte value)
    {
        _run++;
        if (_spoilt)
        {
            _text.Append('\uFFFD');
            return;
        }
        _tail[_held++] = value;
        while (_held > 0)
        {
            OperationStatus status = Rune.DecodeFromUtf8(_tail.AsSpan(0, _held), out Rune rune, out int used);
            if (status == OperationStatus.NeedMoreData)
                return;
            if (status == OperationStatus.Done)
                _text.Append(rune.ToString());
            else if (Replace(used))
                return;
            Drop(used);
        }
    }

    private void EndRun()
    {
        if (_held > 0)
            Replace(_held);
        (_held, _run, _runStart, _spoilt) = (0, 0, _text.Length, false);
    }

    // Puts U+FFFD in the place of invalid bytes; true when they spoil the whole run.
    private bool Replace(int bytes)
    {
        if (_rules.Invalid != InvalidBytes.WholeRun)
        {
            _text.Append('\uFFFD', _rules.Invalid == InvalidBytes.OnePerByte ? bytes : 1);
            return false;
        }
        _text.Length = _runStart;
        _text.Append('\uFFFD', _run);
        (_held, _spoilt) = (0, true);
        return true;
    }

    private void Drop(int bytes)
    {
        _tail.AsSpan(bytes, _held - bytes).CopyTo(_tail);
        _held -= bytes;
    }
}
