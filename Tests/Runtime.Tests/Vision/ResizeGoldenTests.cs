using System.Text.Json;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>The resizer against Pillow's bytes, both orders of the passes.</summary>
public sealed class ResizeGoldenTests
{
    private static IEnumerable<TestCaseData> All() =>
        from c in Golden.Items("cases", "preprocess", "resize", "case.json")
        from order in Enum.GetValues<PassOrder>()
        let key = order == PassOrder.Pillow13 && c.TryGetProperty("out_pillow13", out _) ? "out_pillow13" : "out"
        let file = c.GetProperty(key).GetString()
        select new TestCaseData(c, order, file).SetArgDisplayNames(Path.GetFileName(file), order.ToString());

    [TestCaseSource(nameof(All))]
    public void Resizes_to_the_golden_bytes(JsonElement c, PassOrder order, string file)
    {
        PixelBuffer source = ImageFile.Decode(Golden.At("preprocess", c.GetProperty("source").GetString()!));
        ResizeFilter filter = Enum.Parse<ResizeFilter>(c.GetProperty("filter").GetString()!, ignoreCase: true);
        PixelBuffer actual = ImageResize.Resize(source, c.GetProperty("size")[0].GetInt32(), c.GetProperty("size")[1].GetInt32(), filter, order);
        PixelBuffer expected = ColourRules.Apply(ImageFile.Decode(Golden.At("preprocess", file)), AlphaRule.Drop);
        Assert.That((actual.Width, actual.Height), Is.EqualTo((expected.Width, expected.Height)));
        Assert.That(actual.Data.Span.CommonPrefixLength(expected.Data.Span), Is.EqualTo(expected.Data.Length), "first differing byte");
    }
}
