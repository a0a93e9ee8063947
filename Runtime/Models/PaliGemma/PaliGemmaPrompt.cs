using VlmSdk.Tokenization;

namespace VlmSdk.Models.PaliGemma;

/// <summary>
/// PaliGemma's prompts: picture rows, the begin token, the text, a newline (spec sheet paligemma, sections 8 and 9).
/// Text of the user never becomes a control token.
/// </summary>
public static class PaliGemmaPrompt
{
    /// <summary>A short caption; <paramref name="language"/> is a two-letter code such as en.</summary>
    public static string Caption(string language = "en") => $"caption {Language(language)}";

    /// <summary>A longer caption (pre-trained models).</summary>
    public static string Describe(string language = "en") => $"describe {Language(language)}";

    /// <summary>The text in the picture.</summary>
    public static string ReadText() => "ocr";

    /// <summary>A question about the picture.</summary>
    public static string Answer(string question, string language = "en") => $"answer {Language(language)} {question}";

    /// <summary>Boxes of things.</summary>
    /// <exception cref="ArgumentException">There is no thing, or one is empty or holds a semicolon or line break, which separate things and prompts.</exception>
    public static string Detect(params IReadOnlyList<string> things) => $"detect {Things(things)}";

    /// <summary>Boxes and masks of things.</summary>
    /// <exception cref="ArgumentException">There is no thing, or one is empty or holds a semicolon or line break, which separate things and prompts.</exception>
    public static string Segment(params IReadOnlyList<string> things) => $"segment {Things(things)}";

    /// <summary>A prompt behind its pictures: the begin token, the text, and a newline by itself, which behind a text that ends in one would become another token.</summary>
    /// <param name="prompt">One of this class' prompts, free text, or nothing.</param>
    /// <param name="pictures">Pictures in front of the text.</param>
    public static IReadOnlyList<PromptPart> Parts(string prompt, int pictures = 1) =>
        [.. Enumerable.Repeat(new PromptPart.Picture(), pictures), new PromptPart.Control("<bos>"), new PromptPart.Text(prompt), new PromptPart.Text("\n")];

    /// <summary>The ids of a prompt with its picture rows in front, as <see cref="Expand"/> takes them.</summary>
    /// <param name="config">The model.</param>
    /// <param name="tokenizer">Its vocabulary.</param>
    /// <param name="prompt">One of this class' prompts, free text, or nothing.</param>
    /// <param name="pictures">Pictures in front of the text, in order.</param>
    public static int[] Encode(PaliGemmaConfig config, ITokenizer tokenizer, string prompt, int pictures = 1)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegative(pictures);
        int[] rows = [.. Enumerable.Repeat(config.ImageToken, config.ImageRows)];
        return PromptPart.Ids(Parts(prompt, pictures), tokenizer, [.. Enumerable.Repeat(rows, pictures)]);
    }

    /// <summary>Ids as the decoder takes them: every place of a picture row holds id 0, which is looked up and replaced, and the places are listed in order.</summary>
    /// <param name="config">The model.</param>
    /// <param name="ids">Ids of one sequence, or of several of equal length one after the other.</param>
    /// <param name="pictures">Pictures that come with them.</param>
    /// <exception cref="ArgumentException">The prompt asks for more or fewer pictures than there are.</exception>
    public static (int[] Ids, int[] Places) Expand(PaliGemmaConfig config, ReadOnlySpan<int> ids, int pictures)
    {
        ArgumentNullException.ThrowIfNull(config);
        int[] expanded = ids.ToArray();
        int[] places = [.. Enumerable.Range(0, expanded.Length).Where(i => expanded[i] == config.ImageToken)];
        foreach (int place in places)
            expanded[place] = 0;
        return places.Length == (long)pictures * config.ImageRows
            ? (expanded, places)
            : throw new ArgumentException($"The prompt has room for {places.Length} picture rows and {pictures} pictures bring {(long)pictures * config.ImageRows}; " +
                $"put {config.ImageRows} image tokens per picture in front of the text.", nameof(pictures));
    }

    /// <summary>
    /// The segments of a batch for <see cref="PaliGemmaModel.TeacherForced"/>: 0 on pictures and prompt, whose tokens see each
    /// other; 1 on the answer, causal; 2 on padding, which no one sees.
    /// </summary>
    /// <param name="isAnswer">Not 0 on tokens of the answer, its end token among them.</param>
    /// <param name="isReal">0 on padding.</param>
    /// <exception cref="ArgumentException">The two are not equally long.</exception>
    public static int[] Segments(ReadOnlySpan<int> isAnswer, ReadOnlySpan<int> isReal)
    {
        if (isAnswer.Length != isReal.Length)
            throw new ArgumentException($"{isAnswer.Length} marks of answers and {isReal.Length} of padding; give one of each per token.", nameof(isReal));
        var segments = new int[isReal.Length];
        for (int i = 0; i < segments.Length; i++)
            segments[i] = isReal[i] == 0 ? 2 : isAnswer[i] != 0 ? 1 : 0;
        return segments;
    }

    private static string Language(string code) => code is { Length: 2 } && code.All(char.IsAsciiLetterLower)
        ? code
        : throw new ArgumentException($"'{code}' is no language code; give two small letters such as en.", nameof(code));

    private static string Things(IReadOnlyList<string> things)
    {
        if (things.Count == 0 || things.Any(t => string.IsNullOrWhiteSpace(t) || t.AsSpan().ContainsAny(';', '\n', '\r')))
            throw new ArgumentException("Name at least one thing; none may be empty or hold a semicolon or line break.", nameof(things));
        return string.Join(" ; ", things.Select(t => t.Trim()));
    }
}
