using VlmSdk.Weights;

namespace VlmSdk.Tokenization;

/// <summary>Tokenizers from the vocabularies that GGUF files embed.</summary>
public static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";

    /// <summary>Whether the file embeds a vocabulary at all.</summary>
    public static bool IsPresent(GgufFile file) => file.Metadata.Contains(Prefix + "model");

    /// <summary>
    /// Builds the tokenizer of <c>tokenizer.ggml.model</c>: <c>llama</c> (SentencePiece by scores) or <c>gpt2</c>
    /// (byte-level, split as <c>tokenizer.ggml.pre</c> says).
    /// </summary>
    /// <exception cref="CheckpointException">A key is missing, of the wrong type, of unequal length, or names a kind that is not known.</exception>
    public static ITokenizer Load(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        string model = metadata.GetString(Prefix + "model");
        return model switch
        {
            "llama" => new SentencePieceBpeTokenizer(
                Vocabulary(file, addsBeginByDefault: true), metadata.GetFloats(Prefix + "scores"), Flag(metadata, "add_space_prefix", true)),
            "gpt2" => ByteLevel(file),
            _ => throw new CheckpointException(file.Source, Prefix + "model",
                $"is '{model}'; this library reads 'llama' and 'gpt2' vocabularies. Convert the model with one of them."),
        };
    }

    private static ByteLevelBpeTokenizer ByteLevel(GgufFile file)
    {
        string pre = file.Metadata.GetString(Prefix + "pre");
        // A wrong split gives wrong ids in silence, so nothing is assumed.
        PreTokenizer splitter = PreTokenizer.Find(pre) ?? throw new CheckpointException(file.Source, Prefix + "pre",
            $"is '{pre}', which is not known. Known are {string.Join(", ", PreTokenizer.Names)}.");
        return new ByteLevelBpeTokenizer(Vocabulary(file, splitter.AddsBegin), file.Metadata.GetStrings(Prefix + "merges"), splitter);
    }

    private static TokenizerVocabulary Vocabulary(GgufFile file, bool addsBeginByDefault)
    {
        GgufMetadata metadata = file.Metadata;
        int? begin = Id(file, "bos_token_id");
        int?[] ends = [Id(file, "eos_token_id"), Id(file, "eot_token_id"), Id(file, "eom_token_id")];
        if (begin is null && Flag(metadata, "add_bos_token", false))
            throw new CheckpointException(file.Source, Prefix + "add_bos_token", "is true, but there is no bos_token_id.");
        IReadOnlyList<string> tokens = metadata.GetStrings(Prefix + "tokens");
        int[] types = metadata.TryGetInts(Prefix + "token_type", out IReadOnlyList<int>? given)
            ? [.. given]
            : [.. Enumerable.Repeat((int)TokenType.Normal, tokens.Count)];
        // Some converters type begin and end markers as content; a user's text must not reach them all the same.
        foreach (int id in ends.Append(begin).OfType<int>())
            if (id < types.Length && types[id] is (int)TokenType.Normal or (int)TokenType.UserDefined)
                types[id] = (int)TokenType.Control;
        return new TokenizerVocabulary(file.Source, tokens, types)
        {
            BeginId = begin,
            EndIds = [.. ends.OfType<int>().Distinct()],
            AddsBegin = begin is not null && Flag(metadata, "add_bos_token", addsBeginByDefault),
        };
    }

    private static int? Id(GgufFile file, string key)
    {
        if (!file.Metadata.Contains(Prefix + key))
            return null;
        uint id = file.Metadata.GetUInt32(Prefix + key);
        return id <= int.MaxValue ? (int)id : throw new CheckpointException(file.Source, Prefix + key, $"is {id}, which no vocabulary reaches.");
    }

    private static bool Flag(GgufMetadata metadata, string key, bool whenMissing) =>
        metadata.TryGetBool(Prefix + key, out bool value) ? value : whenMissing;
}
