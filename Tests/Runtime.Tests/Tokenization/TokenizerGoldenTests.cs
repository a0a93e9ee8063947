using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using VlmSdk.Decoding;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>Ids, decoded text and stream pieces of every vocabulary in the golden folder, each read from its own file.</summary>
internal sealed class TokenizerGoldenTests
{
    private static readonly Dictionary<string, VocabularyTokenizer> Loaded = [];

    private static IEnumerable<string> Names() => GoldenVocabularies.Names();

    [TestCaseSource(nameof(Names))]
    public void Ids_of_the_corpus(string name)
    {
        VocabularyTokenizer tokenizer = Load(name);
        JsonElement golden = File(name, "ids.json"), user = golden.GetProperty("user_ids");
        string[] corpus = Corpus();
        Assert.That(golden.GetProperty("ids").GetArrayLength(), Is.EqualTo(corpus.Length));
        for (int i = 0; i < corpus.Length; i++)
        {
            int[] expected = Ids(golden.GetProperty("ids")[i]);
            int[] expectedUser = user.TryGetProperty($"{i}", out JsonElement other) ? Ids(other) : expected;
            Assert.That(tokenizer.Encode(corpus[i], GoldenVocabularies.Recognised(tokenizer)), Is.EqualTo(expected), $"string {i}: {corpus[i]}");
            Assert.That(tokenizer.Encode(corpus[i]), Is.EqualTo(expectedUser), $"string {i} from a user: {corpus[i]}");
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Cases_of_the_vocabulary(string name)
    {
        VocabularyTokenizer tokenizer = Load(name);
        JsonElement golden = File(name, "case.json");
        string[] corpus = Corpus();
        foreach (JsonElement row in Rows(golden, "flag_cases"))
        {
            string text = row.GetProperty("text").GetString()!;
            Assert.That(tokenizer.Encode(text, allowControl: true), Is.EqualTo(Ids(row.GetProperty("ids"))), text);
            Assert.That(tokenizer.Encode(text), Is.EqualTo(Ids(row.GetProperty("user_ids"))), text);
        }
        foreach (JsonElement row in Rows(golden, "ignore_merges"))
            Assert.That(tokenizer.Encode(row.GetProperty("text").GetString()!), Is.EqualTo(Ids(row.GetProperty("ids"))), row.ToString());
        foreach (JsonElement row in Rows(golden, "with_automatic_specials"))
            Assert.That(tokenizer.EncodeComplete(row.GetProperty("text").GetString()!, allowControl: true), Is.EqualTo(Ids(row.GetProperty("ids"))), row.ToString());
        foreach (JsonElement row in Rows(golden, "piece_cases"))
            AssertPieces(tokenizer, row);
        foreach (JsonElement row in Rows(golden, "pieces"))
            Assert.That(tokenizer.Vocabulary.Tokens[row[0].GetInt32()], Is.EqualTo(row[1].GetString()));
        if (golden.TryGetProperty("all_special", out JsonElement all))
            foreach (JsonProperty entry in all.EnumerateObject())
                Assert.That(tokenizer.Encode(corpus[int.Parse(entry.Name, System.Globalization.CultureInfo.InvariantCulture)], allowControl: true), Is.EqualTo(Ids(entry.Value)));
        if (golden.TryGetProperty("special_tokens", out JsonElement specials))
            foreach (JsonProperty entry in specials.EnumerateObject())
                Assert.That(tokenizer.FindId(entry.Value.GetString()!)?.ToString(System.Globalization.CultureInfo.InvariantCulture), Is.EqualTo(entry.Name));
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(golden.GetProperty("vocab_size").GetInt32()));
    }

    [TestCaseSource(nameof(Names))]
    public void Decoding_of_the_corpus(string name)
    {
        VocabularyTokenizer tokenizer = Load(name);
        JsonElement golden = File(name, "ids.json");
        string[] corpus = Corpus();
        for (int i = 0; i < corpus.Length; i++)
        {
            int[] ids = Ids(golden.GetProperty("ids")[i]);
            string text = golden.GetProperty("decoded").TryGetProperty($"{i}", out JsonElement decoded) ? decoded.GetString()! : corpus[i];
            string plain = golden.GetProperty("decoded_skip_special").TryGetProperty($"{i}", out JsonElement skipped) ? skipped.GetString()! : text;
            Assert.That(tokenizer.Decode(ids, skipControl: tokenizer is SentencePieceTokenizer), Is.EqualTo(text), $"string {i}");
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(plain), $"string {i} without control tokens");
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Decoding_of_random_ids(string name)
    {
        VocabularyTokenizer tokenizer = Load(name);
        foreach (JsonElement row in File(name, "decode.json").EnumerateArray())
        {
            int[] ids = Ids(row.GetProperty("ids"));
            string text = row.GetProperty("text").GetString()!;
            string plain = row.TryGetProperty("skip_special", out JsonElement skipped) ? skipped.GetString()! : text;
            Assert.That(tokenizer.Decode(ids, skipControl: tokenizer is SentencePieceTokenizer), Is.EqualTo(text), string.Join(", ", ids));
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(plain), string.Join(", ", ids));
            var stream = new StreamingDetokenizer(tokenizer);
            string streamed = string.Concat(ids.Select(stream.Append)) + stream.Flush();
            // What a stream has shown of a run of bytes it cannot take back when the run turns out to be invalid.
            if (tokenizer.TextRules.Invalid == InvalidBytes.WholeRun && plain.Contains('\uFFFD'))
                continue;
            Assert.That(streamed, Is.EqualTo(plain));
        }
    }

    [TestCaseSource(nameof(Names))]
    public void Stream_pieces(string name)
    {
        VocabularyTokenizer tokenizer = Load(name);
        foreach (JsonElement row in File(name, "stream.json").EnumerateArray())
        {
            int[] ids = Ids(row.GetProperty("ids"));
            string[] expected = [.. row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!)];
            var stream = new StreamingDetokenizer(tokenizer, skipControl: tokenizer is SentencePieceTokenizer);
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
        VocabularyTokenizer tokenizer = Load(name);
        foreach (JsonElement row in File(name, "long.json").EnumerateArray())
        {
            string unit = row.GetProperty("unit").GetString()!;
            int[] ids = tokenizer.Encode(string.Concat(Enumerable.Repeat(unit, row.GetProperty("repeat").GetInt32())));
            Assert.That(ids, Has.Length.EqualTo(row.GetProperty("count").GetInt32()), unit);
            Assert.That(Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(ids.AsSpan()))), Is.EqualTo(row.GetProperty("sha256").GetString()), unit);
        }
    }

    [Test]
    public void Hand_made_models()
    {
        string folder = Golden.At("tokenizers", "hand");
        if (!Directory.Exists(folder))
            Assert.Ignore("This golden folder has no hand-made tokenizers.");
        foreach (IGrouping<string, JsonElement> model in Golden.Json(Path.Combine(folder, "case.json")).GetProperty("cases").EnumerateArray()
            .GroupBy(row => row.GetProperty("model").GetString()!))
        {
            ITokenizer tokenizer = TokenizerFile.Load(Path.Combine(folder, model.Key));
            foreach (JsonElement row in model)
            {
                string text = row.GetProperty("text").GetString()!;
                int[] ids = tokenizer.Encode(text);
                Assert.That(ids, Is.EqualTo(Ids(row.GetProperty("ids"))), $"{model.Key}: {text}");
                Assert.That(tokenizer.Decode(ids), Is.EqualTo(row.GetProperty("decoded").GetString()), $"{model.Key}: {text}");
            }
        }
    }

    // The reference names an unknown token by the text it stands for.
    private static void AssertPieces(VocabularyTokenizer tokenizer, JsonElement row)
    {
        string text = row.GetProperty("text").GetString()!;
        string[] expected = [.. row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!)];
        int[] ids = tokenizer.Encode(text);
        Assert.That(ids, Has.Length.EqualTo(expected.Length), text);
        for (int i = 0; i < ids.Length; i++)
            if (tokenizer.Vocabulary.Types[ids[i]] != TokenType.Unknown)
                Assert.That(tokenizer.Vocabulary.Tokens[ids[i]], Is.EqualTo(expected[i]), text);
    }

    private static VocabularyTokenizer Load(string name)
    {
        if (!Loaded.TryGetValue(name, out VocabularyTokenizer? tokenizer))
            Loaded.Add(name, tokenizer = GoldenVocabularies.Load(name));
        return tokenizer;
    }

    private static JsonElement File(string name, string file) => Golden.Json(Golden.At("tokenizers", name, file));

    private static IEnumerable<JsonElement> Rows(JsonElement golden, string name) =>
        golden.TryGetProperty(name, out JsonElement rows) ? rows.EnumerateArray() : [];

    private static string[] Corpus() =>
        [.. Golden.Json(Golden.At("tokenizers", "corpus.json")).GetProperty("strings").EnumerateArray().Select(s => s.GetString()!)];

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(i => i.GetInt32())];
}
