using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>
/// Small tokenizer.json files, one a combination of components, with what the original library makes of the same texts
/// (recorded; RustTokenizersTests compares the records with the library itself where it is installed).
/// </summary>
internal sealed class TokenizerComponentTests
{
    private static readonly JsonElement Recorded = Golden.Json(Path.Combine(RustOracle.Here(), "..", "..", "Fixtures", "tokenizer-components.json"));

    internal static string[] Texts { get; } = [.. Recorded.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)];

    internal static IEnumerable<string> Names() => Recorded.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("name").GetString()!);

    internal static JsonElement Case(string name) => Recorded.GetProperty("cases").EnumerateArray().First(c => c.GetProperty("name").GetString() == name);

    /// <summary>The file of a case.</summary>
    internal static byte[] File(string name)
    {
        JsonObject tokenizer = JsonObject.Create(Case(name).GetProperty("tokenizer"))!;
        tokenizer["model"] = JsonNode.Parse(Recorded.GetProperty("models").GetProperty(tokenizer["model"]!.GetValue<string>()).GetRawText());
        return Encoding.UTF8.GetBytes(tokenizer.ToJsonString());
    }

    [TestCaseSource(nameof(Names))]
    public void Ids_and_texts_are_the_originals(string name)
    {
        VocabularyTokenizer tokenizer = TokenizerFile.Parse(name, File(name));
        JsonElement expected = Case(name);
        for (int i = 0; i < Texts.Length; i++)
        {
            int[] ids = [.. expected.GetProperty("ids")[i].EnumerateArray().Select(id => id.GetInt32())];
            Assert.That(tokenizer.Encode(Texts[i], allowControl: true), Is.EqualTo(ids), JsonSerializer.Serialize(Texts[i]));
            Assert.That(tokenizer.Decode(ids, skipControl: false), Is.EqualTo(expected.GetProperty("whole")[i].GetString()), JsonSerializer.Serialize(Texts[i]));
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(expected.GetProperty("plain")[i].GetString()), JsonSerializer.Serialize(Texts[i]));
        }
    }

    [Test]
    public void A_unigram_template_closes_a_text()
    {
        VocabularyTokenizer tokenizer = TokenizerFile.Parse("t5", File("unigram-t5"));
        Assert.That(tokenizer.EncodeComplete("the cat"), Is.EqualTo([.. tokenizer.Encode("the cat"), tokenizer.FindId("</s>")]));
    }

    [TestCase("\"unk_id\":0", "\"unk_id\":null", "model.unk_id")]
    [TestCase("\"unk_id\":0", "\"unk_id\":9999", "model.unk_id")]
    [TestCase("[\"the\",", "[\"the\",1,", "a spelling and its score")]
    [TestCase("[\"the\",", "[\"th\",", "'th'")]
    [TestCase("[\"the\",", "[\"\",", "0 characters")]
    [TestCase("\"type\":\"Unigram\"", "\"type\":\"WordLevel\"", "WordLevel")]
    [TestCase("\"type\":\"Metaspace\"", "\"type\":\"ByteLevel\",\"add_prefix_space\":false", "ByteLevel")]
    [TestCase("\"type\":\"Precompiled\"", "\"type\":\"Nmt\"", "'Nmt'")]
    [TestCase("\"type\":\"WhitespaceSplit\"", "\"type\":\"UnicodeScripts\"", "'UnicodeScripts'")]
    [TestCase("\"type\":\"TemplateProcessing\"", "\"type\":\"Odd\"", "'Odd'")]
    [TestCase("\"precompiled_charsmap\":\"", "\"precompiled_charsmap\":\"!", "precompiled_charsmap")]
    [TestCase("\"prepend_scheme\":\"always\"", "\"prepend_scheme\":\"often\"", "often")]
    [TestCase("\"decoder\":{", "\"decoder\":null,\"no\":{", "decoder")]
    public void What_is_not_read_is_refused_by_name(string from, string to, string named)
    {
        string json = Encoding.UTF8.GetString(File("unigram-t5"));
        // The writer of the fixture escapes other than ASCII; the names here are ASCII.
        string changed = json.Replace(from, to, StringComparison.Ordinal);
        Assert.That(changed, Is.Not.EqualTo(json));
        Assert.That(() => TokenizerFile.Parse("t5", Encoding.UTF8.GetBytes(changed)),
            Throws.TypeOf<CheckpointException>().With.Message.Contains(named).And.Message.Contains("t5"));
    }

    [Test]
    public void What_a_normaliser_inserts_is_bounded()
    {
        string json = Encoding.UTF8.GetString(File("unigram-siglip")), sought = "\"content\":\" \"";
        Assert.That(json, Does.Contain(sought));
        Assert.That(() => Read(new string('a', TokenizerVocabulary.MaxSpelling)), Throws.Nothing);
        Assert.That(() => Read(new string('a', TokenizerVocabulary.MaxSpelling + 1)), Throws.TypeOf<CheckpointException>().With.Message.Contains("4097 characters"));

        void Read(string content) => TokenizerFile.Parse("t", Encoding.UTF8.GetBytes(json.Replace(sought, $"\"content\":\"{content}\"", StringComparison.Ordinal)));
    }

    [Test]
    public void Each_control_spelling_stays_text_unless_it_is_allowed()
    {
        foreach (string name in Names())
        {
            VocabularyTokenizer tokenizer = TokenizerFile.Parse(name, File(name));
            foreach (string text in new[] { "<s>", "a</s>b", "<unk><s>", " <s> " })
            {
                bool unknown = tokenizer is UnigramTokenizer or CharacterBpeTokenizer;
                Assert.That(tokenizer.Encode(text).Where(id => tokenizer.GetPiece(id).Kind == TokenPieceKind.Control && !(unknown && id == 0)), Is.Empty, $"{name}: {text}");
            }
        }
    }
}
