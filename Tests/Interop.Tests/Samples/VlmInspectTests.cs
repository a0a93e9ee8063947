using System.Globalization;
using System.Text.Json;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Interop.Samples;

/// <summary>vlm inspect on whole models: what it recognises, what it misses, and what reading takes.</summary>
public sealed class VlmInspectTests
{
    private const string Vision = """{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":2,"image_size":28,"patch_size":14}""";

    private string _folder = "";

    [SetUp]
    public void Make() => _folder = Directory.CreateTempSubdirectory("vlminspect").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// A checkpoint of more than 1 GB is read into a seventh of that and never lies in memory whole. Nor is a model held twice that is
    /// loaded from it, packed for its executor and asked, though its embedding is its output layer as well.
    /// </summary>
    [Test]
    public async Task A_large_sharded_checkpoint_is_read_and_asked_within_its_quantized_size()
    {
        LlavaConfig config = Config(width: 2048, mlp: 8192, layers: 4, tied: true);
        WriteShards(config, w => w.StartsWith("blk.", StringComparison.Ordinal) ? DType.F32 : DType.BF16,
            w => w.StartsWith("blk.", StringComparison.Ordinal) ? w.Split('.')[1] : "rest");
        JsonElement result = await Inspect("--read", "Q4_0");
        JsonElement read = result.GetProperty("read");
        long stored = result.GetProperty("bytes").GetInt64(), bytes = read.GetProperty("bytes").GetInt64(), peak = read.GetProperty("peak_bytes").GetInt64();
        long largest = result.GetProperty("tensors").EnumerateArray().Max(t => t.GetProperty("bytes").GetInt64());
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{stored:N0} bytes stored, {bytes:N0} read, largest tensor {largest:N0}, peak {peak:N0}, {read.GetProperty("seconds").GetDouble():0.0} s"));
        Assert.Multiple(() =>
        {
            Assert.That(stored, Is.GreaterThan(1_000_000_000));
            Assert.That(bytes, Is.EqualTo(result.GetProperty("memory").GetProperty("Q4_0").GetInt64()).And.LessThan(stored / 6));
            Assert.That(peak, Is.LessThan(bytes + largest + (256L << 20)));
        });

        File.Copy(Golden.Own("tokenizers", "llama-spm", "tokenizer.model"), Path.Combine(_folder, "tokenizer.model"));
        (int code, string output, string error) = await VlmCommandTests.Run(
            "ask", Golden.Own("preprocess", "sources", "pixel.png"), "What is it?", "--model", _folder, "--quantize", "Q8_0", "--json");
        Assert.That(code, Is.Zero, error);
        long whole = JsonDocument.Parse(output).RootElement.GetProperty("peak_bytes").GetInt64(), half = result.GetProperty("memory").GetProperty("Q8_0").GetInt64();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"loaded in {half:N0}, packed and asked: peak {whole:N0}"));
        Assert.That(whole, Is.LessThan(half + largest + (256L << 20)));
    }

    [Test]
    public async Task A_whole_model_is_recognised_with_what_it_needs_and_can()
    {
        LlavaConfig config = Config(width: 64, mlp: 96, layers: 2);
        WriteShards(config, _ => DType.F32, w => w[..3]);
        JsonElement result = await Inspect();
        long parameters = LlavaMapping.Tensors(config).Sum(w => w.Shape.Count), packed = LlavaMapping.Tensors(config).Where(w => w.Packs).Sum(w => w.Shape.Count);
        JsonElement memory = result.GetProperty("memory");
        Assert.Multiple(() =>
        {
            Assert.That(result.GetProperty("model").GetString(), Is.EqualTo("LLaVA"));
            Assert.That(result.GetProperty("layout").GetString(), Is.EqualTo("Hugging Face"));
            Assert.That(result.GetProperty("abilities").GetString(), Is.EqualTo("Describe, Answer"));
            Assert.That(result.GetProperty("used").GetInt32(), Is.EqualTo(LlavaMapping.Tensors(config).Count));
            foreach (string list in new[] { "missing", "unknown", "misshapen" })
                Assert.That(result.GetProperty(list).GetArrayLength(), Is.Zero, list);
            Assert.That(result.GetProperty("parameters").GetInt64(), Is.EqualTo(parameters));
            Assert.That(memory.GetProperty("F32").GetInt64(), Is.EqualTo(4 * parameters));
            Assert.That(memory.GetProperty("F16").GetInt64(), Is.EqualTo(4 * parameters - 2 * packed));
            Assert.That(memory.GetProperty("Q8_0").GetInt64(), Is.EqualTo(4 * (parameters - packed) + packed / 32 * 34));
            Assert.That(memory.GetProperty("Q4_0").GetInt64(), Is.EqualTo(4 * (parameters - packed) + packed / 32 * 18));
        });
        (int code, string text, _) = await VlmCommandTests.Run("inspect", _folder, "--read", "Q8_0");
        Assert.That(code, Is.Zero);
        Assert.That(text, Does.Contain("model: LLaVA, Hugging Face layout").And.Contain("0 missing, 0 unknown").And.Contain($"read as Q8_0: {memory.GetProperty("Q8_0").GetInt64():N0} bytes"));
    }

    [TestCase("missing", "blk.1.ffn_up.weight", "does not hold it")]
    [TestCase("unknown", "adapter.weight", "no such tensor")]
    [TestCase("misshapen", "output_norm.weight", "[65]")]
    public async Task What_does_not_fit_is_listed_and_named(string list, string tensor, string says)
    {
        LlavaConfig config = Config(width: 64, mlp: 96, layers: 2);
        var tensors = LlavaMapping.Tensors(config).ToDictionary(w => w.Name, w => new HostTensor(DType.F32, w.Shape));
        tensors.Remove(tensor);
        if (list != "missing")
            tensors.Add(tensor, new HostTensor(DType.F32, new Shape(65)));
        SafetensorsWriter.Write(Path.Combine(_folder, "model.safetensors"), tensors);
        (int code, string output, string error) = await VlmCommandTests.Run("inspect", _folder, "--json");
        JsonElement result = JsonDocument.Parse(output).RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error, Does.StartWith("error: ").And.Contain(tensor).And.Contain(says).And.Contain(_folder));
            Assert.That(result.GetProperty(list).EnumerateArray().Select(n => n.GetString()), Is.EqualTo(new[] { tensor }));
            Assert.That(result.GetProperty("model").GetString(), Is.EqualTo("LLaVA"));
        });
    }

    [TestCase("{\"model_type\":\"mystery\"}", "mystery", "LLaVA")]
    [TestCase("{\"model_type\":\"llava\",\"text_config\":{\"model_type\":\"mamba\"},\"vision_config\":{}}", "text_config.model_type", "mamba")]
    [TestCase("{\"model_type\":\"siglip\"", "config.json", "strict JSON")]
    [TestCase(null, "no config.json", "whole published model")]
    public async Task What_is_not_known_is_named(string? config, params string[] says)
    {
        if (config is not null)
            File.WriteAllText(Path.Combine(_folder, "config.json"), config);
        SafetensorsWriter.Write(Path.Combine(_folder, "model.safetensors"), new Dictionary<string, HostTensor> { ["a"] = new(DType.F32, new Shape(1)) });
        (int code, _, string error) = await VlmCommandTests.Run("inspect", _folder);
        Assert.That(code, Is.EqualTo(1));
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        foreach (string part in says)
            Assert.That(error, Does.Contain(part));
    }

    [Test]
    public async Task Each_family_at_hand_is_recognised()
    {
        foreach ((string path, string family) in new[]
        {
            ("scout", "Scout"), (Golden.Own("quant", "llama-mixed", "model.gguf"), "Llama"), (Golden.Own("siglip", "model.safetensors"), "SigLIP"),
            (Golden.Own("llava", "model.safetensors"), "LLaVA"), (BigVision(), "PaliGemma"),
        })
        {
            (int code, string output, string error) = await VlmCommandTests.Run("inspect", path, "--json", "--read", "Q8_0");
            Assert.That(code, Is.Zero, error);
            JsonElement result = JsonDocument.Parse(output).RootElement;
            Assert.That(result.GetProperty("model").GetString(), Is.EqualTo(family));
            Assert.That(result.GetProperty("read").GetProperty("bytes").GetInt64(), Is.EqualTo(result.GetProperty("memory").GetProperty("Q8_0").GetInt64()));
        }
    }

    /// <summary>A folder with an archive of arrays for weights, and the mask codec beside it.</summary>
    private string BigVision()
    {
        foreach (string file in new[] { "config.json", "model.npz", "vae-oid.npz" })
            File.Copy(Golden.Own("paligemma", file), Path.Combine(_folder, file));
        return _folder;
    }

    private async Task<JsonElement> Inspect(params string[] more)
    {
        (int code, string output, string error) = await VlmCommandTests.Run(["inspect", _folder, "--json", .. more]);
        Assert.That(code, Is.Zero, error);
        return JsonDocument.Parse(output).RootElement;
    }

    private LlavaConfig Config(int width, int mlp, int layers, bool tied = false)
    {
        string text = $"\"hidden_size\":{width},\"intermediate_size\":{mlp},\"num_hidden_layers\":{layers},\"num_attention_heads\":4,\"vocab_size\":8192" +
            (tied ? ",\"tie_word_embeddings\":true" : "");
        File.WriteAllText(Path.Combine(_folder, "config.json"),
            $$"""{"model_type":"llava","image_token_index":8000,"vision_config":{{Vision}},"text_config":{ {{text}} } }""");
        return LlavaConfig.Read(ConfigReader.Open(Path.Combine(_folder, "config.json")));
    }

    private void WriteShards(LlavaConfig config, Func<string, DType> type, Func<string, string> shard)
    {
        var random = new Random(5);
        float[] noise = [.. Enumerable.Range(0, 1 << 16).Select(_ => random.NextSingle() - 0.5f)];
        var made = new Dictionary<(DType, Shape), HostTensor>();
        foreach (IGrouping<string, WeightSpec> group in LlavaMapping.Tensors(config).GroupBy(w => shard(w.Name)))
            SafetensorsWriter.Write(Path.Combine(_folder, $"model-{group.Key}.safetensors"), group.ToDictionary(w => w.Name, w => Noise(type(w.Name), w.Shape)));
        File.WriteAllText(Path.Combine(_folder, "model.safetensors.index.json"), JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["weight_map"] = LlavaMapping.Tensors(config).ToDictionary(w => w.Name, w => $"model-{shard(w.Name)}.safetensors"),
        }));

        HostTensor Noise(DType type, Shape shape)
        {
            if (made.TryGetValue((type, shape), out HostTensor? same))
                return same;
            var tensor = new HostTensor(DType.F32, shape);
            for (Span<float> left = tensor.Floats; left.Length > 0; left = left[Math.Min(noise.Length, left.Length)..])
                noise.AsSpan(0, Math.Min(noise.Length, left.Length)).CopyTo(left);
            return made[(type, shape)] = type == DType.F32 ? tensor : Quantizer.Quantize(type, tensor);
        }
    }
}
