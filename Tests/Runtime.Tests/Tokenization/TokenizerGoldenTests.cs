using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using VlmSdk.Decoding;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>Ids, decoded text and stream pieces of the golden vocabularies whose rules the GGUF kinds share.</summary>
internal sealed class TokenizerGoldenTests
{
    private static readonly Dictionary<string, string> Kinds = new()
    {
        ["gpt2"] = "gpt-2",
        ["llama3"] = "llama-bpe",
        ["qwen2"] = "qwen2",
        ["deepseek"] = "deepseek-llm",
        ["tekken"] = "tekken",
        ["llama-spm"] = "",
        ["gemma-spm"] = "",
    };

    private static readonly Dictionary<string, (ITokenizer Tokenizer, string Folder)> Loaded = [];

    private static IEnumerable<string> Names() => File.Exists(Golden.At("tokenizers", "corpus.json"))
        ? Golden.Cases("tokenizers").Select(f => Path.GetFileName(f)!).Where(Kinds.ContainsKey)
        : [];

    [Test]
    public void Every_kind_is_in_the_repositorys_set() =>
        Assert.That(Kinds.Keys.Where(name => !File.Exists(Golden.Own("tokenizers", name, "case.json"))), Is.Empty);

    [TestCaseSource(nameof(Names))]
    public void Ids_of_the_corpus(string name)
    {
        (ITokenizer tokenizer, string folder) = Load(name);
        JsonElement golden = Golden.Json(Path.Combine(folder, "ids.json"));
        JsonElement user = golden.GetProperty("user_ids");
        string[] corpus = Corpus();
        Assert.That(golden.GetProperty("ids").GetArrayLength(), Is.EqualTo(corpus.Length));
        for (int i = 0; i < corpus.Length; i++)
        {
            if (IsComposedFirst(name, golden, i))
                continue;
            int[] expected = Ids(golden.GetProperty("ids")[i]);
            int[] expectedUser = user.TryGetProperty($"{i}", out JsonElement other) ? Ids(other) : expected;
            // SentencePiece and Tekken never read control spellings in text.
            bool controls = tokenizer is ByteLevelBpeTokenizer && name != "tekken";
            Assert.That(tokenizer.Encode(corpus[i], allowControl: controls), Is.EqualTo(expected), $"string {i}: {corpus[i]}");
            Assert.That(tokenizer.Encode(corpus[i]), Is.EqualTo(expectedUser), $"string {i} from a user: {corpus[i]}");
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Decoding_of_the_corpus(string name)
    {
        (ITokenizer tokenizer, string folder) = Load(name);
        JsonElement golden = Golden.Json(Path.Combine(folder, "ids.json"));
        string[] corpus = Corpus();
        for (int i = 0; i < corpus.Length; i++)
        {
            if (IsComposedFirst(name, golden, i))
                continue;
            int[] ids = Ids(golden.GetProperty("ids")[i]);
            string text = golden.GetProperty("decoded").TryGetProperty($"{i}", out JsonElement decoded) ? decoded.GetString()! : corpus[i];
            string plain = golden.GetProperty("decoded_skip_special").TryGetProperty($"{i}", out JsonElement skipped) ? skipped.GetString()! : text;
            Assert.That(tokenizer.Decode(ids, skipControl: tokenizer is SentencePieceBpeTokenizer), Is.EqualTo(text), $"string {i}");
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(plain), $"string {i} without control tokens");
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Decoding_of_random_ids(string name)
    {
        (ITokenizer tokenizer, string folder) = Load(name);
        foreach (JsonElement row in Golden.Json(Path.Combine(folder, "decode.json")).EnumerateArray())
        {
            int[] ids = Ids(row.GetProperty("ids"));
            string text = row.GetProperty("text").GetString()!;
            string plain = row.TryGetProperty("skip_special", out JsonElement skipped) ? skipped.GetString()! : text;
            Assert.That(tokenizer.Decode(ids, skipControl: tokenizer is SentencePieceBpeTokenizer), Is.EqualTo(text), string.Join(", ", ids));
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(plain), string.Join(", ", ids));
            var stream = new StreamingDetokenizer(tokenizer);
            Assert.That(string.Concat(ids.Select(stream.Append)) + stream.Flush(), Is.EqualTo(plain));
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Stream_pieces(string name)
    {
        (ITokenizer tokenizer, string folder) = Load(name);
        foreach (JsonElement row in Golden.Json(Path.Combine(folder, "stream.json")).EnumerateArray())
        {
            int[] ids = Ids(row.GetProperty("ids"));
            string[] expected = [.. row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!)];
            var stream = new StreamingDetokenizer(tokenizer, skipControl: tokenizer is SentencePieceBpeTokenizer);
            List<string> pieces = [.. ids.Select(stream.Append)];
            string rest = stream.Flush();
            if (expected.Length > pieces.Count)
                pieces.Add(rest);
            Assert.That(pieces, Is.EqualTo(expected), row.GetProperty("text").ToString());
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Long_runs(string name)
    {
        (ITokenizer tokenizer, string folder) = Load(name);
        foreach (JsonElement row in Golden.Json(Path.Combine(folder, "long.json")).EnumerateArray())
        {
            string unit = row.GetProperty("unit").GetString()!;
            if (name == "qwen2" && unit.Any(c => char.GetUnicodeCategory(c) == UnicodeCategory.NonSpacingMark))
                continue;
            int[] ids = tokenizer.Encode(string.Concat(Enumerable.Repeat(unit, row.GetProperty("repeat").GetInt32())));
            Assert.That(ids, Has.Length.EqualTo(row.GetProperty("count").GetInt32()), unit);
            Assert.That(Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(ids.AsSpan()))), Is.EqualTo(row.GetProperty("sha256").GetString()), unit);
        }
    }

    private static IEnumerable<string> HandMade() => Golden.Cases("tokenizers").Where(f => Path.GetFileName(f) == "hand");

    [TestCaseSource(nameof(HandMade))]
    public void Hand_made_models(string folder)
    {
        var tokenizers = new Dictionary<string, SentencePieceBpeTokenizer?>();
        int tested = 0;
        foreach (JsonElement row in Golden.Json(Path.Combine(folder, "case.json")).GetProperty("cases").EnumerateArray())
        {
            string model = row.GetProperty("model").GetString()!;
            if (!model.StartsWith("bpe", StringComparison.Ordinal))
                continue;
            if (!tokenizers.TryGetValue(model, out SentencePieceBpeTokenizer? tokenizer))
                tokenizers.Add(model, tokenizer = FixtureVocabulary.FromSentencePiece(Path.Combine(folder, model)));
            if (tokenizer is null)
                continue;
            string text = row.GetProperty("text").GetString()!;
            int[] ids = tokenizer.Encode(text);
            Assert.That(ids, Is.EqualTo(Ids(row.GetProperty("ids"))), $"{model}: {text}");
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(row.GetProperty("decoded").GetString()), $"{model}: {text}");
            tested++;
        }
        Assert.That(tested, Is.Positive);
    }

    private static (ITokenizer Tokenizer, string Folder) Load(string name)
    {
        if (!Loaded.TryGetValue(name, out var entry))
        {
            string folder = Golden.At("tokenizers", name);
            ITokenizer tokenizer = name switch
            {
                "tekken" => FixtureVocabulary.FromTekken(folder),
                "llama-spm" or "gemma-spm" => FixtureVocabulary.FromSentencePiece(Path.Combine(folder, "tokenizer.model"))!,
                _ => FixtureVocabulary.FromJson(Path.Combine(folder, "tokenizer.json"), Kinds[name]),
            };
            Loaded.Add(name, entry = (tokenizer, folder));
        }
        return entry;
    }

    // Qwen2's tokenizer.json composes characters (NFC) before all else, which a GGUF vocabulary does not say; a string
    // that comes back different is one that was composed.
    private static bool IsComposedFirst(string name, JsonElement golden, int i) =>
        name == "qwen2" && golden.GetProperty("decoded").TryGetProperty($"{i}", out _);

    private static string[] Corpus() =>
        [.. Golden.Json(Golden.At("tokenizers", "corpus.json")).GetProperty("strings").EnumerateArray().Select(s => s.GetString()!)];

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(i => i.GetInt32())];
}
