namespace VlmSdk.Decoding;

/// <summary>The tokens an <see cref="AnswerGrammar"/> works with; ids of the model's vocabulary.</summary>
/// <param name="End">End of an answer.</param>
/// <param name="RefOpen">Begins the words of a phrase.</param>
/// <param name="RefClose">Ends them.</param>
/// <param name="BoxOpen">Begins four location tokens: left, top, right, bottom.</param>
/// <param name="BoxClose">Ends them.</param>
/// <param name="InView">The phrase is in the picture.</param>
/// <param name="NotInView">It is not.</param>
/// <param name="LocationBase">First location token; they ascend.</param>
/// <param name="LocationBins">Number of location tokens.</param>
/// <param name="IsWord">Whether an id is a plain word, allowed in running text and inside a phrase.</param>
public sealed record AnswerTokens(
    int End, int RefOpen, int RefClose, int BoxOpen, int BoxClose, int InView, int NotInView,
    int LocationBase, int LocationBins, Func<int, bool> IsWord);

/// <summary>What form an answer has.</summary>
public enum AnswerForm
{
    /// <summary>Words only.</summary>
    Text,
    /// <summary><c>NotInView</c>, or <c>InView &lt;ref&gt; words &lt;/ref&gt; &lt;box&gt;...&lt;/box&gt;</c> with one or more boxes.</summary>
    Grounding,
    /// <summary>Any number of <c>&lt;ref&gt; words &lt;/ref&gt; &lt;box&gt;...&lt;/box&gt;</c>.</summary>
    Detections,
}

/// <summary>
/// Which tokens may come next, so that no logits whatever lead to a malformed answer: tags open and close in order, a box
/// has exactly four locations, and its right and bottom lie beyond its left and top. An answer that nears the token
/// budget is steered to its end with every tag closed. Not thread-safe; one grammar an answer.
/// </summary>
public sealed class AnswerGrammar : ILogitsProcessor
{
    private enum State { Start, AfterInView, InRef, AfterRef, Location, AfterLocations, AfterBox, Text, Done }

    /// <summary>Most words inside a phrase.</summary>
    public const int LongestPhrase = 12;

    // <box> and its end with the closing tag: what an open phrase still needs at least.
    private const int BoxLength = 6;

    private readonly AnswerTokens _tokens;
    private readonly AnswerForm _form;
    private readonly bool[] _word;
    private readonly int[] _box = new int[4];
    private readonly int _budget;
    private State _state = State.Start;
    private int _accepted, _words, _corner;

    /// <summary>Begins an answer.</summary>
    /// <param name="tokens">The vocabulary's structure tokens.</param>
    /// <param name="form">The answer's form.</param>
    /// <param name="vocabularySize">Length of the logits.</param>
    /// <param name="maxTokens">Most tokens of the answer, end included; at least 16.</param>
    public AnswerGrammar(AnswerTokens tokens, AnswerForm form, int vocabularySize, int maxTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 16);
        _tokens = tokens;
        _form = form;
        _budget = maxTokens;
        _word = new bool[vocabularySize];
        for (int id = 0; id < vocabularySize; id++)
            _word[id] = tokens.IsWord(id);
        if (form == AnswerForm.Text)
            _state = State.Text;
    }

    /// <summary>True once the answer has ended.</summary>
    public bool IsDone => _state == State.Done;

    /// <summary>True when the next token is a coordinate of a box.</summary>
    public bool ExpectsLocation => _state == State.Location;

    /// <summary>Corner that a location token stands for next: 0 left, 1 top, 2 right, 3 bottom.</summary>
    public int Corner => _corner;

    /// <summary>Whether a token may come next.</summary>
    public bool Allows(int token)
    {
        if ((uint)token >= (uint)_word.Length)
            return false;
        int left = _budget - _accepted;
        switch (_state)
        {
            case State.Start when _form == AnswerForm.Grounding:
                return token == _tokens.NotInView || token == _tokens.InView;
            case State.Start:
            case State.AfterBox when _form == AnswerForm.Detections:
                return token == _tokens.End || (token == _tokens.RefOpen && left > LongestPhrase + BoxLength + 3);
            case State.AfterBox:
                return token == _tokens.End || (token == _tokens.BoxOpen && left > BoxLength);
            case State.AfterInView:
                return token == _tokens.RefOpen;
            case State.InRef:
                bool mayGoOn = _words < LongestPhrase && left > BoxLength + 2;
                return (token == _tokens.RefClose && _words > 0) || ((mayGoOn || _words == 0) && _word[token]);
            case State.AfterRef:
                return token == _tokens.BoxOpen;
            case State.Location:
                int bin = token - _tokens.LocationBase;
                int low = _corner < 2 ? 0 : _box[_corner - 2] + 1;
                int high = _corner < 2 ? _tokens.LocationBins - 1 : _tokens.LocationBins;
                return bin >= low && bin < high;
            case State.AfterLocations:
                return token == _tokens.BoxClose;
            case State.Text:
                return token == _tokens.End || (left > 1 && _word[token]);
            default:
                return false;
        }
    }

    /// <summary>Sets the logit of every token that may not come next to minus infinity.</summary>
    /// <param name="logits">One number per token, changed in place.</param>
    public void Process(Span<float> logits)
    {
        for (int id = 0; id < logits.Length; id++)
            if (!Allows(id))
                logits[id] = float.NegativeInfinity;
    }

    /// <summary>Goes on by one token.</summary>
    /// <exception cref="ArgumentException">The token may not come here.</exception>
    public void Accept(int token)
    {
        if (!Allows(token))
            throw new ArgumentException($"Token {token} cannot follow here (state {_state}); mask the logits with {nameof(Process)} first.", nameof(token));
        _accepted++;
        switch (_state)
        {
            case State.Start when token == _tokens.InView:
                _state = State.AfterInView;
                break;
            case State.InRef when token == _tokens.RefClose:
                _state = State.AfterRef;
                break;
            case State.InRef:
                _words++;
                break;
            case State.Location:
                _box[_corner++] = token - _tokens.LocationBase;
                if (_corner == 4)
                    _state = State.AfterLocations;
                break;
            case State.AfterLocations:
                _state = State.AfterBox;
                break;
            case State.Text when token != _tokens.End:
                break;
            default:
                if (token == _tokens.RefOpen)
                    (_state, _words) = (State.InRef, 0);
                else if (token == _tokens.BoxOpen)
                    (_state, _corner) = (State.Location, 0);
                else
                    _state = State.Done;
                break;
        }
    }
}
