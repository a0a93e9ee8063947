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

/// <summary>A call of a tool that an earlier answer made.</summary>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">A JSON object.</param>
/// <param name="Id">The call's id, if it has one.</param>
public sealed record PixtralToolCall(string Name, string Arguments, string? Id = null);

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Parts">Texts and, only from the user, pictures; no control tokens.</param>
public sealed record PixtralMessage(PixtralRole Role, params IReadOnlyList<PromptPart> Parts)
{
    /// <summary>A message of one text.</summary>
    public PixtralMessage(PixtralRole role, string text) : this(role, new PromptPart.Text(text)) { }

    /// <summary>Calls of tools, in place of an answer's text.</summary>
    public IReadOnlyList<PixtralToolCall> ToolCalls { get; init; } = [];

    /// <summary>The id of the call that a tool's result belongs to.</summary>
    public string? ToolCallId { get; init; }
}

/// <summary>
/// The form of Mistral's conversations, version v3: <c>&lt;s&gt;[INST]...[/INST]answer&lt;/s&gt;</c>, without a space or line break
/// around control tokens; what stands for a picture, and where its rows go (spec sheet, sections 8 and 10).
/// </summary>
public static class PixtralPrompt
{
    private const string Between = "\n\n";

    /// <summary>The prompt of a conversation, from <c>&lt;s&gt;</c> to the place where the answer begins.</summary>
    /// <param name="messages">Neighbouring messages of one speaker become one; texts without a picture between them too, and empty ones go.</param>
    /// <param name="tools">A JSON list of the tools there are, each <c>{"type": "function", "function": {...}}</c>; null for none.</param>
    /// <exception cref="ArgumentException">There is no user message, a role holds what it cannot, or JSON is malformed.</exception>
    public static IReadOnlyList<PromptPart> Conversation(IReadOnlyList<PixtralMessage> messages, string? tools = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        foreach (PixtralMessage message in messages)
            Check(message);
        string system = string.Join(Between, messages.Where(m => m.Role == PixtralRole.System).Select(Said).Where(t => t.Length > 0));
        List<PixtralMessage> turns = Turns(messages.Where(m => m.Role != PixtralRole.System));
        int lastUser = turns.FindLastIndex(t => t.Role == PixtralRole.User);
        if (lastUser < 0)
            throw new ArgumentException("The conversation has no message of the user; the model answers one.", nameof(messages));
        var prompt = new List<PromptPart> { new PromptPart.Control("<s>") };
        for (int i = 0; i < turns.Count; i++)
            prompt.AddRange(turns[i] switch
            {
                { Role: PixtralRole.User } turn => [
                    .. i == lastUser && tools is not null ? Marked("[AVAILABLE_TOOLS]", SpacedJson.Write(tools, "tools"), "[/AVAILABLE_TOOLS]") : [],
                    new PromptPart.Control("[INST]"), .. Asked(turn, i == lastUser ? system : ""), new PromptPart.Control("[/INST]")],
                { Role: PixtralRole.Tool } turn => Marked("[TOOL_RESULTS]",
                    $$"""{"content": {{Result(Said(turn))}}, "call_id": {{SpacedJson.Quote(turn.ToolCallId!)}}}""", "[/TOOL_RESULTS]"),
                { ToolCalls.Count: > 0 } turn => Marked("[TOOL_CALLS]", $"[{string.Join(", ", turn.ToolCalls.Select(Call))}]", "</s>"),
                var turn => [new PromptPart.Text(Said(turn).TrimEnd(' ')), new PromptPart.Control("</s>")],
            });
        return prompt;
    }

    /// <summary>
    /// The ids that stand for a picture of a grid of patches, (columns + 1) * rows of them: each row of <c>[IMG]</c> is ended by
    /// <c>[IMG_BREAK]</c>, the last by <c>[IMG_END]</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The vocabulary lacks one of the three tokens.</exception>
    public static int[] Picture(ITokenizer tokenizer, (int Rows, int Columns) grid)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = new int[(grid.Columns + 1) * grid.Rows];
        Array.Fill(ids, Id("[IMG]"));
        for (int row = 1; row <= grid.Rows; row++)
            ids[row * (grid.Columns + 1) - 1] = Id(row < grid.Rows ? "[IMG_BREAK]" : "[IMG_END]");
        return ids;

        int Id(string token) => tokenizer.FindId(token) ??
            throw new ArgumentException($"The vocabulary has no token '{token}', which stands for pictures. Use the tokenizer published with the model, tekken.json.", nameof(tokenizer));
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

    private static void Check(PixtralMessage message)
    {
        if (message.Parts.FirstOrDefault(p => p is not PromptPart.Text && (p is not PromptPart.Picture || message.Role != PixtralRole.User)) is { } part)
            throw new ArgumentException($"A message of the {message.Role} role holds a {part.GetType().Name}; messages hold texts, and only the user's hold pictures.", nameof(message));
        if (message.ToolCalls.Count > 0 && (message.Role != PixtralRole.Assistant || Said(message).Length > 0))
            throw new ArgumentException("Only an assistant's message calls tools, and then it holds no text.", nameof(message));
        if (message.Role == PixtralRole.Tool && message.ToolCallId is null)
            throw new ArgumentException("A tool's result needs the id of its call, ToolCallId.", nameof(message));
    }

    private static List<PixtralMessage> Turns(IEnumerable<PixtralMessage> messages)
    {
        var turns = new List<PixtralMessage>();
        foreach (PixtralMessage message in messages)
            if (turns.Count > 0 && turns[^1].Role == message.Role && message.Role != PixtralRole.Tool)
                turns[^1] = turns[^1] with { Parts = [.. turns[^1].Parts, .. message.Parts], ToolCalls = [.. turns[^1].ToolCalls, .. message.ToolCalls] };
            else
                turns.Add(message);
        foreach (PixtralMessage turn in turns)
            Check(turn);
        return turns;
    }

    private static List<PromptPart> Asked(PixtralMessage turn, string system)
    {
        List<PromptPart> parts = Joined(turn.Parts);
        // Text and then one picture: the picture goes first.
        if (parts is [PromptPart.Text, PromptPart.Picture])
            parts.Reverse();
        if (system.Length == 0)
            return parts;
        // Without a picture all is one string, so that pieces may span the join.
        return parts.All(p => p is PromptPart.Text)
            ? [new PromptPart.Text(system + Between + string.Concat(parts.OfType<PromptPart.Text>().Select(t => t.Value)))]
            : [new PromptPart.Text(system + Between), .. parts];
    }

    private static List<PromptPart> Joined(IReadOnlyList<PromptPart> parts)
    {
        var joined = new List<PromptPart>();
        foreach (PromptPart part in parts)
            if (part is PromptPart.Text text && joined.Count > 0 && joined[^1] is PromptPart.Text before)
                joined[^1] = new PromptPart.Text(text.Value.Length == 0 ? before.Value : before.Value + Between + text.Value);
            else if (part is not PromptPart.Text { Value.Length: 0 })
                joined.Add(part);
        return joined;
    }

    private static string Said(PixtralMessage message) => string.Concat(Joined(message.Parts).OfType<PromptPart.Text>().Select(t => t.Value));

    private static PromptPart[] Marked(string before, string text, string after) =>
        [new PromptPart.Control(before), new PromptPart.Text(text), new PromptPart.Control(after)];

    private static string Call(PixtralToolCall call)
    {
        string id = call.Id is null ? "" : $", \"id\": {SpacedJson.Quote(call.Id)}";
        return $$"""{"name": {{SpacedJson.Quote(call.Name)}}, "arguments": {{SpacedJson.Write(call.Arguments, "arguments")}}{{id}}}""";
    }

    // A result that is JSON stands as it is, any other as a string.
    private static string Result(string text)
    {
        try
        {
            return SpacedJson.Write(text, "content");
        }
        catch (ArgumentException e) when (e.InnerException is JsonException or InvalidOperationException)
        {
            return SpacedJson.Quote(text);
        }
    }
}
