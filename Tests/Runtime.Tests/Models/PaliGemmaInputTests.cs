using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using VlmSdk.Models;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Tests.Tokenization;
using VlmSdk.Tests.Weights;
using VlmSdk.Tokenization;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Models;

/// <summary>Configurations, checkpoints, prompts and answers of PaliGemma that do not fit are refused, naming what is wrong.</summary>
[TestFixture]
public sealed class PaliGemmaInputTests
{
    private const string Vision = """{"hidden_size":8,"intermediate_size":12,"num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4}""";
    private const string Text = """{"model_type":"gemma","hidden_size":12,"intermediate_size":16,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":6,"vocab_size":24}""";
    private const string Json = $$$"""{"model_type":"paligemma","image_token_index":20,"projection_dim":12,"vision_config":{{{Vision}}},"text_config":{{{Text}}}}""";

    private static readonly string Second = Json.Replace("\"gemma\"", "\"gemma2\"", StringComparison.Ordinal);

    [TestCase("\"paligemma\"", "\"paligemma3\"", "paligemma3")]
    [TestCase("\"gemma\"", "\"gemma3\"", "gemma3")]
    [TestCase("\"gemma\"", "\"gemma\",\"hidden_activation\":\"relu\"", "text_config.hidden_activation")]
    [TestCase("\"gemma\"", "\"gemma\",\"hidden_act\":\"silu\"", "text_config.hidden_act")]
    [TestCase("\"gemma\"", "\"gemma\",\"attention_bias\":true", "attention_bias")]
    [TestCase("\"gemma\"", "\"gemma\",\"tie_word_embeddings\":false", "tie_word_embeddings")]
    [TestCase("\"gemma\"", "\"gemma\",\"rope_scaling\":{\"factor\":2}", "rope_scaling")]
    [TestCase("\"gemma\"", "\"gemma\",\"rope_parameters\":{\"rope_type\":\"yarn\"}", "rope_parameters.rope_type")]
    [TestCase("\"gemma\"", "\"gemma2\",\"layer_types\":[\"full_attention\"]", "lists 1 layers")]
    [TestCase("\"gemma\"", "\"gemma2\",\"layer_types\":[\"full_attention\",\"chunked\"]", "chunked")]
    [TestCase("\"gemma\"", "\"gemma2\",\"query_pre_attn_scalar\":0", "query_pre_attn_scalar")]
    [TestCase("\"gemma\"", "\"gemma2\",\"attn_logit_softcapping\":-1", "attn_logit_softcapping")]
    [TestCase("\"head_dim\":6", "\"head_dim\":7", "head_dim")]
    [TestCase("\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "does not divide")]
    [TestCase("\"vocab_size\":24", "\"vocab_size\":20", "outside the vocabulary")]
    [TestCase("\"projection_dim\":12", "\"projection_dim\":11", "projection_dim")]
    [TestCase("\"patch_size\":4", "\"patch_size\":4,\"projection_dim\":11", "vision_config.projection_dim")]
    [TestCase("\"patch_size\":4", "\"patch_size\":4,\"vision_use_head\":true", "vision_use_head")]
    [TestCase("\"patch_size\":4", "\"patch_size\":4,\"hidden_act\":\"mish\"", "mish")]
    [TestCase("\"projection_dim\":12", "\"bos_token_id\":20", "bos_token_id")]
    public void Configurations_out_of_range_are_refused(string from, string to, string named) =>
        Assert.That(() => Read(Json.Replace(from, to, StringComparison.Ordinal)),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.Contains("config.json"));

    [Test]
    public void Missing_settings_have_the_published_defaults()
    {
        PaliGemmaConfig config = Read(Second);
        Assert.Multiple(() =>
        {
            Assert.That(config.Decoder.AttentionSoftCap, Is.EqualTo(50));
            Assert.That(config.Decoder.FinalSoftCap, Is.EqualTo(30));
            Assert.That(config.Decoder.QueryScale, Is.EqualTo(1 / 16f));
            Assert.That(config.Decoder.SlidingLayers, Is.EqualTo(new[] { true, false }));
            Assert.That(config.Decoder.PublishedWindow, Is.EqualTo(4096));
            Assert.That(config.Decoder.SlidingWindow, Is.Zero, "off unless asked for");
            Assert.That(Read(Second.Replace("\"gemma2\"", "\"gemma2\",\"attn_logit_softcapping\":null", StringComparison.Ordinal)).Decoder.AttentionSoftCap, Is.Zero);
            Assert.That(Read(Json.Replace("\"gemma\"", "\"gemma\",\"rope_parameters\":{\"rope_theta\":500}", StringComparison.Ordinal)).Decoder.RopeTheta, Is.EqualTo(500));
            Assert.That(Read(Json).Decoder.QueryScale, Is.EqualTo(1 / MathF.Sqrt(6)));
            Assert.That(Read(Json).Decoder.AttentionSoftCap, Is.Zero);
        });
    }

    [Test]
    public void A_missing_an_extra_and_a_misshapen_tensor_are_named()
    {
        PaliGemmaConfig first = Read(Json), second = Read(Second);
        Assert.Multiple(() =>
        {
            Assert.That(() => Load(first, t => t.Remove("language_model.norm.weight")), Refuses("language_model.norm.weight", "does not hold it"));
            Assert.That(() => Load(first, t => t.Add("adapter.weight", new HostTensor(DType.F32, new Shape(2)))), Refuses("adapter.weight", "no such tensor"));
            Assert.That(() => Load(first, t => t["multi_modal_projector.linear.bias"] = new HostTensor(DType.F32, new Shape(13))), Refuses("multi_modal_projector.linear.bias", "[13]"));
            Assert.That(() => Load(first, t => t.Add("model.language_model.norm.weight", t["language_model.norm.weight"])), Refuses("norm.weight", "same weight"));
            // Weights of one generation under the configuration of the other.
            Assert.That(() => Load(second, t => t.Remove("language_model.layers.1.pre_feedforward_layernorm.weight")), Refuses("layers.1.pre_feedforward_layernorm.weight", "does not hold it"));
            Assert.That(() => Load(first, t => t.Add("language_model.layers.0.pre_feedforward_layernorm.weight", new HostTensor(DType.F32, new Shape(12)))), Refuses("pre_feedforward", "no such tensor"));
            // An output layer is the embedding or a fault.
            Assert.That(Load(first, t => t.Add("language_model.lm_head.weight", t["language_model.embed_tokens.weight"])), Has.Count.EqualTo(PaliGemmaMapping.Tensors(first).Count));
            HostTensor own = HostTensor.From(new Shape(24, 12), Enumerable.Range(0, 24 * 12).Select(i => (float)i).ToArray());
            Assert.That(() => Load(first, t => t.Add("lm_head.weight", own)), Refuses("lm_head.weight", "differs from the embedding"));
        });

        static NUnit.Framework.Constraints.IResolveConstraint Refuses(string tensor, string fault) =>
            Throws.InstanceOf<CheckpointException>().With.Message.Contains(tensor).And.Message.Contains(fault);
    }

    [TestCase("img/Transformer/encoderblock/LayerNorm_0/scale", "(257, 8)", "at most 256")]
    [TestCase("img/Transformer/encoderblock/LayerNorm_0/scale", "(3, 8)", "layers.2.layer_norm1.weight")]
    [TestCase("img/Transformer/encoderblock_1/LayerNorm_0/scale", "(8,)", "same weight")]
    [TestCase("img/Transformer/encoderblock_300/LayerNorm_0/scale", "(8,)", "encoderblock_300/LayerNorm_0/scale")]
    [TestCase("img/embedding/kernel", "(4, 4, 24)", "no Conv array")]
    [TestCase("llm/layers/attn/kv_einsum/w", "(2, 3, 2, 12, 6)", "2 parts")]
    [TestCase("llm/layers/attn/q_einsum/w", "(2, 4, 72)", "no Heads array behind 1 leading axes")]
    [TestCase("llm/layers/mlp/linear", "(2, 16, 11)", "[11, 16]")]
    [TestCase("llm/embedder/input_embedding", "(24, 12)", "[24, 12]")]
    [TestCase("llm/layers/novelty/w", "(2, 2)", "novelty")]
    [TestCase("llm/final_norm/scale", null, "language_model.norm.weight")]
    public void Original_files_that_do_not_fit_are_refused(string array, string? shape, string named)
    {
        var arrays = new Dictionary<string, string>(Original);
        Assert.That(LoadOriginal(arrays), Has.Count.EqualTo(PaliGemmaMapping.Tensors(Read(Json)).Count), "sound");
        arrays.Remove(array);
        if (shape is not null)
            arrays.Add(array, shape);
        Assert.That(() => LoadOriginal(arrays), Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.StartsWith("mem"));
    }

    [TestCase("vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight", "vision_tower.encoder.layers.1.mlp.fc1.weight")]
    [TestCase("model.vision_tower.vision_model.post_layernorm.bias", "vision_tower.post_layernorm.bias")]
    [TestCase("model.vision_tower.embeddings.patch_embedding.bias", "vision_tower.embeddings.patch_embedding.bias")]
    [TestCase("model.multi_modal_projector.linear.weight", "multi_modal_projector.linear.weight")]
    [TestCase("language_model.model.layers.3.self_attn.q_proj.weight", "language_model.layers.3.self_attn.q_proj.weight")]
    [TestCase("model.language_model.embed_tokens.weight", "language_model.embed_tokens.weight")]
    [TestCase("language_model.lm_head.weight", "lm_head.weight")]
    public void Renaming_twice_is_renaming_once(string file, string own)
    {
        Assert.That(PaliGemmaMapping.Rename(file), Is.EqualTo(own));
        Assert.That(PaliGemmaMapping.Rename(own), Is.EqualTo(own));
    }

    [Test]
    public void Pictures_and_placeholders_must_agree()
    {
        PaliGemmaConfig config = Read(Json);
        (int[] ids, int[] places) = PaliGemmaPrompt.Expand(config, [20, 20, 20, 20, 2, 5], 1);
        Assert.Multiple(() =>
        {
            Assert.That(ids, Is.EqualTo(new[] { 0, 0, 0, 0, 2, 5 }));
            Assert.That(places, Is.EqualTo(new[] { 0, 1, 2, 3 }));
            Assert.That(() => PaliGemmaPrompt.Expand(config, [20, 20, 20, 20, 2, 5], 2), Throws.ArgumentException.With.Message.Contains("4 picture rows and 2 pictures bring 8"));
            Assert.That(() => PaliGemmaPrompt.Expand(config, [20, 20, 2, 5], 1), Throws.ArgumentException.With.Message.Contains("2 picture rows"));
            Assert.That(PaliGemmaPrompt.Segments([0, 0, 1, 1], [0, 1, 1, 1]), Is.EqualTo(new[] { 2, 0, 1, 1 }));
            Assert.That(() => PaliGemmaPrompt.Segments([0], [0, 1]), Throws.ArgumentException);
        });
    }

    [Test]
    public void Prompts_are_spelled_as_the_model_was_trained()
    {
        Assert.Multiple(() =>
        {
            Assert.That(PaliGemmaPrompt.Caption(), Is.EqualTo("caption en"));
            Assert.That(PaliGemmaPrompt.Describe("de"), Is.EqualTo("describe de"));
            Assert.That(PaliGemmaPrompt.Answer("how many?", "fr"), Is.EqualTo("answer fr how many?"));
            Assert.That(PaliGemmaPrompt.Detect("cat", " dog "), Is.EqualTo("detect cat ; dog"));
            Assert.That(PaliGemmaPrompt.Segment("red car"), Is.EqualTo("segment red car"));
            Assert.That(() => PaliGemmaPrompt.Caption("english"), Throws.ArgumentException.With.Message.Contains("english"));
            Assert.That(() => PaliGemmaPrompt.Detect(), Throws.ArgumentException);
            Assert.That(() => PaliGemmaPrompt.Detect("cat;dog"), Throws.ArgumentException);
            Assert.That(() => PaliGemmaPrompt.Segment("a\nb"), Throws.ArgumentException);
            Assert.That(() => PaliGemmaPrompt.Segment(" "), Throws.ArgumentException);
        });
    }

    private static IEnumerable<TestCaseData> Chats() =>
        Golden.Items("cases", "tokenizers", "chat", "paligemma.json").Select((c, i) => new TestCaseData(c).SetArgDisplayNames($"{i}"));

    [TestCaseSource(nameof(Chats))]
    public void Prompt_ids_spell_the_reference_prompt(JsonElement c)
    {
        ITokenizer words = TokenizerFile.Load(Golden.Own("tokenizers", "gemma-spm"));
        int rows = c.GetProperty("image_seq_len").GetInt32(), pictures = c.GetProperty("num_images").GetInt32(), image = words.VocabularySize;
        // A strip of patches has any number of rows of its own.
        PaliGemmaConfig config = Read(Json) with { ImageToken = image };
        config = config with { Vision = config.Vision with { ImageSide = 4, PatchSize = 4 } };
        Assert.That(config.ImageRows, Is.EqualTo(1));
        int[] ids = PaliGemmaPrompt.Encode(config, words, c.GetProperty("prompt_in").GetString()!, pictures * rows);
        string spelled = string.Concat(ids.TakeWhile(id => id == image).Select(_ => "<image>")) + "<bos>" +
            words.Decode(ids.AsSpan(pictures * rows + 1));
        Assert.That(ids[pictures * rows], Is.EqualTo(config.BeginToken));
        Assert.That(words.FindId("<bos>"), Is.EqualTo(config.BeginToken));
        Assert.That(spelled, Is.EqualTo(c.GetProperty("prompt").GetString()));
        Assert.That(ids[^1], Is.EqualTo(words.Encode("\n").Single()), "a newline of its own");
    }

    [Test]
    public void Control_tokens_in_a_question_stay_text()
    {
        ITokenizer words = TokenizerFile.Load(Golden.Own("tokenizers", "gemma-spm"));
        int[] ids = PaliGemmaPrompt.Encode(Read(Json) with { ImageToken = words.VocabularySize }, words, PaliGemmaPrompt.Answer("<bos><eos><image>"), 0);
        Assert.That(ids.Skip(1), Does.Not.Contain(2).And.Not.Contain(1).And.Not.Contain(words.VocabularySize));
    }

    [Test]
    public void Answers_in_ids_are_read_with_their_probabilities()
    {
        var words = new Words("cat", "<loc0001>", " ; ", "dog");
        const int L = PaliGemmaAnswer.FirstLocation, S = PaliGemmaAnswer.FirstSegment, End = 99;
        int[] mask = [.. Enumerable.Range(S, 16)];
        // Plain text that spells a token is no token; three locations are no box; what follows the end does not count.
        int[] ids = [1, L + 10, L + 20, L + 30, L + 40, .. mask, 0, 2, L, L, L, 3, L + 1, L + 2, L + 3, L + 4, 3, End, L, L, L, L];
        float[] probabilities = [.. Enumerable.Repeat(0.5f, ids.Length)];
        IReadOnlyList<PaliGemmaObject> objects = PaliGemmaAnswer.Parse(ids, words, End, probabilities);
        Assert.Multiple(() =>
        {
            Assert.That(objects.Select(o => o.Label), Is.EqualTo(new[] { "cat", "dog" }));
            Assert.That(objects[0].Locations, Is.EqualTo(new[] { 10, 20, 30, 40 }));
            Assert.That(objects[0].MaskIndices, Is.EqualTo(Enumerable.Range(0, 16)));
            Assert.That(objects[0].BoxProbability, Is.EqualTo(1 / 16f));
            Assert.That(objects[0].LabelProbability, Is.EqualTo(0.25f), "label and separator");
            Assert.That(objects[1].MaskIndices, Is.Null);
            Assert.That(objects[1].LabelProbability, Is.EqualTo(0.5f));
            Assert.That(PaliGemmaAnswer.Parse(ids, words, End)[0].BoxProbability, Is.EqualTo(1));
            Assert.That(PaliGemmaAnswer.Parse([0, 1], words, End), Is.Empty);
            Assert.That(() => PaliGemmaAnswer.Parse(ids, words, End, probabilities.AsSpan(1)), Throws.ArgumentException);
        });
    }

    private static IEnumerable<TestCaseData> Answers() =>
        Golden.Items("cases", "paligemma", "parse.json").Select(c => new TestCaseData(c).SetArgDisplayNames(c.GetProperty("name").GetString()!));

    [TestCaseSource(nameof(Answers))]
    public void Answers_in_ids_say_what_they_say_as_text(JsonElement c)
    {
        const int End = 99;
        string text = c.GetProperty("text").GetString()!;
        var words = new List<string>();
        // Every token of the vocabulary as its id, the text between them as one word each.
        int[] ids = [.. Regex.Split(text, "(<loc[0-9]{4}>|<seg[0-9]{3}>|<eos>)").Where(part => part.Length > 0).Select(part =>
        {
            if (part == "<eos>")
                return End;
            if (part.StartsWith("<loc", StringComparison.Ordinal) && int.Parse(part.AsSpan(4, 4)) is < 1024 and var place)
                return Golden.Json(Golden.At("paligemma", "parse.json")).GetProperty("token_ids").GetProperty("<loc0000>").GetInt32() + place;
            if (part.StartsWith("<seg", StringComparison.Ordinal) && int.Parse(part.AsSpan(4, 3)) is < 128 and var row)
                return Golden.Json(Golden.At("paligemma", "parse.json")).GetProperty("token_ids").GetProperty("<seg000>").GetInt32() + row;
            words.Add(part);
            return words.Count - 1;
        })];
        IReadOnlyList<PaliGemmaObject> expected = PaliGemmaAnswer.Parse(text), objects = PaliGemmaAnswer.Parse(ids, new Words([.. words]), End);
        Assert.That(objects.Select(o => o.Label), Is.EqualTo(expected.Select(o => o.Label)));
        Assert.That(objects.Select(o => o.Locations), Is.EqualTo(expected.Select(o => o.Locations)));
        Assert.That(objects.Select(o => o.MaskIndices), Is.EqualTo(expected.Select(o => o.MaskIndices)));
    }

    [Test]
    public void Masks_lie_in_their_boxes()
    {
        PaliGemmaObject[] objects =
        [
            new("flat", [5, 5, 5, 9], [.. new int[16]]),
            new("left half", [256, 512, 768, 1023], [.. new int[16]]),
            new("bare", [0, 0, 512, 512], null),
        ];
        var masks = new HostTensor(DType.F32, new Shape(2, 64, 64));
        masks.Floats.Fill(-1);
        for (int i = 64 * 64; i < masks.Floats.Length; i++)
            masks.Floats[i] = i % 64 < 32 ? 1 : -1;
        IReadOnlyList<Detection> found = PaliGemmaDetections.From(objects, 40, 20, masks);
        Assert.Multiple(() =>
        {
            Assert.That(found.Select(d => d.Phrase), Is.EqualTo(new[] { "left half", "bare" }), "a box without area is left out");
            Assert.That(found[0].Box, Is.EqualTo(new PixelBox(20, 5, 40, 15)));
            Assert.That(found[1].Mask, Is.Null);
            byte[] map = found[0].Mask!.ToBytes(40, 20);
            for (int i = 0; i < map.Length; i++)
                Assert.That(map[i], Is.EqualTo(i % 40 is >= 20 and < 30 && i / 40 is >= 5 and < 15 ? 255 : 0), $"({i % 40}, {i / 40})");
            Assert.That(() => found[0].Mask!.ToBytes(39, 20), Throws.ArgumentException.With.Message.Contains("39 x 20"));
            Assert.That(() => PaliGemmaDetections.From(objects[..1], 40, 20, masks), Throws.ArgumentException.With.Message.Contains("[2, 64, 64]"));
            Assert.That(() => PaliGemmaDetections.From(objects, 0, 20), Throws.InstanceOf<ImageException>());
        });
    }

    [TestCase("decoder.4.weight", new[] { 16, 16, 3, 3 }, "kernel of 3")]
    [TestCase("decoder.12.weight", new[] { 1, 3, 1, 1 }, "do not fit together")]
    [TestCase("encoder.2.weight", new[] { 4, 2, 3, 3 }, "stride 2")]
    [TestCase("encoder.0.bias", new[] { 2, 1 }, "no bias")]
    [TestCase("_vq_vae._embedding", new[] { 127, 24 }, "127 rows")]
    [TestCase("_vq_vae._embedding", null, "does not hold it")]
    [TestCase("decoder.13.weight", new[] { 1 }, "no such tensor")]
    public void Mask_codecs_that_do_not_fit_are_refused(string name, int[]? shape, string named)
    {
        using NpzFile sound = NpzFile.Open(Golden.Own("paligemma", "vae-oid.npz"));
        Dictionary<string, HostTensor> tensors = sound.Tensors.Keys.ToDictionary(n => n, sound.Read);
        Assert.That(Read(tensors).Weights, Has.Count.EqualTo(tensors.Count));
        tensors.Remove(name);
        if (shape is not null)
            tensors.Add(name, new HostTensor(DType.F32, new Shape(shape)));
        Assert.That(() => Read(tensors), Throws.InstanceOf<CheckpointException>().With.Message.Contains(named));

        static MaskCodec Read(Dictionary<string, HostTensor> tensors)
        {
            using var folder = new TemporaryFolder();
            SafetensorsWriter.Write(folder.At("vae.safetensors"), tensors);
            using SafetensorsFile file = SafetensorsFile.Open(folder.At("vae.safetensors"));
            return MaskCodec.Read(file);
        }
    }

    private static readonly Dictionary<string, string> Original = new()
    {
        ["img/embedding/kernel"] = "(4, 4, 3, 8)",
        ["img/embedding/bias"] = "(8,)",
        ["img/pos_embedding"] = "(1, 4, 8)",
        ["img/Transformer/encoderblock/LayerNorm_0/scale"] = "(2, 8)",
        ["img/Transformer/encoderblock/LayerNorm_0/bias"] = "(2, 8)",
        ["img/Transformer/encoderblock/LayerNorm_1/scale"] = "(2, 8)",
        ["img/Transformer/encoderblock/LayerNorm_1/bias"] = "(2, 8)",
        ["img/Transformer/encoderblock/MlpBlock_0/Dense_0/kernel"] = "(2, 8, 12)",
        ["img/Transformer/encoderblock/MlpBlock_0/Dense_0/bias"] = "(2, 12)",
        ["img/Transformer/encoderblock/MlpBlock_0/Dense_1/kernel"] = "(2, 12, 8)",
        ["img/Transformer/encoderblock/MlpBlock_0/Dense_1/bias"] = "(2, 8)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/query/kernel"] = "(2, 8, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/query/bias"] = "(2, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/key/kernel"] = "(2, 8, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/key/bias"] = "(2, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/value/kernel"] = "(2, 8, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/value/bias"] = "(2, 2, 4)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/out/kernel"] = "(2, 2, 4, 8)",
        ["img/Transformer/encoderblock/MultiHeadDotProductAttention_0/out/bias"] = "(2, 8)",
        ["img/Transformer/encoder_norm/scale"] = "(8,)",
        ["img/Transformer/encoder_norm/bias"] = "(8,)",
        ["img/head/kernel"] = "(8, 12)",
        ["img/head/bias"] = "(12,)",
        ["llm/embedder/input_embedding"] = "(20, 12)",
        ["llm/final_norm/scale"] = "(12,)",
        ["llm/layers/attn/q_einsum/w"] = "(2, 4, 12, 6)",
        ["llm/layers/attn/kv_einsum/w"] = "(2, 2, 2, 12, 6)",
        ["llm/layers/attn/attn_vec_einsum/w"] = "(2, 4, 6, 12)",
        ["llm/layers/mlp/gating_einsum"] = "(2, 2, 12, 16)",
        ["llm/layers/mlp/linear"] = "(2, 16, 12)",
        ["llm/layers/pre_attention_norm/scale"] = "(2, 12)",
        ["llm/layers/pre_ffw_norm/scale"] = "(2, 12)",
    };

    private static IReadOnlyDictionary<string, HostTensor> LoadOriginal(Dictionary<string, string> arrays)
    {
        byte[] zip = NpzBytes.Zip(false, [.. arrays.Select(a =>
        {
            int count = a.Value.Trim('(', ')').Split(',', StringSplitOptions.RemoveEmptyEntries).Aggregate(1, (p, n) => p * int.Parse(n));
            return (a.Key, NpzBytes.Array("<f4", a.Value, new byte[4 * count]));
        })]);
        using NpzFile file = NpzFile.Parse("mem", zip);
        PaliGemmaConfig config = PaliGemmaMapping.Fit(file, Read(Json));
        return PaliGemmaMapping.Read(file, config);
    }

    private static IReadOnlyDictionary<string, HostTensor> Load(PaliGemmaConfig config, Action<Dictionary<string, HostTensor>> change)
    {
        var tensors = PaliGemmaMapping.Tensors(config).ToDictionary(t => t.Name, t => new HostTensor(DType.F32, t.Shape));
        change(tensors);
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder.At("m.safetensors"), tensors);
        using SafetensorsFile file = SafetensorsFile.Open(folder.At("m.safetensors"));
        return PaliGemmaMapping.Read(file, config);
    }

    private static PaliGemmaConfig Read(string json) => PaliGemmaConfig.Read(ConfigReader.Parse("config.json", Encoding.UTF8.GetBytes(json)));

    /// <summary>A vocabulary of whole words.</summary>
    private sealed class Words(params string[] words) : ITokenizer
    {
        public int VocabularySize => words.Length;
        public int? BeginId => null;
        public IReadOnlyList<int> EndIds => [];
        public bool AddsBegin => false;
        public TextRules TextRules { get; } = new();
        public int[] Encode(string text, bool allowControl = false) => throw new NotSupportedException();
        public string Decode(ReadOnlySpan<int> ids, bool skipControl = true) => string.Concat(ids.ToArray().Select(id => words[id]));
        public TokenPiece GetPiece(int id) => throw new NotSupportedException();
        public int? FindId(string spelling) => null;
    }
}
