using System.Text;
using System.Text.Json.Nodes;
using NUnit.Framework.Constraints;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>Tokenizer files of every format, whole and broken.</summary>
internal sealed class TokenizerFileTests
{
    private const string Piece = "0A070A03756E6B1802";

    [Test]
    public void Every_prefix_of_a_file_is_refused()
    {
        foreach ((string name, byte[] file) in new[] { ("model", Model()), ("json", Utf8(Json())), ("tekken", Utf8(Tekken())), ("ranks", Utf8(Ranks())) })
        {
            Assert.That(() => TokenizerFile.Parse(name, file), Throws.Nothing, name);
            for (int length = 0; length < file.Length; length++)
                Assert.That(() => TokenizerFile.Parse(name, file[..length]), Throws.TypeOf<CheckpointException>(), $"{length} bytes of {name}");
        }
    }

    [Test]
    public void Tekkens_own_file_is_read_before_a_copy_of_it()
    {
        using var folder = new Weights.TemporaryFolder();
        File.WriteAllText(folder.At("tokenizer.json"), Json());
        int copied = TokenizerFile.Load(folder.At("")).VocabularySize;
        File.WriteAllText(folder.At("tekken.json"), Tekken());
        int own = TokenizerFile.Load(folder.At("tekken.json")).VocabularySize;
        Assert.That(own, Is.Not.EqualTo(copied));
        Assert.That(TokenizerFile.Load(folder.At("")).VocabularySize, Is.EqualTo(own));
    }

    [Test]
    public void Damaged_bytes_never_give_another_kind_of_exception()
    {
        var random = new Random(21);
        foreach (byte[] file in new[] { Model(), Utf8(Json()), Utf8(Tekken()), Utf8(Ranks()), TokenizerComponentTests.File("unigram-t5"), TokenizerComponentTests.File("bpe-punctuation") })
            for (int round = 0; round < 400; round++)
            {
                byte[] damaged = [.. file];
                for (int i = random.Next(1, 4); i > 0; i--)
                    damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                try
                {
                    VocabularyTokenizer tokenizer = TokenizerFile.Parse("damaged", damaged);
                    Assert.That(() => tokenizer.Decode(tokenizer.Encode("ab \u00e9\U0001F642")), Throws.Nothing);
                }
                catch (CheckpointException e)
                {
                    Assert.That(e.Message, Does.Contain("damaged"));
                }
            }
    }

    [Test]
    public void Malformed_json_is_refused_by_name()
    {
        Refused(j => j.Replace("\"type\":\"BPE\"", "\"type\":\"WordPiece\"", StringComparison.Ordinal), "WordPiece");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":256,\"ab\":257", StringComparison.Ordinal), "not strict JSON");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":255", StringComparison.Ordinal), "255");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":-1", StringComparison.Ordinal), "-1");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":2000000", StringComparison.Ordinal), "2000000");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":\"x\"", StringComparison.Ordinal), "whole number");
        Refused(j => j.Replace("\"ab\":256", "\"ab\":300", StringComparison.Ordinal), "leaves out");
        Refused(j => j.Replace("[\"a\",\"b\"]", "[\"a\"]", StringComparison.Ordinal), "two spellings");
        Refused(j => j.Replace("[\"a\",\"b\"]", "[\"a\",\"zz\"]", StringComparison.Ordinal), "no token has");
        Refused(j => j.Replace("[\"a\",\"b\"]", "\"a b c\"", StringComparison.Ordinal), "two spellings");
        Refused(j => j.Replace("\"special\":true", "\"special\":1", StringComparison.Ordinal), "true or false");
        Refused(j => j.Replace("\"id\":257", "\"id\":256", StringComparison.Ordinal), "256");
        Refused(j => j.Replace("\"normalizer\":null", "\"normalizer\":{\"type\":\"BertNormalizer\"}", StringComparison.Ordinal), "BertNormalizer");
        Refused(j => j.Replace("\"post_processor\":null", "\"post_processor\":{\"type\":\"BertProcessing\"}", StringComparison.Ordinal), "post_processor.cls");
        Refused(j => j.Replace("\"pre_tokenizer\":{\"type\":\"ByteLevel\"", "\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"", StringComparison.Ordinal), "UnicodeScripts");
        Refused(j => j.Replace("\"decoder\":{\"type\":\"ByteLevel\"", "\"decoder\":{\"type\":\"CTC\"", StringComparison.Ordinal), "CTC");

        static void Refused(Func<string, string> damage, string part)
        {
            string json = damage(Json());
            Assert.That(json, Is.Not.EqualTo(Json()), part);
            Assert.That(() => TokenizerFile.Parse("t.json", Utf8(json)), Fails(part));
        }
    }

    [Test]
    public void Malformed_models_are_refused_by_name()
    {
        Assert.That(() => Parse(Piece + "12021801"), Fails("normalizer_spec"));
        Assert.That(() => Parse(Piece + "1A00"), Fails("trainer_spec"));
        Assert.That(() => Parse(Piece + "1202180312021801" + "1A00"), Fails("twice"));
        Assert.That(() => Parse(Piece + "12021803" + "1A00"), Fails("model_type"));
        Assert.That(() => Parse("0A021802" + "12021802" + "1A00"), Fails("no text"));
        Assert.That(() => Parse("0A030A01FF" + "12021802" + "1A00"), Fails("UTF-8"));
        Assert.That(() => Parse("0A02080112021802" + "1A00"), Fails("wire type"));
        Assert.That(() => Parse(Piece + "1205180202"), Fails("ends inside"));
        Assert.That(() => Parse(Piece + "1202180213"), Fails("wire type 3"));
        Assert.That(() => Parse(Piece + "12021802" + "1A041202" + "0000"), Fails("charsmap"));

        static VocabularyTokenizer Parse(string hex) => TokenizerFile.Parse("m.model", Convert.FromHexString(hex));
    }

    [Test]
    public void Malformed_ranks_are_refused_by_line()
    {
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Ranks().Replace(" 7\n", " 8\n", StringComparison.Ordinal))), Fails("line 8"));
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Ranks().Replace(" 7\n", " x\n", StringComparison.Ordinal))), Fails("line 8"));
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Ranks().Replace("Bw== 7\n", "B*== 7\n", StringComparison.Ordinal))), Fails("line 8"));
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Ranks().Replace("Bw== 7\n", "Bg== 7\n", StringComparison.Ordinal))), Fails("spelt"));
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Tekken().Replace("\"rank\":7,", "\"rank\":6,", StringComparison.Ordinal))), Fails("7 is due"));
        Assert.That(() => TokenizerFile.Parse("r", Utf8(Tekken().Replace("\"default_vocab_size\":276", "\"default_vocab_size\":277", StringComparison.Ordinal))), Fails("277"));
        Assert.That(() => TokenizerFile.Parse("r", [1, 2, 3]), Fails("no tokenizer"));
        Assert.That(() => TokenizerFile.Load(Path.Combine(Path.GetTempPath(), "no-such-folder", "x")), Throws.TypeOf<CheckpointException>());
    }

    [TestCase("e\u0301", "\u00e9")]
    [TestCase("\u1100\u1161\u11a8", "\uac01")]
    [TestCase("\u212b", "\u00c5")]
    [TestCase("\u0344", "\u0308\u0301")]
    [TestCase("a\u0323\u0307\u0301", "\u1ea1\u0307\u0301")]
    [TestCase("a\u0307\u0323", "\u1ea1\u0307")]
    [TestCase("\u0958", "\u0915\u093c")]
    [TestCase("\u09c7\u09be", "\u09cb")]
    [TestCase("\U00011099\U000110BA", "\U0001109A")]
    [TestCase("plain", "plain")]
    public void Characters_compose(string text, string expected) =>
        Assert.That(UnicodeNormalizer.Nfc.Normalize(text), Is.EqualTo(expected));

    [TestCase(@"\s?[a-c\-]+|\p{N}{1,2}|x", "a-b 123xy c", "a-b| |12|3|x|y| c")]
    [TestCase(@"[^\r\n\p{L}\p{N}]?\p{L}+|\s+(?!\S)|\s+", "  ab  \U0001D4B3\U0001F642q", " | ab| | \U0001D4B3|\U0001F642q")]
    public void Expressions_split(string expression, string text, string expected) =>
        Assert.That(string.Join("|", PreTokenizer.FromPattern(expression)!.Split(text).Select(p => text.Substring(p.Start, p.Length))), Is.EqualTo(expected));

    [TestCase("(a|b)+")]
    [TestCase("a++")]
    [TestCase("a$")]
    [TestCase("[a")]
    [TestCase(@"\p{Greek}")]
    [TestCase("a||b")]
    [TestCase("a{3,1}")]
    [TestCase("")]
    public void Other_expressions_are_not_read(string expression) => Assert.That(PreTokenizer.FromPattern(expression), Is.Null);

    private static IResolveConstraint Fails(string part) => Throws.TypeOf<CheckpointException>().With.Message.Contains(part);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Model() => Convert.FromHexString(Piece + "0A030A0161" + "0A030A0162" + "12021802" + "1A021800");

    // Text never holds the byte FF, so it does not stand last: without the last line a byte of text must be missing.
    private static string Ranks() => string.Join("\n", Enumerable.Range(0, 256).Select(b => $"{Convert.ToBase64String([b == 'A' ? (byte)0xFF : b == 0xFF ? (byte)'A' : (byte)b])} {b}"));

    private static string Tekken() => new JsonObject
    {
        ["config"] = new JsonObject { ["pattern"] = WordPatterns.TekkenExpression, ["default_vocab_size"] = 276, ["default_num_special_tokens"] = 20 },
        ["vocab"] = new JsonArray([.. Enumerable.Range(0, 256).Select(b => new JsonObject { ["rank"] = b, ["token_bytes"] = Convert.ToBase64String([(byte)b]) })]),
    }.ToJsonString();

    private static string Json()
    {
        var vocabulary = new JsonObject();
        for (int b = 0; b < 256; b++)
            vocabulary.Add(ByteAlphabet.CharacterOf((byte)b).ToString(), b);
        vocabulary.Add("ab", 256);
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 257, ["content"] = "<end>", ["special"] = true }),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray(new JsonArray("a", "b")) },
        }.ToJsonString();
    }
}
