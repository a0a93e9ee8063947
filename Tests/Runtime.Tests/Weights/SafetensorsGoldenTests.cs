using System.Globalization;
using System.Text.Json;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Every safetensors file of the quant goldens: sound ones read to the byte, broken ones refused.</summary>
public sealed class SafetensorsGoldenTests
{
    private static IEnumerable<string> Valid => WeightGoldens.Files("valid/safetensors", "*.safetensors");

    private static IEnumerable<string> Malformed => WeightGoldens.Files("malformed/safetensors", "*.safetensors");

    [TestCaseSource(nameof(Valid))]
    public void A_sound_file_reads_as_written(string name)
    {
        string path = Golden.At("quant", name);
        JsonElement expected = Golden.Json(Path.ChangeExtension(path, ".json"));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Metadata, Is.EquivalentTo(expected.GetProperty("metadata").EnumerateObject()
            .ToDictionary(m => m.Name, m => m.Value.GetString()!)));
        JsonElement tensors = expected.GetProperty("tensors");
        Assert.That(file.Tensors.Keys, Is.EquivalentTo(tensors.EnumerateObject().Select(t => t.Name)));
        foreach (JsonProperty entry in tensors.EnumerateObject())
        {
            HostTensor tensor = file.Read(entry.Name);
            Assert.That(SafetensorsHeader.Types[entry.Value.GetProperty("dtype").GetString()!], Is.EqualTo(tensor.Type));
            Assert.That(tensor.Shape.Axes.ToArray(), Is.EqualTo(entry.Value.GetProperty("shape").EnumerateArray().Select(a => a.GetInt32())));
            Assert.That(Convert.ToHexStringLower(tensor.Data.Span), Is.EqualTo(entry.Value.GetProperty("hex").GetString()), entry.Name);
            Assert.That(Dequantizer.ToFloats(tensor).Floats.ToArray(),
                Is.EqualTo(entry.Value.GetProperty("values").EnumerateArray().Select(Value)), entry.Name);
        }
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_broken_file_is_refused(string name) =>
        WeightGoldens.CheckVerdict(Golden.At("quant", name), path => SafetensorsFile.Open(path));

    private static float Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String => value.GetString()! switch
        {
            "nan" => float.NaN,
            "inf" => float.PositiveInfinity,
            "-inf" => float.NegativeInfinity,
            var digits => (float)decimal.Parse(digits, CultureInfo.InvariantCulture),
        },
        _ => (float)value.GetDouble(),
    };
}
