using VlmSdk.Execution;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Native;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>How far logits move when matrices are quantized while a model is read.</summary>
[TestFixture]
public sealed class QuantizedTests
{
    // Root mean square of the error over that of the logits' spread: about twice the worst measured (0.0014, 0.021, 0.48),
    // for other seeds. Small random models are the hard case: nothing in them averages the rounding away.
    private static readonly Dictionary<DType, double> Bounds = new() { [DType.F16] = 0.003, [DType.Q8_0] = 0.045, [DType.Q4_0] = 0.9 };

    /// <summary>Cases of LLaVA with a prompt, pixels and all logits.</summary>
    public static IEnumerable<string> Cases() => Golden.Cases("llava").Select(d => Path.GetFileName(d)!).Where(n => n is "prefill" or "full" or "layers").DefaultIfEmpty("");

    [Test]
    public void Golden_logits_stay_near([ValueSource(nameof(Cases))] string name, [Values(DType.F16, DType.Q8_0, DType.Q4_0)] DType type)
    {
        if (name.Length == 0)
            Assert.Ignore($"The golden folder {Golden.Root} holds no case of 'llava' with logits.");
        var c = new GoldenCase("llava", name);
        (string weightFile, string json) = c.Files().First();
        LlavaConfig config = LlavaConfig.Read(c.Config(json));
        using IWeightSource file = WeightSource.Open(c.At(weightFile));
        IReadOnlyDictionary<string, HostTensor> weights = LlavaMapping.Read(file, config, new WeightReading { Matrices = type });
        if (weights.Values.All(w => w.Type != type))
            Assert.Ignore($"llava/{name} has no matrix whose rows are whole blocks of {type}.");
        AssertNear(config, weights, c.In("input_ids"), c.In("pixel_values"), c.Out("logits"), type, $"llava/{name}");
    }

    /// <summary>Every matrix of this one can be quantized, so the whole error shows.</summary>
    [Test]
    public void Logits_of_a_wider_model_stay_near([Values(DType.F16, DType.Q8_0, DType.Q4_0)] DType type)
    {
        LlavaConfig config = LlavaConfig.Read(ConfigReader.Parse("config.json", """
            {"model_type":"llava","image_token_index":511,"vision_config":{"hidden_size":128,"intermediate_size":256,"num_hidden_layers":4,"num_attention_heads":4,
            "image_size":56,"patch_size":14},"text_config":{"hidden_size":256,"intermediate_size":512,"num_hidden_layers":8,"num_attention_heads":8,"vocab_size":512}}
            """u8.ToArray()));
        var random = new Random(11);
        var tensors = LlavaMapping.Tensors(config).ToDictionary(w => w.Name, w => Normal(w.Shape, w.Shape.Rank == 1 ? 1 : 0, w.Shape.Rank == 1 ? 0.1 : 1 / Math.Sqrt(w.Shape[^1])));
        HostTensor pixels = Normal(new Shape(1, 3, 56, 56), 0, 1);
        int[] ids = [1, .. Enumerable.Repeat(511, config.ImageRows), .. Enumerable.Range(0, 24).Select(_ => random.Next(2, 511))];
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"wider-{Guid.NewGuid():N}.safetensors");
        try
        {
            SafetensorsWriter.Write(path, tensors);
            using SafetensorsFile file = SafetensorsFile.Open(path);
            IReadOnlyDictionary<string, HostTensor> weights = LlavaMapping.Read(file, config, new WeightReading { Matrices = type });
            Assert.That(LlavaMapping.Tensors(config).Where(w => w.Packs).Select(w => weights[w.Name].Type), Has.All.EqualTo(type));
            var shape = new Shape(1, ids.Length);
            using var native = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
            HostTensor exact = new LlavaRun(native, config, tensors).Whole(HostTensor.From(shape, ids), pixels)["logits"];
            AssertNear(config, weights, HostTensor.From(shape, ids), pixels, exact, type, "a wider model");
        }
        finally
        {
            File.Delete(path);
        }

        HostTensor Normal(Shape shape, double mean, double deviation)
        {
            var tensor = new HostTensor(DType.F32, shape);
            foreach (ref float value in tensor.Floats)
                value = (float)(mean + deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            return tensor;
        }
    }

    private static void AssertNear(LlavaConfig config, IReadOnlyDictionary<string, HostTensor> weights, HostTensor ids, HostTensor pixels, HostTensor exact, DType type, string what)
    {
        using var native = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        HostTensor logits = new LlavaRun(native, config, weights).Whole(ids, pixels)["logits"];
        // The rounding of the weights is the only loss: the same rounded weights as floats give the same logits.
        var widened = weights.ToDictionary(w => w.Key, w => Dequantizer.ToFloats(w.Value));
        ReadOnlySpan<float> expected = new LlavaRun(native, config, widened).Whole(ids, pixels)["logits"].Floats;
        for (int i = 0; i < expected.Length; i++)
            Assert.That(logits.Floats[i], Is.EqualTo(expected[i]).Within(1e-4 * (1 + Math.Abs(expected[i]))), $"{what}: logit {i}");
        double mean = 0, error = 0, spread = 0;
        foreach (float value in exact.Floats)
            mean += value / (double)exact.Floats.Length;
        for (int i = 0; i < exact.Floats.Length; i++)
        {
            error += Math.Pow(logits.Floats[i] - exact.Floats[i], 2);
            spread += Math.Pow(exact.Floats[i] - mean, 2);
        }
        double relative = Math.Sqrt(error / spread);
        TestContext.Out.WriteLine($"{what} with {type} matrices: relative error of the logits {relative:0.00000}");
        Assert.That(relative, Is.GreaterThan(0).And.LessThan(Bounds[type]));
    }
}
