using VlmSdk.Execution;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Pixtral;
using VlmSdk.Native;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>
/// How far logits move when matrices are quantized while a model is read. Small random models magnify rounding, each in its own
/// measure, so errors are held to those of an ideal quantizer: the same numbers moved at random by as much as the type's steps round them.
/// </summary>
[TestFixture]
public sealed class QuantizedTests
{
    // Most errors over the ideal ones, root mean squares: of each matrix, and of the logits. A sound quantizer is near 1 (measured: matrices
    // up to 1.09, logits 0.8 to 1.7); a scale wrong by a tenth and exchanged nibbles are beyond (A_broken_quantizer_shows).
    private const double MostOfMatrices = 1.2, MostOfLogits = 3;

    private static readonly Dictionary<string, Func<GoldenCase, IExecutor, Model>> Models = new()
    {
        ["llava/prefill"] = Llava,
        ["llava/full"] = Llava,
        ["llava/layers"] = Llava,
        ["paligemma/prefill"] = PaliGemma,
        ["paligemma/two_images"] = PaliGemma,
        ["paligemma2/prefill"] = PaliGemma,
        ["pixtral/two_images"] = Pixtral,
        ["pixtral/long"] = Pixtral,
    };

    /// <summary>Cases at hand with a prompt, pixels and all logits.</summary>
    public static IEnumerable<string> Cases() => Models.Keys.Where(k => File.Exists(Golden.At([.. k.Split('/'), "case.json"]))).DefaultIfEmpty("");

    [Test]
    public void Golden_logits_stay_near([ValueSource(nameof(Cases))] string name, [Values(DType.F16, DType.Q8_0, DType.Q4_0)] DType type)
    {
        if (name.Length == 0)
            Assert.Ignore($"The golden folder {Golden.Root} holds none of {string.Join(", ", Models.Keys)}.");
        using var native = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        Model model = Models[name](new GoldenCase(name.Split('/')[0], name.Split('/')[1]), native);
        IReadOnlyDictionary<string, HostTensor> exact = model.Read(new WeightReading { Matrices = DType.F32 }), rounded = model.Read(new WeightReading { Matrices = type });
        if (rounded.Values.All(w => w.Type != type))
            Assert.Ignore($"{name} has no matrix whose rows are whole blocks of {type}.");
        AssertNear(model, exact, rounded, type, name);
    }

    /// <summary>Every matrix of this one can be quantized, so the whole error shows.</summary>
    [Test]
    public void Logits_of_a_wider_model_stay_near([Values(DType.F16, DType.Q8_0, DType.Q4_0)] DType type)
    {
        using var native = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        (Model model, IReadOnlyDictionary<string, HostTensor> exact, LlavaConfig config) = Wider(native);
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"wider-{Guid.NewGuid():N}.safetensors");
        try
        {
            SafetensorsWriter.Write(path, exact);
            using SafetensorsFile file = SafetensorsFile.Open(path);
            IReadOnlyDictionary<string, HostTensor> rounded = LlavaMapping.Read(file, config, new WeightReading { Matrices = type });
            Assert.That(LlavaMapping.Tensors(config).Where(w => w.Packs).Select(w => rounded[w.Name].Type), Has.All.EqualTo(type));
            AssertNear(model, exact, rounded, type, "a wider model");
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The bounds catch what they are for: Q4_0 blocks whose scale is wrong by a tenth, or whose nibbles are exchanged.</summary>
    [TestCase("scale")]
    [TestCase("nibbles")]
    public void A_broken_quantizer_shows(string fault)
    {
        using var native = new NativeExecutor(new NativeExecutorOptions { Threads = 2 });
        (Model model, IReadOnlyDictionary<string, HostTensor> exact, LlavaConfig config) = Wider(native);
        HashSet<string> matrices = [.. CheckpointMapping.Matrices(LlavaMapping.Tensors(config))];
        Dictionary<string, HostTensor> broken = exact.ToDictionary(w => w.Key, w => matrices.Contains(w.Key) ? Quantizer.Quantize(DType.Q4_0, w.Value) : w.Value);
        foreach (string name in matrices)
            for (Memory<byte> block = broken[name].Data; block.Length > 0; block = block[18..])
                if (fault == "scale")
                    BitConverter.TryWriteBytes(block.Span, BitConverter.ToHalf(block.Span) * (Half)1.1f);
                else
                    foreach (ref byte pair in block.Span[2..18])
                        pair = (byte)(pair << 4 | pair >> 4);
        (double ofMatrices, double ofLogits) = Excess(model, exact, broken, DType.Q4_0, fault);
        Assert.That(ofMatrices, Is.GreaterThan(MostOfMatrices));
        if (fault == "nibbles")
            Assert.That(ofLogits, Is.GreaterThan(MostOfLogits));
    }

    private static void AssertNear(Model model, IReadOnlyDictionary<string, HostTensor> exact, IReadOnlyDictionary<string, HostTensor> rounded, DType type, string what)
    {
        // The rounding of the weights is the only loss: the same rounded weights as floats give the same logits.
        ReadOnlySpan<float> logits = model.Logits(rounded).Floats, expected = model.Logits(rounded.ToDictionary(w => w.Key, w => Dequantizer.ToFloats(w.Value))).Floats;
        for (int i = 0; i < expected.Length; i++)
            Assert.That(logits[i], Is.EqualTo(expected[i]).Within(1e-4 * (1 + Math.Abs(expected[i]))), $"{what}: logit {i}");
        (double ofMatrices, double ofLogits) = Excess(model, exact, rounded, type, what);
        Assert.Multiple(() =>
        {
            Assert.That(ofMatrices, Is.LessThan(MostOfMatrices), $"{what}: error of a matrix over that of ideal rounding");
            Assert.That(ofLogits, Is.LessThan(MostOfLogits), $"{what}: error of the logits over that of ideal rounding");
        });
    }

    /// <summary>Errors over those of ideal rounding: of the worst matrix, and of the logits.</summary>
    private static (double Matrices, double Logits) Excess(
        Model model, IReadOnlyDictionary<string, HostTensor> exact, IReadOnlyDictionary<string, HostTensor> rounded, DType type, string what)
    {
        double worst = 0;
        foreach ((string name, HostTensor matrix) in rounded.Where(w => w.Value.Type == type))
            worst = Math.Max(worst, Error(Dequantizer.ToFloats(matrix).Floats, exact[name].Floats) / Math.Sqrt(Steps(exact[name].Floats, type).Average(s => (double)s * s / 12)));
        HostTensor logits = model.Logits(exact);
        double error = Error(model.Logits(rounded).Floats, logits.Floats);
        double ideal = Enumerable.Range(1, 4).Average(seed => Error(model.Logits(Moved(exact, rounded, type, seed)).Floats, logits.Floats));
        TestContext.Out.WriteLine($"{what} with {type} matrices: relative error of the logits {error / Spread(logits.Floats):0.0000}, " +
            $"{error / ideal:0.00} of ideal rounding; worst matrix {worst:0.00} of it");
        return (worst, error / ideal);
    }

    /// <summary>The weights with the numbers of quantized matrices moved by up to half a step either way.</summary>
    private static Dictionary<string, HostTensor> Moved(IReadOnlyDictionary<string, HostTensor> exact, IReadOnlyDictionary<string, HostTensor> rounded, DType type, int seed)
    {
        var random = new Random(seed);
        return exact.ToDictionary(w => w.Key, w =>
        {
            if (rounded[w.Key].Type != type)
                return w.Value;
            float[] steps = Steps(w.Value.Floats, type), moved = w.Value.Floats.ToArray();
            for (int i = 0; i < moved.Length; i++)
                moved[i] += steps[i] * (random.NextSingle() - 0.5f);
            return HostTensor.From(w.Value.Shape, moved);
        });
    }

    /// <summary>The distance between the values a type has around each number: sixteen steps over twice a block's largest magnitude in Q4_0, 254 in Q8_0.</summary>
    private static float[] Steps(ReadOnlySpan<float> values, DType type)
    {
        var steps = new float[values.Length];
        for (int i = 0; i < steps.Length; i++)
        {
            if (type == DType.F16)
                steps[i] = MathF.ScaleB(1, Math.Max(-14, MathF.ILogB(values[i])) - 10);
            else if (i % 32 == 0)
                steps.AsSpan(i, 32).Fill(values.Slice(i, 32).ToArray().Max(Math.Abs) / (type == DType.Q4_0 ? 8 : 127));
        }
        return steps;
    }

    private static double Error(ReadOnlySpan<float> values, ReadOnlySpan<float> expected)
    {
        double sum = 0;
        for (int i = 0; i < values.Length; i++)
            sum += Math.Pow((double)values[i] - expected[i], 2);
        return Math.Sqrt(sum / values.Length);
    }

    private static double Spread(ReadOnlySpan<float> values)
    {
        var mean = new float[values.Length];
        mean.AsSpan().Fill((float)values.ToArray().Average());
        return Error(values, mean);
    }

    private static (Model Model, IReadOnlyDictionary<string, HostTensor> Weights, LlavaConfig Config) Wider(IExecutor executor)
    {
        LlavaConfig config = LlavaConfig.Read(ConfigReader.Parse("config.json", """
            {"model_type":"llava","image_token_index":511,"vision_config":{"hidden_size":128,"intermediate_size":256,"num_hidden_layers":4,"num_attention_heads":4,
            "image_size":56,"patch_size":14},"text_config":{"hidden_size":256,"intermediate_size":512,"num_hidden_layers":8,"num_attention_heads":8,"vocab_size":512}}
            """u8.ToArray()));
        var random = new Random(11);
        var weights = LlavaMapping.Tensors(config).ToDictionary(w => w.Name, w => Normal(w.Shape, w.Shape.Rank == 1 ? 1 : 0, w.Shape.Rank == 1 ? 0.1 : 1 / Math.Sqrt(w.Shape[^1])));
        HostTensor pixels = Normal(new Shape(1, 3, 56, 56), 0, 1);
        int[] ids = [1, .. Enumerable.Repeat(511, config.ImageRows), .. Enumerable.Range(0, 24).Select(_ => random.Next(2, 511))];
        return (new Model(_ => weights, w => new LlavaRun(executor, config, w).Whole(HostTensor.From(new Shape(1, ids.Length), ids), pixels)["logits"]), weights, config);

        HostTensor Normal(Shape shape, double mean, double deviation)
        {
            var tensor = new HostTensor(DType.F32, shape);
            foreach (ref float value in tensor.Floats)
                value = (float)(mean + deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            return tensor;
        }
    }

    private static Model Llava(GoldenCase c, IExecutor executor)
    {
        (string weights, string json) = c.Files().First();
        LlavaConfig config = LlavaConfig.Read(c.Config(json));
        return new Model(Reading(c, weights, (file, reading) => LlavaMapping.Read(file, config, reading)),
            w => new LlavaRun(executor, config, w).Whole(c.In("input_ids"), c.In("pixel_values"))["logits"]);
    }

    private static Model PaliGemma(GoldenCase c, IExecutor executor)
    {
        PaliGemmaConfig config = PaliGemmaConfig.Read(c.Config());
        return new Model(Reading(c, "model.safetensors", (file, reading) => PaliGemmaMapping.Read(file, config, reading)),
            w => new PaliGemmaRun(executor, config, w).Whole(c.In("input_ids"), c.In("pixel_values"))["logits"]);
    }

    private static Model Pixtral(GoldenCase c, IExecutor executor)
    {
        (string weights, string json) = c.Files().First();
        PixtralConfig config = PixtralCases.Config(c, json);
        return new Model(Reading(c, weights, (file, reading) => PixtralMapping.Read(file, config, reading)),
            w => new PixtralRun(executor, config, w).Whole(c.In("input_ids"), PixtralCases.Pictures(c))["logits"]);
    }

    private static Func<WeightReading, IReadOnlyDictionary<string, HostTensor>> Reading(
        GoldenCase c, string name, Func<IWeightSource, WeightReading, IReadOnlyDictionary<string, HostTensor>> read) => reading =>
    {
        using IWeightSource file = WeightSource.Open(c.At(name));
        return read(file, reading);
    };

    /// <summary>How a model is read, and its logits with the weights read.</summary>
    private sealed record Model(Func<WeightReading, IReadOnlyDictionary<string, HostTensor>> Read, Func<IReadOnlyDictionary<string, HostTensor>, HostTensor> Logits);
}
