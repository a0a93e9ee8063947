using System.Text.Json;
using VlmSdk.Imaging;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>Every published system's picture rules against its own library's bytes and numbers.</summary>
public sealed class ConventionGoldenTests
{
    private static readonly Dictionary<string, Func<int, ImageConvention>> Conventions = new()
    {
        ["clip-crop"] = ImageConventions.ClipCrop,
        ["openflamingo"] = ImageConventions.OpenFlamingo,
        ["llava-pad"] = ImageConventions.LlavaPad,
        ["siglip"] = ImageConventions.Siglip,
        ["siglip-jax"] = ImageConventions.SiglipJax,
        ["qwen-vl"] = ImageConventions.QwenVl,
        ["cogvlm"] = ImageConventions.CogVlm,
        ["idefics"] = ImageConventions.Idefics,
        ["pixtral-hf"] = side => ImageConventions.PixtralHf(side),
        ["pixtral-mistral"] = side => ImageConventions.PixtralMistral(side),
        ["deepseek-vl"] = ImageConventions.DeepSeekVl,
        ["deepseek-vl-hf"] = ImageConventions.DeepSeekVlHf,
        ["deepseek-vl-hybrid"] = ImageConventions.DeepSeekVlHybrid,
        ["deepseek-vl-hybrid-hf"] = ImageConventions.DeepSeekVlHybridHf,
        ["janus"] = ImageConventions.Janus,
        ["janus-hf"] = ImageConventions.JanusHf,
        ["chameleon-hf"] = ImageConventions.ChameleonHf,
        ["chameleon-meta"] = ImageConventions.ChameleonMeta,
    };

    private static IEnumerable<TestCaseData> All() =>
        from name in Conventions.Keys
        from folder in Golden.Cases(Path.Combine("preprocess", name))
        select new TestCaseData(name, folder).SetArgDisplayNames(name, Path.GetFileName(folder));

    [Test]
    public void Every_convention_of_the_repositorys_set_is_tested() => Assert.That(
        Golden.Json(Golden.Own("preprocess", "index.json")).GetProperty("conventions").EnumerateObject().Select(p => p.Name), Is.SubsetOf(Conventions.Keys));

    [TestCaseSource(nameof(All))]
    public void Gives_the_golden_bytes_and_numbers(string name, string folder)
    {
        JsonElement c = Golden.Json(Path.Combine(folder, "case.json"));
        PixelBuffer source = ImageFile.Decode(Path.Combine(folder, c.GetProperty("source").GetString()!));
        int side = c.GetProperty("size").GetInt32();
        ImageConvention convention = Conventions[name](side);
        Assert.That(convention.Name, Is.EqualTo(name));

        string resized = Path.Combine(folder, "resized.png");
        if (File.Exists(resized))
            AssertBytes(convention.Resize(source), ColourRules.Apply(ImageFile.Decode(resized), AlphaRule.Drop), c.GetProperty("tolerance_u8").GetInt32());

        string numbers = Path.Combine(folder, "io.safetensors");
        if (!File.Exists(numbers))
            return;
        float tolerance = c.GetProperty("tolerance_abs").GetSingle();
        using SafetensorsFile io = SafetensorsFile.Open(numbers);
        using PatchGrid grid = convention.Process(source);
        if (io.Tensors.ContainsKey("out.pixel_values"))
            AssertClose("pixel_values", grid.Values, io.Read("out.pixel_values"), tolerance);
        if (io.Tensors.ContainsKey("out.low"))
        {
            (HostTensor high, HostTensor low) = name == "deepseek-vl-hybrid"
                ? ImageConventions.DeepSeekVlHybridInputs(source, side)
                : ImageConventions.DeepSeekVlHybridHfInputs(source, side);
            AssertClose("high", high, io.Read("out.high"), tolerance);
            AssertClose("low", low, io.Read("out.low"), tolerance);
        }
        if (io.Tensors.ContainsKey("out.low_u8"))
        {
            HostTensor low = io.Read("out.low_u8");
            PixelBuffer bytes = ImageConventions.DeepSeekVlHybridHfLow(side).Resize(convention.Resize(source));
            AssertBytes(bytes, new PixelBuffer(low.Shape[1], low.Shape[0], PixelFormat.Rgb8, low.Data), 0);
        }
    }

    [Test]
    public void Patch_major_holds_the_planar_numbers([Values("pixtral-hf", "pixtral-mistral", "clip-crop", "siglip-jax")] string name)
    {
        ImageConvention convention = Conventions[name](64);
        PixelBuffer source = Pictures.Noise(50, 90, PixelFormat.Rgba8);
        using PatchGrid planar = convention.Process(source), patches = convention.Process(source, PatchLayout.PatchMajor, 16);
        (int height, int width) = (planar.Spec.Height, planar.Spec.Width);
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                {
                    int at = (y / 16 * (width / 16) + x / 16) * 768 + c * 256 + y % 16 * 16 + x % 16;
                    if (patches.Values.Floats[at] != planar.Values.Floats[(c * height + y) * width + x])
                        Assert.Fail($"x {x} y {y} channel {c}");
                }
    }

    [Test]
    public void Padding_to_a_square_is_padding_to_a_square([Values("60x21", "21x60", "30x30", "1x40")] string size, [Values] PixelFormat format)
    {
        int[] n = [.. size.Split('x').Select(int.Parse)];
        PixelBuffer source = Pictures.Noise(n[0], n[1], format);
        PixelBuffer rgb = ColourRules.Apply(source, AlphaRule.Drop);
        int side = Math.Max(n[0], n[1]);
        var square = new byte[3 * side * side];
        for (int i = 0; i < square.Length; i += 3)
            (square[i], square[i + 1], square[i + 2]) = (122, 116, 104);
        for (int y = 0; y < n[1]; y++)
            rgb.Row(y).CopyTo(square.AsSpan(3 * ((y + (side - n[1]) / 2) * side + (side - n[0]) / 2)));
        PixelBuffer expected = ImageResizeReference.Resize(new PixelBuffer(side, side, PixelFormat.Rgb8, square), 14, 14, ResizeFilter.Bicubic);
        AssertBytes(ImageConventions.LlavaPad(14).Resize(source), expected, 0);
    }

    private static void AssertBytes(PixelBuffer actual, PixelBuffer expected, int tolerance)
    {
        Assert.That((actual.Width, actual.Height), Is.EqualTo((expected.Width, expected.Height)));
        ReadOnlySpan<byte> a = actual.Data.Span, b = expected.Data.Span;
        for (int i = 0; i < b.Length; i++)
            if (Math.Abs(a[i] - b[i]) > tolerance)
                Assert.Fail($"x {i / 3 % actual.Width} y {i / 3 / actual.Width} channel {i % 3}: {a[i]}, golden {b[i]}");
    }

    private static void AssertClose(string what, HostTensor actual, HostTensor expected, float tolerance)
    {
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape), what);
        ReadOnlySpan<float> a = actual.Floats, b = expected.Floats;
        for (int i = 0; i < b.Length; i++)
            if (!(Math.Abs(a[i] - b[i]) <= tolerance))
                Assert.Fail($"{what} [{i}]: {a[i]:R}, golden {b[i]:R}, tolerance {tolerance}");
    }
}
