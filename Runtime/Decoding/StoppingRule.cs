using System.Text;

namespace VlmSdk.Decoding;

/// <summary>Why an answer ended.</summary>
public enum StopReason
{
    /// <summary>It has not ended yet.</summary>
    None,
    /// <summary>The model chose an end token.</summary>
    EndToken,
    /// <summary>The most tokens asked for were made.</summary>
    MaxTokens,
    /// <summary>A stop string appeared; the text ends before it.</summary>
    StopString,
    /// <summary>The model's context is full.</summary>
    ContextFull,
}

/// <summary>When an answer ends. Immutable; <see cref="Begin"/> gives the state of one answer.</summary>
public sealed record StoppingRule
{
    /// <summary>Tokens that end the answer; they are not part of its text.</summary>
    public IReadOnlyCollection<int> EndIds { get; init; } = [];

    /// <summary>Most tokens of an answer; at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 1.</exception>
    public int MaxTokens
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MaxTokens), value, "An answer needs room for at least one token.");
    } = 256;

    /// <summary>Strings that end the answer where they begin; none is empty.</summary>
    /// <exception cref="ArgumentException">One is empty.</exception>
    public IReadOnlyList<string> StopStrings
    {
        get;
        init => field = value.All(s => !string.IsNullOrEmpty(s))
            ? value
            : throw new ArgumentException("A stop string must not be empty.", nameof(StopStrings));
    } = [];

    /// <summary>The state of one new answer.</summary>
    public StoppingState Begin() => new(this);
}

/// <summary>
/// Follows one answer token by token and piece by piece, and holds text back while it may still become a stop string.
/// Not thread-safe.
/// </summary>
public sealed class StoppingState
{
    private readonly StoppingRule _rule;
    private readonly StringBuilder _held = new();
    private int _tokens;

    internal StoppingState(StoppingRule rule) => _rule = rule;

    /// <summary>Why the answer ended, or <see cref="StopReason.None"/>.</summary>
    public StopReason Reason { get; private set; }

    /// <summary>
    /// Counts a chosen token. On <see cref="StopReason.EndToken"/> the token is no part of the answer; on
    /// <see cref="StopReason.MaxTokens"/> it is the last one.
    /// </summary>
    public StopReason AcceptToken(int id)
    {
        if (_rule.EndIds.Contains(id))
            Reason = StopReason.EndToken;
        else if (++_tokens >= _rule.MaxTokens)
            Reason = StopReason.MaxTokens;
        return Reason;
    }

    /// <summary>
    /// Takes a piece of text and returns what may be shown: everything up to a stop string, which sets
    /// <see cref="Reason"/>, or up to an ending that could still grow into one.
    /// </summary>
    public string AcceptText(string piece)
    {
        if (_rule.StopStrings.Count == 0)
            return piece;
        string text = _held.Append(piece).ToString();
        int found = -1;
        foreach (string stop in _rule.StopStrings)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (found < 0 || at < found))
                found = at;
        }
        _held.Clear();
        if (found >= 0)
        {
            Reason = StopReason.StopString;
            return text[..found];
        }
        int hold = _rule.StopStrings.Max(stop => Overlap(text, stop));
        _held.Append(text.AsSpan(text.Length - hold));
        return text[..^hold];
    }

    /// <summary>The text still held back, once no more will come.</summary>
    public string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    // Length of the longest ending of the text that is a beginning of the stop string.
    private static int Overlap(string text, string stop)
    {
        for (int length = Math.Min(text.Length, stop.Length - 1); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                return length;
        return 0;
    }
}
