using System.Text.Json;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Imaging;

/// <summary>Every source file of the golden set decoded and brought to R, G, B by every colour rule, byte for byte.</summary>
public sealed class DecodeGoldenTests
{
    private static IEnumerable<TestCaseData> All() =>
        from c in Golden.Items("cases", "preprocess", "decode", "case.json")
        select new TestCaseData(c).SetArgDisplayNames(Path.GetFileName(c.GetProperty("out").GetString()!));

    [TestCaseSource(nameof(All))]
    public void Decodes_to_the_golden_bytes(JsonElement c)
    {
        PixelBuffer source = ImageFile.Decode(Golden.At("preprocess", c.GetProperty("source").GetString()!));
        AlphaRule rule = c.GetProperty("rule").GetString() switch
        {
            "drop" => AlphaRule.Drop,
            "white-paste" => AlphaRule.WhitePaste,
            "white-composite" => AlphaRule.WhiteComposite,
            "white-float" => AlphaRule.WhiteFloat,
            var other => throw new InvalidDataException(other),
        };
        PixelBuffer actual = ColourRules.Apply(source, rule);
        PixelBuffer expected = ColourRules.Apply(ImageFile.Decode(Golden.At("preprocess", c.GetProperty("out").GetString()!)), AlphaRule.Drop);
        Assert.That((actual.Width, actual.Height), Is.EqualTo((expected.Width, expected.Height)));
        Assert.That(actual.Data.Span.CommonPrefixLength(expected.Data.Span), Is.EqualTo(expected.Data.Length), "first differing byte");
    }
}
