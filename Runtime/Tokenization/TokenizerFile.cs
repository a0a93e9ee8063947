using System.Text;
using VlmSdk.Weights;

namespace VlmSdk.Tokenization;

/// <summary>Opens a published tokenizer, whatever its format.</summary>
public static class TokenizerFile
{
    // File names looked for in a folder, the first found is read; then any single *.tiktoken or *.model. Tekken's own file comes first:
    // copies of it as tokenizer.json were published with another model's rule for splitting text.
    private static readonly string[] Names = ["tekken.json", "tokenizer.json", "tokenizer.model", "spiece.model"];

    /// <summary>
    /// Reads a tokenizer file: <c>tokenizer.json</c>, SentencePiece <c>.model</c>, tiktoken ranks of Qwen-VL, Tekken, or the
    /// vocabulary inside a GGUF file. The format is found by the content.
    /// </summary>
    /// <param name="path">The file, or the folder of a model that holds one.</param>
    /// <exception cref="CheckpointException">There is no such file, it is of no known format, malformed, or needs a rule that is not known.</exception>
    public static ITokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string file = Directory.Exists(path) ? FindIn(path) : path;
        using ByteSource source = ByteSource.FromFile(file);
        var magic = new byte[Math.Min(4, source.Length)];
        source.Read(0, magic);
        if (magic.AsSpan().SequenceEqual("GGUF"u8))
        {
            using GgufFile gguf = GgufFile.Open(file);
            return GgufTokenizer.Load(gguf);
        }
        if (source.Length > TokenizerVocabulary.MaxFileBytes)
            throw new CheckpointException(file, null, $"has {source.Length} bytes; a tokenizer has at most {TokenizerVocabulary.MaxFileBytes}. Choose another file.");
        var bytes = new byte[source.Length];
        source.Read(0, bytes);
        return Parse(file, bytes);
    }

    /// <summary>Reads the bytes of a file of any format but GGUF.</summary>
    internal static VocabularyTokenizer Parse(string file, byte[] bytes)
    {
        if (bytes.Length == 0)
            throw new CheckpointException(file, null, "is empty. Download it again.");
        if (TiktokenRanks.Looks(bytes))
            return TiktokenRanks.Read(file, bytes);
        return bytes[0] switch
        {
            (byte)'{' => JsonTokenizer.Read(file, bytes),
            // The first field of a SentencePiece model: number 1, length-delimited.
            0x0A => SentencePieceModel.Read(file, bytes),
            _ => throw new CheckpointException(file, null,
                "is no tokenizer this library reads: tokenizer.json, a SentencePiece .model, tiktoken ranks, tekken.json, or a GGUF file. Choose another file."),
        };
    }

    private static string FindIn(string folder)
    {
        if (Names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is string named)
            return named;
        string[] others = [.. Directory.GetFiles(folder, "*.tiktoken"), .. Directory.GetFiles(folder, "*.model")];
        return others.Length == 1 ? others[0] : throw new CheckpointException(folder, null,
            $"holds {others.Length} tokenizers; {string.Join(", ", Names)}, or one *.tiktoken or *.model file are looked for. Name the file itself.");
    }
}
