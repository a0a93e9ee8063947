using System.Runtime.CompilerServices;
using VlmSdk.Tokenization;

namespace VlmSdk.Benchmarks;

/// <summary>Text without a break, the worst case of merging, against four times a quarter of it: a ratio of 1 is linear cost.</summary>
internal static class TokenizerBenchmarks
{
    private const int Characters = 200_000;

    internal static void LongText(Report report)
    {
        foreach (string family in new[] { "llama-spm", "gemma-spm", "siglip-unigram", "llama3", "qwen-tiktoken", "tekken", "llama-json-metaspace" })
        {
            ITokenizer tokenizer = TokenizerFile.Load(Path.Combine(Folder(), family));
            // Random letters, so that many different pairs merge.
            var random = new Random(1);
            string text = string.Create(Characters, random, (span, r) =>
            {
                foreach (ref char c in span)
                    c = (char)('a' + r.Next(26));
            });
            string quarter = text[..(Characters / 4)];
            double seconds = Harness.Time(() => tokenizer.Encode(text)) / 1000;
            Harness.Measure(report, new Benchmark($"tokenize-{family}", () => tokenizer.Encode(text), () => tokenizer.Encode(quarter),
                $"{Characters:N0} letters without a break, {seconds:0.00} s the first time; limit: four times the time of a quarter of them", 9)
            {
                LimitScale = 4,
            });
        }
    }

    private static string Folder([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "Fixtures", "golden", "tokenizers"));
}
