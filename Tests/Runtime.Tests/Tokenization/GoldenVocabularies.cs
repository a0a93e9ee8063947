using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>The vocabularies of the golden folder.</summary>
internal static class GoldenVocabularies
{
    /// <summary>The vision tags, which alone Qwen-VL's chat encoding lets through.</summary>
    private static readonly string[] VisionTags = ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"];

    internal static IEnumerable<string> Names() => Golden.Cases("tokenizers", "ids.json").Select(f => Path.GetFileName(f)!);

    internal static VocabularyTokenizer Load(string name) => (VocabularyTokenizer)TokenizerFile.Load(Golden.At("tokenizers", name));

    /// <summary>Control tokens that the reference recognises in a text: all in tokenizer.json, none in SentencePiece and Tekken.</summary>
    internal static IReadOnlySet<int> Recognised(VocabularyTokenizer tokenizer)
    {
        IEnumerable<int> ids = Path.GetFileName(tokenizer.Vocabulary.Source) switch
        {
            "tokenizer.json" => Enumerable.Range(0, tokenizer.VocabularySize),
            var file when file.EndsWith(".tiktoken", StringComparison.Ordinal) => VisionTags.Select(tag => tokenizer.FindId(tag)!.Value),
            _ => [],
        };
        return ids.ToHashSet();
    }
}
