using System.Text.Json;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Answers of PaliGemma to objects and boxes, against the golden table.</summary>
[TestFixture]
public sealed class PaliGemmaAnswerTests
{
    public static IEnumerable<TestCaseData> Cases() =>
        Golden.Items("cases", "paligemma", "parse.json").Select(c => new TestCaseData(c).SetName($"paligemma/parse: {c.GetProperty("name").GetString()}"));

    [TestCaseSource(nameof(Cases))]
    public void Answers_are_read_as_the_reference_reads_them(JsonElement c)
    {
        int width = c.GetProperty("width").GetInt32(), height = c.GetProperty("height").GetInt32();
        JsonElement[] expected = [.. c.GetProperty("objects").EnumerateArray()];
        IReadOnlyList<PaliGemmaObject> objects = PaliGemmaAnswer.Parse(c.GetProperty("text").GetString()!);
        Assert.That(objects.Select(o => o.Label), Is.EqualTo(expected.Select(e => e.GetProperty("label").GetString())));
        for (int i = 0; i < expected.Length; i++)
        {
            double[] locations = [.. objects[i].Locations.Select(l => (double)l)];
            Assert.That(objects[i].Locations, Is.EqualTo(Numbers(expected[i], "loc")), "locations");
            Assert.That(objects[i].MaskIndices, Is.EqualTo(expected[i].GetProperty("seg").ValueKind == JsonValueKind.Null ? null : Numbers(expected[i], "seg")), "mask");
            Assert.That(objects[i].IsValid, Is.EqualTo(expected[i].GetProperty("valid").GetBoolean()), "valid");
            Assert.That(Box(BoxRules.PaliGemma1024), Is.EqualTo(Numbers(expected[i], "box")).Within(1e-9), "box");
            Assert.That(Box(BoxRules.PaliGemma1023), Is.EqualTo(Numbers(expected[i], "box_training")).Within(1e-9), "training box");
            Assert.That(Box(BoxRules.PaliGemma1023).Select(Math.Truncate), Is.EqualTo(Numbers(expected[i], "box_evaluator")), "evaluator box");

            double[] Box(BoxRule rule)
            {
                (double left, double top, double right, double bottom) = rule.Apply(locations, width, height);
                return [left, top, right, bottom];
            }
        }

        // The same as detections: those with an area, with masks where there are indices and the box has pixels.
        var masks = new HostTensor(DType.F32, new Shape(objects.Count(o => o.MaskIndices is not null), MaskCodec.Side, MaskCodec.Side));
        masks.Floats.Fill(1);
        IReadOnlyList<Detection> detections = PaliGemmaDetections.From(objects, width, height, masks);
        JsonElement[] valid = [.. expected.Where(e => e.GetProperty("valid").GetBoolean())];
        Assert.That(detections.Select(d => new[] { d.Box.Left, d.Box.Top, d.Box.Right, d.Box.Bottom }), Is.EqualTo(valid.Select(e => Numbers(e, "box"))));
        for (int i = 0; i < valid.Length; i++)
        {
            double area = detections[i].Box.Width * detections[i].Box.Height;
            Assert.That(detections[i].Mask is not null, Is.EqualTo(valid[i].GetProperty("seg").ValueKind != JsonValueKind.Null && area > 0));
            if (detections[i].Mask is { } mask)
                Assert.That(mask.ToBytes(width, height).Count(v => v == 255), Is.EqualTo(area));
        }
    }

    private static double[] Numbers(JsonElement e, string name) => [.. e.GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];
}
