using System.Globalization;
using System.Text;
using System.Text.Json;
using VlmSdk.Tokenization;

namespace VlmSdk.Models.Pixtral;

/// <summary>Who speaks.</summary>
public enum PixtralRole
{
    /// <summary>Instructions; they go into the last user turn.</summary>
    System,
    /// <summary>The user: text and pictures.</summary>
    User,
    /// <summary>An earlier answer, or calls of tools.</summary>
    Assistant,
    /// <summary>The result of a tool's call.</summary>
    Tool,
}

/// <summary>One piece of a message: text, or a picture as its grid of patches.</summary>
public readonly record struct PixtralPart
{
    private PixtralPart(string? text, (int Rows, int Columns) grid) => (Text, Grid) = (text, grid);

    /// <summary>The text; null for a picture.</summary>
    public string? Text { get; }

    /// <summary>Rows and columns of a picture's patches.</summary>
    public (int Rows, int Columns) Grid { get; }

    /// <summary>Text. Spellings of control tokens in it stay text.</summary>
    public static implicit operator PixtralPart(string text) => new(text ?? throw new ArgumentNullException(nameof(text)), default);

    /// <summary>A picture; <see cref="PixtralConfig.Grid"/> gives its grid.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The grid has no row or no column.</exception>
    public static PixtralPart Picture((int Rows, int Columns) grid)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Rows, 1, nameof(grid));
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Columns, 1, nameof(grid));
        return new PixtralPart(null, grid);
    }
}

/// <summary>A call of a tool that an earlier answer made.</summary>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">A JSON object.</param>
/// <param name="Id">The call's id, if it has one.</param>
public sealed record PixtralToolCall(string Name, string Arguments, string? Id = null);

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Parts">What is said; pictures only from the user.</param>
public sealed record PixtralMessage(PixtralRole Role, params IReadOnlyList<PixtralPart> Parts)
{
    /// <summary>Calls of tools, in place of an answer's text.</summary>
    public IReadOnlyList<PixtralToolCall> ToolCalls { get; init; } = [];

    /// <summary>The id of the call that a tool's result belongs to.</summary>
    public string? ToolCallId { get; init; }
}

/// <summary>
/// Conversations to ids in the form of Mistral's version v3: <c>&lt;s&gt;[INST]...[/INST]answer&lt;/s&gt;</c>, without a space or
/// line break around control tokens. A picture is its rows of <c>[IMG]</c>, each ended by <c>[IMG_BREAK]</c>, the last by <c>[IMG_END]</c>.
/// </summary>
public static class PixtralPrompt
{
    private const string Between = "\n\n";

    /// <summary>The ids of a conversation, from <c>&lt;s&gt;</c> to the place where the answer begins.</summary>
    /// <param name="tokenizer">A Tekken vocabulary.</param>
    /// <param name="messages">The conversation. Neighbouring messages of one speaker become one.</param>
    /// <param name="tools">A JSON list of the tools there are, each <c>{"type": "function", "function": {...}}</c>; null for none.</param>
    /// <exception cref="ArgumentException">
    /// There is no user message, a role holds what it cannot, JSON is malformed, or the vocabulary lacks a control token.
    /// </exception>
    public static int[] Build(ITokenizer tokenizer, IReadOnlyList<PixtralMessage> messages, string? tools = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(messages);
        List<PixtralMessage> turns = Joined(messages);
        int lastUser = turns.FindLastIndex(t => t.Role == PixtralRole.User);
        if (lastUser < 0)
            throw new ArgumentException("The conversation has no message of the user; the model answers one.", nameof(messages));
        string system = string.Join(Between, messages.Where(m => m.Role == PixtralRole.System).SelectMany(Texts));
        var ids = new List<int> { Control(tokenizer, "<s>") };
        for (int i = 0; i < turns.Count; i++)
        {
            PixtralMessage turn = turns[i];
            switch (turn.Role)
            {
                case PixtralRole.User:
                    if (i == lastUser && tools is not null)
                        Enclosed("[AVAILABLE_TOOLS]", Spaced(tools, "tools"), "[/AVAILABLE_TOOLS]");
                    ids.Add(Control(tokenizer, "[INST]"));
                    User(turn, i == lastUser ? system : "");
                    ids.Add(Control(tokenizer, "[/INST]"));
                    break;
                case PixtralRole.Assistant:
                    if (turn.ToolCalls.Count > 0)
                        Enclosed("[TOOL_CALLS]", $"[{string.Join(", ", turn.ToolCalls.Select(Call))}]", "</s>");
                    else
                        Enclosed(null, string.Join(Between, Texts(turn)).TrimEnd(' '), "</s>");
                    break;
                default:
                    string id = turn.ToolCallId ?? throw new ArgumentException("A tool's result needs the id of its call, ToolCallId.", nameof(messages));
                    Enclosed("[TOOL_RESULTS]", $$"""{"content": {{Content(string.Join(Between, Texts(turn)))}}, "call_id": {{Quoted(id)}}}""", "[/TOOL_RESULTS]");
                    break;
            }
        }
        return [.. ids];

        void User(PixtralMessage turn, string instructions)
        {
            List<PixtralPart> parts = [.. turn.Parts];
            // Text and then one picture: the picture goes first.
            if (parts is [{ Text: not null }, { Text: null }])
                parts.Reverse();
            // Without a picture everything is one string, and pieces may span the join.
            if (instructions.Length > 0 && parts.All(p => p.Text is not null))
                parts = [instructions + Between + string.Concat(parts.Select(p => p.Text))];
            else if (instructions.Length > 0)
                parts.Insert(0, instructions + Between);
            foreach (PixtralPart part in parts)
                ids.AddRange(part.Text is { } text ? tokenizer.Encode(text) : Picture(tokenizer, part.Grid));
        }

        void Enclosed(string? before, string text, string after)
        {
            if (before is not null)
                ids.Add(Control(tokenizer, before));
            ids.AddRange(tokenizer.Encode(text));
            ids.Add(Control(tokenizer, after));
        }
    }

    /// <summary>The ids of one picture of a grid of patches: (columns + 1) * rows of them.</summary>
    /// <exception cref="ArgumentException">The vocabulary lacks one of the three tokens.</exception>
    public static int[] Picture(ITokenizer tokenizer, (int Rows, int Columns) grid)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = new int[(grid.Columns + 1) * grid.Rows];
        Array.Fill(ids, Control(tokenizer, "[IMG]"));
        for (int row = 1; row <= grid.Rows; row++)
            ids[row * (grid.Columns + 1) - 1] = Control(tokenizer, row < grid.Rows ? "[IMG_BREAK]" : "[IMG_END]");
        return ids;
    }

    /// <summary>Where the rows of picture features go: the places of the image tokens, in order.</summary>
    /// <param name="config">The model.</param>
    /// <param name="ids">Ids of one sequence, or of several of equal length one after the other.</param>
    /// <param name="grids">Rows and columns of the pictures that come with them, in the order of the prompt.</param>
    /// <exception cref="ArgumentException">The prompt's image tokens are not those of these pictures.</exception>
    public static int[] Places(PixtralConfig config, ReadOnlySpan<int> ids, IReadOnlyList<(int Rows, int Columns)> grids)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(grids);
        var places = new List<int>();
        for (int i = 0; i < ids.Length; i++)
            if (ids[i] == config.ImageToken)
                places.Add(i);
        int need = grids.Sum(g => g.Rows * g.Columns);
        if (places.Count != need)
            throw new ArgumentException($"The prompt has {places.Count} image tokens (id {config.ImageToken}) and the {grids.Count} pictures bring {need} patches; " +
                "use one token per patch, as PixtralPrompt.Picture writes them.", nameof(grids));
        int next = 0;
        for (int picture = 0; picture < grids.Count; picture++)
            for (int row = 0; row < grids[picture].Rows; row++, next += grids[picture].Columns)
            {
                // A row is an unbroken run, and another token ends it.
                int first = places[next], length = grids[picture].Columns, after = next + length;
                if (places[after - 1] != first + length - 1 || (after < places.Count && places[after] == first + length))
                    throw new ArgumentException($"Picture {picture} has rows of {length} patches, and the image tokens from place {first} on are no such row. " +
                        "Give the pictures in the order of the prompt.", nameof(grids));
            }
        return [.. places];
    }

    // Neighbouring messages of one speaker become one; texts without a picture between them become one text, empty ones go.
    private static List<PixtralMessage> Joined(IReadOnlyList<PixtralMessage> messages)
    {
        var turns = new List<PixtralMessage>();
        foreach (PixtralMessage message in messages.Where(m => m.Role != PixtralRole.System))
        {
            if (message.Role != PixtralRole.User)
                Texts(message);
            if (message.ToolCalls.Count > 0 && (message.Role != PixtralRole.Assistant || message.Parts.Any(p => p.Text is not "")))
                throw new ArgumentException("Only an assistant's message calls tools, and then it holds no text.", nameof(messages));
            if (turns.Count > 0 && turns[^1].Role == message.Role && message.Role != PixtralRole.Tool && turns[^1].ToolCalls.Count + message.ToolCalls.Count == 0)
                turns[^1] = turns[^1] with { Parts = [.. turns[^1].Parts, .. message.Parts] };
            else
                turns.Add(message);
        }
        return [.. turns.Select(t => t with { Parts = JoinedTexts(t.Parts) })];
    }

    private static List<PixtralPart> JoinedTexts(IReadOnlyList<PixtralPart> parts)
    {
        var joined = new List<PixtralPart>();
        foreach (PixtralPart part in parts.Where(p => p.Text is not ""))
            if (part.Text is not null && joined.Count > 0 && joined[^1].Text is { } before)
                joined[^1] = before + Between + part.Text;
            else
                joined.Add(part);
        return joined;
    }

    private static IEnumerable<string> Texts(PixtralMessage message) => message.Parts.All(p => p.Text is not null)
        ? message.Parts.Select(p => p.Text!).Where(t => t.Length > 0)
        : throw new ArgumentException($"A message of the {message.Role} role holds a picture; only the user shows pictures.", nameof(message));

    private static int Control(ITokenizer tokenizer, string name) => tokenizer.FindId(name) is { } id && tokenizer.GetPiece(id).Kind == TokenPieceKind.Control
        ? id
        : throw new ArgumentException($"The vocabulary has no control token '{name}'. Use the tokenizer published with the model, tekken.json.", nameof(tokenizer));

    private static string Call(PixtralToolCall call)
    {
        string id = call.Id is null ? "" : $", \"id\": {Quoted(call.Id)}";
        return $$"""{"name": {{Quoted(call.Name)}}, "arguments": {{Spaced(call.Arguments, "arguments")}}{{id}}}""";
    }

    // A result that is JSON stands as it is, any other as a string.
    private static string Content(string text)
    {
        try
        {
            return Spaced(text, "content");
        }
        catch (ArgumentException)
        {
            return Quoted(text);
        }
    }

    // JSON with ", " and ": " between its parts, characters beyond ASCII kept, numbers as they are spelt.
    private static string Spaced(string json, string what)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            var text = new StringBuilder();
            Write(document.RootElement);
            return text.ToString();

            void Write(JsonElement e)
            {
                switch (e.ValueKind)
                {
                    case JsonValueKind.Object:
                        Listed('{', e.EnumerateObject(), p => { text.Append(Quoted(p.Name)).Append(": "); Write(p.Value); }, '}');
                        break;
                    case JsonValueKind.Array:
                        Listed('[', e.EnumerateArray(), Write, ']');
                        break;
                    case JsonValueKind.String:
                        text.Append(Quoted(e.GetString()!));
                        break;
                    default:
                        text.Append(e.GetRawText());
                        break;
                }
            }

            void Listed<T>(char open, IEnumerable<T> items, Action<T> write, char close)
            {
                text.Append(open);
                string separator = "";
                foreach (T item in items)
                {
                    text.Append(separator);
                    separator = ", ";
                    write(item);
                }
                text.Append(close);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ArgumentException($"The {what} are not JSON: {e.Message}", what, e);
        }
    }

    private static string Quoted(string value)
    {
        var text = new StringBuilder("\"");
        foreach (char c in value)
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => c.ToString(),
            });
        return text.Append('"').ToString();
    }
}
