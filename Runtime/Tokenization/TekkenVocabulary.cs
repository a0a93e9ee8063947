using System.Globalization;

namespace VlmSdk.Tokenization;

/// <summary>Reads Tekken vocabularies, the <c>tekken.json</c> of Mistral's models.</summary>
internal static class TekkenVocabulary
{
    /// <summary>The names of the first special tokens in files that list none.</summary>
    private static readonly string[] DefaultControls =
    [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
        "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ];

    internal static bool Looks(StrictValue root) => !root.Field("config").IsNull && !root.Field("vocab").IsNull;

    internal static ByteLevelBpeTokenizer Read(string file, StrictValue root)
    {
        StrictValue config = root.Field("config"), size = config.Field("default_vocab_size"), reserved = config.Field("default_num_special_tokens");
        int specials = reserved.Number(), total = size.Number();
        if (specials < 3 || total <= specials || total > TokenizerVocabulary.MaxTokens)
            throw size.Fault($"is {total} with {specials} special tokens; at least 3 special ones and at most {TokenizerVocabulary.MaxTokens} in all are accepted.");
        StrictValue pattern = config.Field("pattern");
        PreTokenizer splitter = PreTokenizer.FromPattern(pattern.Text()) ?? throw pattern.Fault("is an expression this library cannot read.");
        var tokens = new List<string>(Controls(root, specials));
        var types = new List<int>(Enumerable.Repeat((int)TokenType.Control, specials));
        int rank = 0;
        StrictValue vocab = root.Field("vocab");
        foreach (StrictValue entry in vocab.Items().Take(total - specials))
        {
            StrictValue given = entry.Field("rank");
            if (given.Number() != rank)
                throw given.Fault($"is {given.Number()} where {rank} is due; ranks ascend by one from 0.");
            rank++;
            StrictValue bytes = entry.Field("token_bytes");
            string text = bytes.Text();
            var buffer = new byte[text.Length];
            if (!Convert.TryFromBase64String(text, buffer, out int length))
                throw bytes.Fault("is no base64.");
            tokens.Add(ByteAlphabet.Encode(buffer[..length]));
            types.Add((int)TokenType.Normal);
        }
        if (rank < total - specials)
            throw vocab.Fault($"has {rank} entries; default_vocab_size {total} with {specials} special tokens needs {total - specials}.");
        var plain = new TokenizerVocabulary(file, tokens, types, "");
        var vocabulary = new TokenizerVocabulary(file, tokens, types, "")
        {
            BeginId = plain.Ids.TryGetValue("<s>", out int begin) ? begin : null,
            EndIds = plain.Ids.TryGetValue("</s>", out int end) ? [end] : [],
            AddsBegin = plain.Ids.ContainsKey("<s>"),
        };
        return ByteLevelBpeTokenizer.FromRanks(vocabulary, splitter, null, new TextRules { ControlEndsCharacter = true });
    }

    private static string[] Controls(StrictValue root, int count)
    {
        string?[] names = new string?[count];
        StrictValue listed = root.Field("special_tokens");
        if (listed.IsNull)
            Array.Copy(DefaultControls, names, Math.Min(count, DefaultControls.Length));
        else
            foreach (StrictValue entry in listed.Items())
            {
                StrictValue rank = entry.Field("rank");
                int id = rank.Number();
                if ((uint)id >= (uint)count || names[id] is not null)
                    throw rank.Fault($"is {id}; special tokens have distinct ranks from 0 to {count - 1}.");
                names[id] = entry.Field("token_str").Text();
            }
        return [.. names.Select((name, id) => name ?? string.Create(CultureInfo.InvariantCulture, $"<SPECIAL_{id}>"))];
    }
}
