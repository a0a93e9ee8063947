using System.Text;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Models;

/// <summary>Configurations and checkpoints of SigLIP and LLaVA that do not fit are refused, naming what is wrong.</summary>
[TestFixture]
public sealed class RecipeInputTests
{
    private const string Vision = """{"hidden_size":8,"intermediate_size":12,"num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4""";
    private const string Text = """{"hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"vocab_size":20""";
    private const string Siglip = $$$"""{"model_type":"siglip","vision_config":{{{Vision}}}},"text_config":{{{Text}}}}}""";
    private const string Llava = $$$"""{"model_type":"llava","image_token_index":19,"vision_config":{{{Vision}}}},"text_config":{{{Text}}}}}""";

    [TestCase("\"siglip\"", "\"siglip3\"", "siglip3")]
    [TestCase("\"image_size\":8", "\"image_size\":8192", "vision_config.image_size")]
    [TestCase("\"patch_size\":4", "\"patch_size\":65", "patch_size")]
    [TestCase("\"patch_size\":4", "\"patch_size\":4,\"hidden_act\":\"mish\"", "mish")]
    [TestCase("\"patch_size\":4", "\"patch_size\":4,\"patch_size\":4", "strict JSON")]
    [TestCase("\"patch_size\":4", "\"patch_size\":\"4\"", "patch_size")]
    [TestCase("\"num_attention_heads\":2", "\"num_attention_heads\":3", "does not divide")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"projection_size\":9", "projection_size")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":1048577", "vocab_size")]
    public void Siglip_configurations_out_of_range_are_refused(string from, string to, string named) =>
        Assert.That(() => SiglipConfig.Read(Parse(Siglip.Replace(from, to, StringComparison.Ordinal))),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.Contains("config.json"));

    [TestCase("\"llava\"", "\"llava_next\"", "llava_next")]
    [TestCase("\"image_token_index\":19", "\"image_token_index\":20", "outside the vocabulary")]
    [TestCase("\"image_token_index\":19", "\"image_token_index\":19,\"image_seq_length\":5", "image_seq_length")]
    [TestCase("\"image_token_index\":19", "\"vision_feature_layer\":3", "vision_feature_layer")]
    [TestCase("\"image_token_index\":19", "\"vision_feature_select_strategy\":\"mean\"", "mean")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"attention_bias\":true", "attention_bias")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"rope_scaling\":{\"factor\":2}", "rope_scaling")]
    [TestCase("\"vocab_size\":20", "\"vocab_size\":20,\"hidden_act\":\"gelu\"", "silu")]
    [TestCase("\"num_hidden_layers\":1", "\"num_hidden_layers\":257", "text_config.num_hidden_layers")]
    public void Llava_configurations_out_of_range_are_refused(string from, string to, string named) =>
        Assert.That(() => LlavaConfig.Read(Parse(Llava.Replace(from, to, StringComparison.Ordinal))),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.Contains("config.json"));

    [Test]
    public void Unknown_keys_are_listed()
    {
        ConfigReader json = Parse(Siglip.Replace("\"patch_size\":4", "\"patch_size\":4,\"novelty\":1", StringComparison.Ordinal));
        SiglipConfig.Read(json);
        Assert.That(json.UnknownKeys, Is.EqualTo(new[] { "vision_config.novelty" }));
    }

    [Test]
    public void A_missing_an_extra_and_a_misshapen_tensor_are_named()
    {
        SiglipConfig config = SiglipConfig.Read(Parse(Siglip));
        Assert.Multiple(() =>
        {
            Assert.That(() => Load(t => t.Remove("logit_scale")), Refuses("logit_scale", "does not hold it"));
            Assert.That(() => Load(t => t.Add("text_model.adapter.weight", new HostTensor(DType.F32, new Shape(2)))), Refuses("text_model.adapter.weight", "no such tensor"));
            Assert.That(() => Load(t => t["logit_bias"] = new HostTensor(DType.F32, new Shape(2))), Refuses("logit_bias", "[2]"));
            Assert.That(() => Load(t => t["head.probe"] = t["vision_model.head.probe"]), Refuses("probe", "same weight"));
            Assert.That(Load(t => t.Add("vision_model.embeddings.position_ids", new HostTensor(DType.I64, new Shape(1, 4)))), Has.Count.EqualTo(SiglipMapping.Tensors(config).Count));
        });

        IReadOnlyDictionary<string, HostTensor> Load(Action<Dictionary<string, HostTensor>> change)
        {
            var tensors = SiglipMapping.Tensors(config).ToDictionary(t => t.Name, t => new HostTensor(DType.F32, t.Shape));
            change(tensors);
            string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"siglip-{Guid.NewGuid():N}.safetensors");
            try
            {
                SafetensorsWriter.Write(path, tensors);
                using SafetensorsFile file = SafetensorsFile.Open(path);
                return SiglipMapping.Read(file, config);
            }
            finally
            {
                File.Delete(path);
            }
        }

        static NUnit.Framework.Constraints.IResolveConstraint Refuses(string tensor, string fault) =>
            Throws.InstanceOf<CheckpointException>().With.Message.Contains(tensor).And.Message.Contains(fault);
    }

    [TestCase("model.vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight", "vision_tower.encoder.layers.1.mlp.fc1.weight")]
    [TestCase("model.vision_tower.vision_tower.vision_model.pre_layrnorm.bias", "vision_tower.pre_layrnorm.bias")]
    [TestCase("language_model.model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight")]
    [TestCase("model.language_model.norm.weight", "output_norm.weight")]
    [TestCase("language_model.lm_head.weight", "output.weight")]
    [TestCase("model.mm_projector.2.bias", "multi_modal_projector.linear_2.bias")]
    [TestCase("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight")]
    public void Renaming_twice_is_renaming_once(string file, string own)
    {
        Assert.That(LlavaMapping.Rename(file), Is.EqualTo(own));
        Assert.That(LlavaMapping.Rename(own), Is.EqualTo(own));
    }

    [Test]
    public void Pictures_and_placeholders_must_agree()
    {
        LlavaConfig config = LlavaConfig.Read(Parse(Llava));
        (int[] ids, int[] places) = LlavaPrompt.Expand(config, [1, 19, 19, 19, 19, 2], 1);
        Assert.Multiple(() =>
        {
            Assert.That(ids, Is.EqualTo(new[] { 1, 0, 0, 0, 0, 2 }));
            Assert.That(places, Is.EqualTo(new[] { 1, 2, 3, 4 }));
            Assert.That(() => LlavaPrompt.Expand(config, [1, 19, 19, 19, 19, 2], 2), Throws.ArgumentException.With.Message.Contains("4 picture rows and 2 pictures"));
            Assert.That(() => LlavaPrompt.Expand(config, [1, 19, 19, 2], 1), Throws.ArgumentException.With.Message.Contains("2 picture rows"));
            Assert.That(() => LlavaPrompt.Expand(config, [1, 2], 1), Throws.ArgumentException.With.Message.Contains("0 picture rows"));
        });
    }

    private static ConfigReader Parse(string json) => ConfigReader.Parse("config.json", Encoding.UTF8.GetBytes(json));
}
