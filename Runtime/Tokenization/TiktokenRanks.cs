using System.Buffers.Text;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>Reads tiktoken rank files (a base64 token and its rank a line) as Qwen-VL has them.</summary>
internal static class TiktokenRanks
{
    private const int ExtraTokens = 205;

    /// <summary>Names of the tokens behind the last rank, which the file does not list.</summary>
    private static readonly string[] QwenControls =
    [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>",
        .. Enumerable.Range(0, ExtraTokens).Select(i => $"<|extra_{i}|>"),
        "<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>",
    ];

    /// <summary>Whether the file's first line looks like a rank.</summary>
    internal static bool Looks(ReadOnlySpan<byte> bytes)
    {
        int line = bytes.IndexOf((byte)'\n');
        ReadOnlySpan<byte> first = line < 0 ? bytes : bytes[..line].TrimEnd((byte)'\r');
        int space = first.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(first[..space]) && !first[(space + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    internal static ByteLevelBpeTokenizer Read(string file, ReadOnlySpan<byte> bytes)
    {
        var ranks = new List<byte[]>();
        for (int number = 1; !bytes.IsEmpty; number++)
        {
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? bytes : bytes[..end]).TrimEnd((byte)'\r');
            bytes = end < 0 ? default : bytes[(end + 1)..];
            if (line.IsEmpty && bytes.IsEmpty)
                break;
            int space = line.IndexOf((byte)' ');
            var token = new byte[line.Length];
            if (space <= 0 || line[..space].ContainsAny(" \t\r\n"u8) ||
                Base64.DecodeFromUtf8(line[..space], token, out _, out int length) != System.Buffers.OperationStatus.Done)
                throw new CheckpointException(file, $"line {number}", "is no base64 token, space, and rank. Download the file again.");
            if (!Utf8Parser.TryParse(line[(space + 1)..], out int rank, out int used) || used != line.Length - space - 1 || rank != ranks.Count)
                throw new CheckpointException(file, $"line {number}",
                    $"has the rank '{Encoding.UTF8.GetString(line[(space + 1)..])}' where {ranks.Count} is due; ranks ascend by one from 0. Download the file again.");
            if (ranks.Count == TokenizerVocabulary.MaxTokens)
                throw new CheckpointException(file, $"line {number}", $"is more than the {TokenizerVocabulary.MaxTokens} accepted.");
            ranks.Add(token[..length]);
        }
        string[] tokens = [.. ranks.Select(ByteAlphabet.Encode), .. QwenControls];
        int[] types = [.. ranks.Select(_ => (int)TokenType.Normal), .. QwenControls.Select(_ => (int)TokenType.Control)];
        var vocabulary = new TokenizerVocabulary(file, tokens, types, "") { EndIds = [ranks.Count, ranks.Count + 2] };
        return ByteLevelBpeTokenizer.FromRanks(vocabulary, PreTokenizer.Find("qwen2")!, UnicodeNormalizer.Nfc);
    }
}
