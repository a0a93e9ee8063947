using System.Text;
using System.Text.Json;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Pixtral;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Models;

/// <summary>Configurations, checkpoints, pictures and prompts of Pixtral: what fits is read, what does not is refused by name.</summary>
[TestFixture]
public sealed class PixtralInputTests
{
    private const string Vision = """{"model_type":"pixtral","hidden_size":16,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"image_size":16,"patch_size":4,"hidden_act":"silu"}""";
    private const string Text = """{"model_type":"mistral","hidden_size":10,"head_dim":4,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":20,"sliding_window":null,"max_position_embeddings":8192}""";
    private const string Hf = $$$"""{"model_type":"llava","image_token_index":10,"vision_config":{{{Vision}}},"text_config":{{{Text}}}}""";
    private const string Params = """
        {"dim":10,"n_layers":1,"head_dim":4,"hidden_dim":12,"n_heads":4,"n_kv_heads":2,"rope_theta":1e9,"norm_eps":1e-5,"vocab_size":20,"vision_encoder":
        {"hidden_size":16,"num_channels":3,"image_size":16,"patch_size":4,"rope_theta":10000.0,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"image_token_id":10}}
        """;

    [TestCase("\"llava\"", "\"llava_next\"", "llava_next")]
    [TestCase("\"mistral\"", "\"qwen2\"", "text_config.model_type")]
    [TestCase("\"pixtral\"", "\"clip_vision_model\"", "vision_config.model_type")]
    [TestCase("\"silu\"", "\"mish\"", "mish")]
    [TestCase("\"image_token_index\":10", "\"image_token_index\":20", "outside the vocabulary")]
    [TestCase("\"image_token_index\":10,", "", "image_token_index")]
    [TestCase("\"image_token_index\":10", "\"image_token_index\":10,\"vision_feature_layer\":-2", "vision_feature_layer")]
    [TestCase("\"image_token_index\":10", "\"image_token_index\":10,\"vision_feature_select_strategy\":\"default\"", "vision_feature_select_strategy")]
    [TestCase("\"image_token_index\":10", "\"image_token_index\":10,\"tie_word_embeddings\":true", "tie_word_embeddings")]
    [TestCase("\"patch_size\":4", "\"patch_size\":5", "does not divide the picture's side")]
    [TestCase("\"num_attention_heads\":2", "\"num_attention_heads\":8", "multiple of 4")]
    [TestCase("\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "does not divide")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"rope_parameters\":{\"rope_type\":\"yarn\"}", "yarn")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"hidden_act\":\"gelu\"", "silu")]
    public void Configurations_that_do_not_fit_are_refused(string from, string to, string named) =>
        Assert.That(() => PixtralConfig.Read(Parse(Hf.Replace(from, to, StringComparison.Ordinal))), Refuses("config.json", named));

    [TestCase("\"n_kv_heads\":2", "\"n_kv_heads\":3", "does not divide")]
    [TestCase("\"head_dim\":4,", "", "head_dim")]
    [TestCase("\"image_token_id\":10", "\"image_token_id\":20", "outside the vocabulary")]
    [TestCase("\"image_token_id\":10", "\"image_token_id\":10,\"spatial_merge_size\":2", "vision_encoder.spatial_merge_size")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"moe\":{}", "later model")]
    [TestCase("\"num_channels\":3", "\"num_channels\":4", "num_channels")]
    public void Parameters_that_do_not_fit_are_refused(string from, string to, string named) =>
        Assert.That(() => PixtralConfig.ReadParams(Parse(Params.Replace(from, to, StringComparison.Ordinal), "params.json")), Refuses("params.json", named));

    // What the published files leave out of their configuration has its published value.
    private const string Published = """
        {"model_type":"llava","image_token_index":10,"vision_config":{"model_type":"pixtral","hidden_act":"gelu","head_dim":64},"text_config":{"model_type":"mistral",
        "head_dim":128,"hidden_size":5120,"num_hidden_layers":40,"num_key_value_heads":8,"intermediate_size":14336,"vocab_size":131072,"rope_theta":1e9,"sliding_window":null}}
        """;

    private const string PublishedParams = """
        {"dim":5120,"n_layers":40,"head_dim":128,"hidden_dim":14336,"n_heads":32,"n_kv_heads":8,"rope_theta":1000000000.0,"norm_eps":1e-05,"vocab_size":131072,"vision_encoder":
        {"hidden_size":1024,"num_channels":3,"image_size":1024,"patch_size":16,"rope_theta":10000.0,"intermediate_size":4096,"num_hidden_layers":24,"num_attention_heads":16,"image_token_id":10}}
        """;

    [Test]
    public void The_published_model_has_silu_whatever_an_early_copy_says()
    {
        Assert.That(PixtralConfig.Read(Parse(Published)).Vision.Activation, Is.EqualTo(ActivationKind.Silu));
        Assert.That(PixtralConfig.Read(Parse(Hf.Replace("silu", "gelu", StringComparison.Ordinal))).Vision.Activation, Is.EqualTo(ActivationKind.Gelu));
    }

    [Test]
    public void The_published_model_has_the_published_number_of_parameters()
    {
        foreach (PixtralConfig config in new[] { PixtralConfig.Read(Parse(Published)), PixtralConfig.ReadParams(Parse(PublishedParams, "params.json")) })
        {
            ILookup<string, long> counts = PixtralMapping.Tensors(config).ToLookup(t => t.Name.Split('.')[0] is "vision_tower" or "multi_modal_projector" ? t.Name.Split('.')[0] : "decoder", t => t.Shape.Count);
            Assert.That(new[] { counts["vision_tower"].Sum(), counts["multi_modal_projector"].Sum(), counts["decoder"].Sum() },
                Is.EqualTo(new[] { 403_489_792L, 31_467_520L, 12_247_782_400L }));
        }
    }

    [TestCase("\"sliding_window\":null", 8192)]
    [TestCase("\"sliding_window\":100", 100)]
    [TestCase("\"use_cache\":true", 4096)]
    public void A_sliding_window_limits_the_context(string window, int context) =>
        Assert.That(PixtralConfig.Read(Parse(Hf.Replace("\"sliding_window\":null", window, StringComparison.Ordinal))).Decoder.ContextLength, Is.EqualTo(context));

    [Test]
    public void Rotary_settings_are_read_in_their_newer_place() =>
        Assert.That(PixtralConfig.Read(Parse(Hf.Replace("\"vocab_size\":20", "\"vocab_size\":20,\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":77.0}", StringComparison.Ordinal)))
            .Decoder.RopeTheta, Is.EqualTo(77));

    [Test]
    public void A_missing_an_extra_and_a_misshapen_tensor_are_named()
    {
        PixtralConfig hf = PixtralConfig.Read(Parse(Hf)), mistral = PixtralConfig.ReadParams(Parse(Params, "params.json"));
        PixtralConfig wider = PixtralConfig.ReadParams(Parse(Params.Replace("\"hidden_dim\":12", "\"hidden_dim\":14", StringComparison.Ordinal), "params.json"));
        Assert.Multiple(() =>
        {
            Assert.That(Load(hf, hf, _ => { }), Has.Count.EqualTo(PixtralMapping.Tensors(hf).Count));
            Assert.That(Load(mistral, mistral, _ => { }), Has.Count.EqualTo(PixtralMapping.Tensors(mistral).Count));
            Assert.That(() => Load(hf, hf, t => t.Remove("vision_tower.ln_pre.weight")), Refuses("vision_tower.ln_pre.weight", "does not hold"));
            Assert.That(() => Load(hf, hf, t => t.Add("vision_tower.ln_post.weight", new HostTensor(DType.F32, new Shape(16)))), Refuses("ln_post", "no such tensor"));
            Assert.That(() => Load(hf, hf, t => t["vision_tower.patch_conv.weight"] = new HostTensor(DType.F32, new Shape(16, 3, 2, 2))), Refuses("patch_conv", "[16, 3, 2, 2]"));
            Assert.That(() => Load(hf, hf, t => t.Add("model.vision_tower.ln_pre.weight", new HostTensor(DType.F32, new Shape(16)))), Refuses("ln_pre", "same weight"));
            Assert.That(() => Load(mistral, wider, _ => { }), Refuses("feed_forward.w", "[14, 10]"));
            Assert.That(() => Load(mistral, hf, _ => { }), Refuses("tok_embeddings.weight", "params.json"));
            Assert.That(() => Load(hf, mistral, _ => { }), Refuses("tok_embeddings.weight", "config.json"));
        });

        // A file in one configuration's layout, read with another's.
        static IReadOnlyDictionary<string, HostTensor> Load(PixtralConfig layout, PixtralConfig config, Action<Dictionary<string, HostTensor>> change)
        {
            var tensors = PixtralMapping.Tensors(layout).ToDictionary(t => layout.IsMistralLayout ? Mistral(t.Name) : t.Name, t => new HostTensor(DType.F32, t.Shape));
            change(tensors);
            string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"pixtral-{Guid.NewGuid():N}.safetensors");
            try
            {
                SafetensorsWriter.Write(path, tensors);
                using SafetensorsFile file = SafetensorsFile.Open(path);
                return PixtralMapping.Read(file, config);
            }
            finally
            {
                File.Delete(path);
            }
        }
    }

    [TestCase("vision_tower.transformer.layers.0.attention.q_proj.weight", "vision_tower.transformer.layers.0.attention.q_proj.weight")]
    [TestCase("model.vision_tower.transformer.layers.0.feed_forward.up_proj.weight", "vision_tower.transformer.layers.0.feed_forward.up_proj.weight")]
    [TestCase("model.multi_modal_projector.linear_2.bias", "multi_modal_projector.linear_2.bias")]
    [TestCase("language_model.model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight")]
    [TestCase("model.language_model.layers.3.post_attention_layernorm.weight", "blk.3.ffn_norm.weight")]
    [TestCase("language_model.lm_head.weight", "output.weight")]
    [TestCase("lm_head.weight", "output.weight")]
    public void Renaming_twice_is_renaming_once(string file, string own) => Renames(PixtralConfig.Read(Parse(Hf)), file, own);

    [TestCase("vision_encoder.transformer.layers.0.attention.wq.weight", "vision_tower.transformer.layers.0.attention.q_proj.weight")]
    [TestCase("vision_encoder.transformer.layers.0.feed_forward.w2.weight", "vision_tower.transformer.layers.0.feed_forward.down_proj.weight")]
    [TestCase("vision_encoder.patch_conv.weight", "vision_tower.patch_conv.weight")]
    [TestCase("vision_language_adapter.w_in.bias", "multi_modal_projector.linear_1.bias")]
    [TestCase("layers.3.attention.wo.weight", "blk.3.attn_output.weight")]
    [TestCase("layers.3.feed_forward.w3.weight", "blk.3.ffn_up.weight")]
    [TestCase("output.weight", "output.weight")]
    public void Mistral_names_are_renamed_once(string file, string own) => Renames(PixtralConfig.ReadParams(Parse(Params, "params.json")), file, own);

    [TestCase(DType.F32, 1, 3, 6, 8, "multiples of 4")]
    [TestCase(DType.F32, 1, 3, 20, 8, "up to 16")]
    [TestCase(DType.F32, 1, 4, 8, 8, "[1, 4, 8, 8]")]
    [TestCase(DType.F32, 2, 3, 8, 8, "[2, 3, 8, 8]")]
    [TestCase(DType.F32, 1, 3, 0, 8, "[1, 3, 0, 8]")]
    [TestCase(DType.I32, 1, 3, 8, 8, "I32[1, 3, 8, 8]")]
    public void Pictures_of_another_form_are_refused(DType type, int batch, int channels, int height, int width, string named)
    {
        PixtralConfig config = PixtralConfig.Read(Parse(Hf));
        var g = new GraphBuilder();
        Value good = g.Input("good", DType.F32, 1, 3, 8, 8), bad = g.Input("bad", type, batch, channels, height, width);
        Assert.That(() => PixtralModel.VisionEncoder(g, config, good, bad), Throws.TypeOf<ShapeMismatchException>().With.Message.Contains(named));
        Assert.That(() => PixtralModel.VisionEncoder(g, config), Throws.TypeOf<ShapeMismatchException>().With.Message.Contains("no picture"));
    }

    [Test]
    public void Pictures_and_placeholders_must_agree()
    {
        PixtralConfig config = PixtralConfig.Read(Parse(Hf));
        int[] ids = [1, 3, 10, 10, 12, 10, 10, 13, 10, 13, 5, 4];
        Assert.Multiple(() =>
        {
            Assert.That(PixtralPrompt.Places(config, ids, [(2, 2), (1, 1)]), Is.EqualTo(new[] { 2, 3, 5, 6, 8 }));
            Assert.That(PixtralPrompt.Places(config, [1, 5], []), Is.Empty);
            Assert.That(() => PixtralPrompt.Places(config, ids, [(2, 2)]), Throws.ArgumentException.With.Message.Contains("5 image tokens").And.Message.Contains("1 pictures bring 4"));
            Assert.That(() => PixtralPrompt.Places(config, ids, [(2, 2), (1, 1), (1, 1)]), Throws.ArgumentException.With.Message.Contains("bring 6"));
            Assert.That(() => PixtralPrompt.Places(config, ids, [(1, 1), (2, 2)]), Throws.ArgumentException.With.Message.Contains("Picture 0"));
            Assert.That(() => PixtralPrompt.Places(config, [10, 10, 10, 10], [(2, 2)]), Throws.ArgumentException.With.Message.Contains("rows of 2"));
            Assert.That(() => PixtralPrompt.Places(config, [10, 12, 10], [(1, 2)]), Throws.ArgumentException.With.Message.Contains("rows of 2"));
        });
    }

    private static IEnumerable<TestCaseData> Chats() =>
        Golden.Items("cases", "tokenizers", "chat", "pixtral.json").Select((c, i) => new TestCaseData(c).SetArgDisplayNames($"{i}"));

    [TestCaseSource(nameof(Chats))]
    public void Conversations_have_the_ids_of_the_reference(JsonElement c)
    {
        ITokenizer tokenizer = TokenizerFile.Load(Golden.At("tokenizers", "tekken", "tekken.json"));
        const int Patch = 16;
        var pictures = new List<int[]>();
        PixtralMessage[] messages = [.. c.GetProperty("messages").EnumerateArray().Select(m => new PixtralMessage(
            Enum.Parse<PixtralRole>(m[0].GetString()!, ignoreCase: true),
            [.. m[1].ValueKind == JsonValueKind.String ? [new PromptPart.Text(m[1].GetString()!)] : m[1].EnumerateArray().Select(Part)]))];
        int[] ids = PromptPart.Ids(PixtralPrompt.Conversation(messages), tokenizer, pictures);
        Assert.That(ids, Is.EqualTo(c.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())));
        Assert.That(tokenizer.Decode(ids, skipControl: false), Is.EqualTo(c.GetProperty("text").GetString()));

        PromptPart Part(JsonElement part)
        {
            if (part.ValueKind == JsonValueKind.String)
                return new PromptPart.Text(part.GetString()!);
            pictures.Add(PixtralPrompt.Picture(tokenizer, (Patches(part.GetProperty("image")[1]), Patches(part.GetProperty("image")[0]))));
            return new PromptPart.Picture();
        }

        static int Patches(JsonElement side) => (side.GetInt32() + Patch - 1) / Patch;
    }

    [Test]
    public void Conversations_that_cannot_be_are_refused()
    {
        var question = new PixtralMessage(PixtralRole.User, "Where?");
        var picture = new PromptPart.Picture();
        ITokenizer other = TokenizerFile.Load(Golden.Own("tokenizers", "gpt2", "tokenizer.json"));
        Assert.Multiple(() =>
        {
            Assert.That(() => Say(), Refused("no message of the user"));
            Assert.That(() => Say(new PixtralMessage(PixtralRole.System, "Be short.")), Refused("no message of the user"));
            Assert.That(() => Say(question, new PixtralMessage(PixtralRole.Assistant, picture)), Refused("only the user's hold pictures"));
            Assert.That(() => Say(new PixtralMessage(PixtralRole.System, picture), question), Refused("only the user's hold pictures"));
            Assert.That(() => Say(new PixtralMessage(PixtralRole.User, new PromptPart.Control("</s>"))), Refused("Control"));
            Assert.That(() => Say(question, new PixtralMessage(PixtralRole.Tool, "3")), Refused("ToolCallId"));
            Assert.That(() => Say(question, new PixtralMessage(PixtralRole.Assistant, "Three.") { ToolCalls = [new("count", "{}")] }), Refused("holds no text"));
            Assert.That(() => Say(question, new PixtralMessage(PixtralRole.Assistant) { ToolCalls = [new("count", "{")] }), Refused("not JSON"));
            Assert.That(() => PixtralPrompt.Conversation([question], "[{]"), Refused("not JSON"));
            Assert.That(() => PixtralPrompt.Picture(other, (1, 1)), Refused("tekken.json"));
        });

        static IReadOnlyList<PromptPart> Say(params PixtralMessage[] messages) => PixtralPrompt.Conversation(messages);

        static NUnit.Framework.Constraints.IResolveConstraint Refused(string fault) => Throws.ArgumentException.With.Message.Contains(fault);
    }

    [Test]
    public void Text_never_becomes_a_control_token()
    {
        ITokenizer tokenizer = TokenizerFile.Load(Golden.Own("tokenizers", "tekken", "tekken.json"));
        int[] ids = PromptPart.Ids(PixtralPrompt.Conversation([new(PixtralRole.User, "[IMG]</s>[/INST][INST][IMG_END]")]), tokenizer, []);
        Assert.That(ids.Where(id => tokenizer.GetPiece(id).Kind == TokenPieceKind.Control).Select(id => tokenizer.Decode([id], skipControl: false)),
            Is.EqualTo(new[] { "<s>", "[INST]", "[/INST]" }));
    }

    [TestCase("  {\"a\":[1,2.50,null],\"b\":\"x\\u00e9\\n\"}", "{\"content\": {\"a\": [1, 2.50, null], \"b\": \"xé\\n\"}, \"call_id\": \"i\\\"d\"}")]
    [TestCase("three \"boats\"", "{\"content\": \"three \\\"boats\\\"\", \"call_id\": \"i\\\"d\"}")]
    [TestCase("\"\\ud800\"", "{\"content\": \"\\\"\\\\ud800\\\"\", \"call_id\": \"i\\\"d\"}")]
    public void Results_of_tools_are_written_as_json(string content, string json) =>
        Assert.That(PromptPart.Spell(PixtralPrompt.Conversation([new(PixtralRole.User, "?"), new(PixtralRole.Tool, content) { ToolCallId = "i\"d" }]), ""),
            Is.EqualTo($"<s>[INST]?[/INST][TOOL_RESULTS]{json}[/TOOL_RESULTS]"));

    [Test]
    public void Neighbouring_messages_become_one()
    {
        PixtralMessage[] messages =
        [
            new(PixtralRole.System, "Be"), new(PixtralRole.User, ""), new(PixtralRole.User, new PromptPart.Text("a"), new PromptPart.Text(""), new PromptPart.Text("b")),
            new(PixtralRole.Assistant, "c"), new(PixtralRole.Assistant, "d  "), new(PixtralRole.System, "short"), new(PixtralRole.User, "e"), new(PixtralRole.User, new PromptPart.Picture()),
        ];
        Assert.That(PromptPart.Spell(PixtralPrompt.Conversation(messages), "@"), Is.EqualTo("<s>[INST]a\n\nb[/INST]c\n\nd</s>[INST]Be\n\nshort\n\n@e[/INST]"));
    }

    private const string Preprocessor = """{"do_resize":true,"size":{"longest_edge":12},"patch_size":{"height":4,"width":4},"image_mean":[0.48145466,0.4578275,0.40821073]}""";

    [Test]
    public void A_preprocessor_sets_the_longest_side()
    {
        PixtralConfig config = PixtralConfig.Read(Parse(Hf)), smaller = config.WithPreprocessor(Parse(Preprocessor));
        Assert.Multiple(() =>
        {
            Assert.That(config.Grid(config.Convention().Map(100, 50)), Is.EqualTo((2, 4)));
            Assert.That(smaller.Grid(smaller.Convention().Map(100, 50)), Is.EqualTo((2, 3)));
            Assert.That(new Pixtral(smaller).PictureIds(TokenizerFile.Load(Golden.Own("tokenizers", "tekken", "tekken.json")), smaller.Convention().Map(100, 50)),
                Is.EqualTo(new[] { 10, 10, 10, 12, 10, 10, 10, 13 }));
        });
    }

    [TestCase("\"longest_edge\":12", "\"longest_edge\":20", "size.longest_edge")]
    [TestCase("\"width\":4", "\"width\":8", "patch_size.width")]
    [TestCase("\"do_resize\":true", "\"do_resize\":false", "do_resize")]
    [TestCase("\"do_resize\":true", "\"resample\":2", "resample")]
    [TestCase("0.48145466", "0.5", "image_mean")]
    [TestCase(",0.40821073", "", "image_mean")]
    public void Preprocessors_that_do_not_fit_are_refused(string from, string to, string named) =>
        Assert.That(() => PixtralConfig.Read(Parse(Hf)).WithPreprocessor(Parse(Preprocessor.Replace(from, to, StringComparison.Ordinal), "preprocessor_config.json")),
            Refuses("preprocessor_config.json", named));

    [Test]
    public void A_projector_without_biases_needs_none()
    {
        PixtralConfig config = PixtralConfig.ReadParams(Parse(Params.Replace("\"image_token_id\":10", "\"image_token_id\":10,\"adapter_bias\":false", StringComparison.Ordinal), "params.json"));
        Assert.That(PixtralMapping.Tensors(config).Where(t => t.Name.EndsWith("bias", StringComparison.Ordinal)), Is.Empty);
    }

    // Mistral's name of one of the graphs' tensors.
    private static string Mistral(string own)
    {
        string[] renamed = ["attn_q", "attention.wq", "attn_k", "attention.wk", "attn_v", "attention.wv", "attn_output", "attention.wo", "attn_norm", "attention_norm",
            "ffn_gate", "feed_forward.w1", "ffn_down", "feed_forward.w2", "ffn_up", "feed_forward.w3", "blk.", "layers.", "token_embd", "tok_embeddings", "output_norm", "norm",
            "q_proj", "wq", "k_proj", "wk", "v_proj", "wv", "o_proj", "wo", "gate_proj", "w1", "down_proj", "w2", "up_proj", "w3", "vision_tower", "vision_encoder",
            "multi_modal_projector.linear_1", "vision_language_adapter.w_in", "multi_modal_projector.linear_2", "vision_language_adapter.w_out"];
        return Enumerable.Range(0, renamed.Length / 2).Aggregate(own, (name, i) => name.Replace(renamed[2 * i], renamed[2 * i + 1], StringComparison.Ordinal));
    }

    private static void Renames(PixtralConfig config, string file, string own)
    {
        Assert.That(PixtralMapping.Rename(config, file), Is.EqualTo(own));
        Assert.That(PixtralMapping.Rename(config, own), Is.EqualTo(own));
    }

    private static NUnit.Framework.Constraints.IResolveConstraint Refuses(string named, string fault) =>
        Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.Contains(fault);

    private static ConfigReader Parse(string json, string file = "config.json") => ConfigReader.Parse(file, Encoding.UTF8.GetBytes(json));
}
