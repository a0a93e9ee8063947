using System.Text.Json;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>Boxes back to source pixels, target sizes, and decoder numbers to bytes, against the golden tables.</summary>
public sealed class CoordinateGoldenTests
{
    private static IEnumerable<TestCaseData> Boxes() =>
        Golden.Items("cases", "preprocess", "coordinates", "case.json")
            .Select((c, i) => new TestCaseData(c).SetArgDisplayNames($"{i} {c.GetProperty("rule").GetString()}"));

    [TestCaseSource(nameof(Boxes))]
    public void Boxes_go_back_to_source_pixels(JsonElement c)
    {
        string rule = c.GetProperty("rule").GetString()!;
        (int width, int height) = (c.GetProperty("width").GetInt32(), c.GetProperty("height").GetInt32());
        double[] model = Numbers(c, "model"), pixels = Numbers(c, "pixels"), actual;
        if (BoxRules.All.FirstOrDefault(r => r.Name == rule) is BoxRule text)
        {
            (double left, double top, double right, double bottom) = text.Apply(model, width, height);
            actual = [left, top, right, bottom];
        }
        else
        {
            string[] parts = rule.Split('-');
            int side = int.Parse(parts[1]);
            var spec = new PatchGridSpec { Width = side, Height = side, Fit = Enum.Parse<FitKind>(parts[0], ignoreCase: true), Lookup = PixelNormalization.Linear(1, 0) };
            // The letterbox rows come from a system that keeps at least 14 pixels of the shorter side.
            CoordinateMap map = spec.Fit == FitKind.Letterbox
                ? ImageConventions.Janus(side).Map(width, height)
                : CoordinateMap.Create(spec, width, height);
            if (c.TryGetProperty("content", out _))
                Assert.That(new double[] { map.OffsetX, map.OffsetY, map.ResizedWidth, map.ResizedHeight }, Is.EqualTo(Numbers(c, "content")));
            if (c.TryGetProperty("crop", out _))
                Assert.That(new double[] { -map.OffsetX, -map.OffsetY, map.ResizedWidth, map.ResizedHeight }, Is.EqualTo([.. Numbers(c, "crop"), .. Numbers(c, "resized")]));
            actual = [map.SourceX(model[0]), map.SourceY(model[1]), map.SourceX(model[2]), map.SourceY(model[3])];
        }
        Assert.That(actual, Is.EqualTo(pixels).Within(1e-6));
    }

    private static IEnumerable<TestCaseData> Sizes(string file) =>
        Golden.Items("cases", "preprocess", file)
            .Select(c => new TestCaseData(c).SetArgDisplayNames($"{c.GetProperty("width")} x {c.GetProperty("height")}"));

    [TestCaseSource(nameof(Sizes), ["resize-sizes.json"])]
    public void Resized_sizes(JsonElement c)
    {
        foreach (JsonProperty row in c.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Array))
        {
            // "clip_336" is convention clip at side 336.
            int cut = row.Name.LastIndexOf('_'), side = int.Parse(row.Name.AsSpan(cut + 1));
            ImageConvention convention = row.Name[..cut] switch
            {
                "clip" => ImageConventions.ClipCrop(side),
                "chameleon_meta" => ImageConventions.ChameleonMeta(side),
                "deepseek_original" => ImageConventions.DeepSeekVl(side),
                "deepseek_hf" => ImageConventions.DeepSeekVlHf(side),
                var other => throw new InvalidDataException(other),
            };
            CoordinateMap map = convention.Map(c.GetProperty("width").GetInt32(), c.GetProperty("height").GetInt32());
            Assert.That(new double[] { map.ResizedWidth, map.ResizedHeight }, Is.EqualTo(Numbers(c, row.Name)), row.Name);
        }
    }

    [TestCaseSource(nameof(Sizes), ["pixtral-sizes.json"])]
    public void Pixtral_sizes(JsonElement c)
    {
        (int width, int height) = (c.GetProperty("width").GetInt32(), c.GetProperty("height").GetInt32());
        CoordinateMap mistral = ImageConventions.PixtralMistral().Map(width, height), hf = ImageConventions.PixtralHf().Map(width, height);
        double[] patches = [mistral.TargetWidth / 16, mistral.TargetHeight / 16];
        Assert.That(patches, Is.EqualTo(Numbers(c, "mistral_patches")));
        if (c.GetProperty("hf_pixels").ValueKind == JsonValueKind.Array)
            Assert.That(new double[] { hf.TargetWidth, hf.TargetHeight }, Is.EqualTo(Numbers(c, "hf_pixels")));
    }

    private static IEnumerable<string> ByteTables() =>
        new[] { Golden.At("preprocess", "to-bytes", "io.safetensors") }.Where(File.Exists);

    [TestCaseSource(nameof(ByteTables))]
    public void Decoder_numbers_become_bytes(string file)
    {
        using SafetensorsFile io = SafetensorsFile.Open(file);
        float[] x = io.Read("in.x").Floats.ToArray();
        Assert.That(x.Select(GeneratedPixels.Chameleon), Is.EqualTo(io.Read("out.chameleon").Data.ToArray()));
        Assert.That(x.Select(GeneratedPixels.Janus), Is.EqualTo(io.Read("out.janus").Data.ToArray()));
        Assert.That(GeneratedPixels.Janus(float.NaN), Is.Zero);
    }

    [Test]
    public void Source_to_target_and_back_is_the_same_place([Values] FitKind fit)
    {
        var spec = new PatchGridSpec { Width = 96, Height = 64, Fit = fit, Lookup = PixelNormalization.Linear(1, 0) };
        CoordinateMap map = CoordinateMap.Create(spec, 123, 457);
        Assert.That(map.SourceX(map.TargetX(60.25)), Is.EqualTo(60.25).Within(1e-9));
        Assert.That(map.SourceY(map.TargetY(201.5)), Is.EqualTo(201.5).Within(1e-9));
    }

    private static double[] Numbers(JsonElement c, string key) => [.. c.GetProperty(key).EnumerateArray().Select(v => v.GetDouble())];
}
