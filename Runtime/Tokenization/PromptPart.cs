using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// One part of a prompt. The type says where it comes from: text is text whatever it spells, control tokens come from
/// templates only, so no user's text can ever become one.
/// </summary>
public abstract record PromptPart
{
    private PromptPart() { }

    /// <summary>Text, encoded on its own.</summary>
    /// <param name="Value">Any text, also from outside.</param>
    public sealed record Text(string Value) : PromptPart;

    /// <summary>One control token of the vocabulary.</summary>
    /// <param name="Spelling">Its spelling there.</param>
    public sealed record Control(string Spelling) : PromptPart;

    /// <summary>The place of the next picture.</summary>
    public sealed record Picture : PromptPart;

    /// <summary>The ids of a prompt.</summary>
    /// <param name="parts">Its parts, in order.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="pictures">The ids of each picture, in order.</param>
    /// <exception cref="ArgumentException">There are more or fewer pictures than places, or the vocabulary lacks a control token.</exception>
    public static int[] Ids(IReadOnlyList<PromptPart> parts, ITokenizer tokenizer, IReadOnlyList<int[]> pictures)
    {
        int places = parts.Count(p => p is Picture);
        if (places != pictures.Count)
            throw new ArgumentException($"The prompt has {places} places for pictures and {pictures.Count} pictures come with it; give one for each place.", nameof(pictures));
        var ids = new List<int>();
        int next = 0;
        foreach (PromptPart part in parts)
            ids.AddRange(part switch
            {
                Text text => tokenizer.Encode(text.Value),
                Control control => [tokenizer.FindId(control.Spelling) ??
                    throw new ArgumentException($"The vocabulary has no token '{control.Spelling}', which the model's prompts need; use the tokenizer that belongs to the model.", nameof(tokenizer))],
                _ => pictures[next++],
            });
        return [.. ids];
    }

    /// <summary>The prompt as people write it down: control tokens by their spelling, <paramref name="picture"/> for each picture.</summary>
    public static string Spell(IReadOnlyList<PromptPart> parts, string picture)
    {
        var text = new StringBuilder();
        foreach (PromptPart part in parts)
            text.Append(part switch { Text t => t.Value, Control c => c.Spelling, _ => picture });
        return text.ToString();
    }
}
