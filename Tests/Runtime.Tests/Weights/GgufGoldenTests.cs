using System.Collections;
using System.Globalization;
using System.Text.Json;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Every GGUF file of the quant goldens: sound ones read to the byte, broken ones refused.</summary>
public sealed class GgufGoldenTests
{
    private static IEnumerable<string> Valid => WeightGoldens.Files("valid/gguf", "*.gguf");

    /// <summary>Files broken at level model are sound files: building a model from them is what fails.</summary>
    private static IEnumerable<string> Malformed => WeightGoldens.Files("malformed/gguf", "*.gguf").Where(f => Level(f) == "file");

    private static IEnumerable<string> SoundFiles => WeightGoldens.Files("malformed/gguf", "*.gguf").Where(f => Level(f) == "model");

    private static IEnumerable<string> Models => Golden.Cases("quant", Path.Combine("prefill", "case.json")).Select(f => Path.GetFileName(f)!);

    [TestCaseSource(nameof(Valid))]
    public void A_sound_file_reads_as_written(string name)
    {
        string path = Golden.At("quant", name);
        JsonElement expected = Golden.Json(Path.ChangeExtension(path, ".json"));
        using GgufFile file = GgufFile.Open(path);
        Assert.That(file.Version, Is.EqualTo(expected.GetProperty("version").GetUInt32()));
        Assert.That(file.Alignment, Is.EqualTo(expected.GetProperty("alignment").GetUInt32()));
        JsonElement types = expected.GetProperty("types");
        Assert.That(file.Metadata.Entries.Keys, Is.EqualTo(types.EnumerateObject().Select(t => t.Name)));
        foreach (JsonProperty entry in expected.GetProperty("metadata").EnumerateObject())
            CheckValue(file.Metadata[entry.Name], entry.Value, [.. types.GetProperty(entry.Name).EnumerateArray().Select(t => t.GetInt32())], entry.Name);
        JsonElement[] tensors = [.. expected.GetProperty("tensors").EnumerateArray()];
        Assert.That(file.Tensors.Keys, Is.EqualTo(tensors.Select(t => t.GetProperty("name").GetString())));
        foreach (JsonElement entry in tensors)
        {
            TensorInfo info = file.Tensors[entry.GetProperty("name").GetString()!];
            HostTensor tensor = file.Read(info.Name);
            Assert.That(GgufTypes.TryGetNumber(tensor.Type, out uint number) ? number : uint.MaxValue, Is.EqualTo(entry.GetProperty("type").GetUInt32()));
            Assert.That(info.Offset, Is.EqualTo(entry.GetProperty("data_start").GetInt64()));
            Assert.That(tensor.Shape.Axes.ToArray().Reverse(), Is.EqualTo(entry.GetProperty("dims").EnumerateArray().Select(a => a.GetInt32())));
            Assert.That(Convert.ToHexStringLower(tensor.Data.Span), Is.EqualTo(entry.GetProperty("hex").GetString()), info.Name);
        }
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_broken_file_is_refused(string name) =>
        WeightGoldens.CheckVerdict(Golden.At("quant", name), path => GgufFile.Open(path));

    [TestCaseSource(nameof(SoundFiles))]
    public void A_sound_file_with_a_broken_model_opens(string name)
    {
        using GgufFile file = GgufFile.Open(Golden.At("quant", name));
        Assert.That(file.Tensors, Is.Not.Empty);
    }

    [TestCaseSource(nameof(Models))]
    public void A_small_llama_reads(string name)
    {
        JsonElement types = Golden.Json(Golden.At("quant", name, "prefill", "case.json")).GetProperty("types");
        using GgufFile file = GgufFile.Open(Golden.At("quant", name, "model.gguf"));
        Assert.That(file.Metadata.GetString("general.architecture"), Is.EqualTo("llama"));
        int width = (int)file.Metadata.GetUInt32("llama.embedding_length");
        Assert.That(file.Tensors["token_embd.weight"].Shape[^1], Is.EqualTo(width));
        if (file.Metadata.TryGetStrings("tokenizer.ggml.tokens", out IReadOnlyList<string>? tokens))
        {
            Assert.That(file.Metadata.GetInts("tokenizer.ggml.token_type"), Has.Count.EqualTo(tokens.Count));
            Assert.That(file.Tensors["token_embd.weight"].Shape[0], Is.EqualTo(tokens.Count));
        }
        foreach (JsonProperty entry in types.EnumerateObject())
        {
            HostTensor tensor = file.Read(entry.Name);
            Assert.That(tensor.Type.ToString(), Is.EqualTo(entry.Value.GetString()), entry.Name);
            Assert.That(Dequantizer.ToFloats(tensor).Floats.ToArray().All(float.IsFinite), entry.Name);
        }
    }

    private static string Level(string name) =>
        Golden.Json(Path.ChangeExtension(Golden.At("quant", name), ".json")).GetProperty("level").GetString()!;

    private static void CheckValue(GgufValue value, JsonElement expected, int[] types, string key)
    {
        Assert.That((int)value.Type, Is.EqualTo(types[0]), key);
        if (value.Type == GgufValueType.Array)
        {
            Assert.That((int)value.ElementType!.Value, Is.EqualTo(types[1]), key);
            Assert.That(((IEnumerable)value.Value).Cast<object>().Select(Text), Is.EqualTo(expected.EnumerateArray().Select(e => Text(e, value.ElementType.Value))), key);
        }
        else
        {
            Assert.That(Text(value.Value), Is.EqualTo(Text(expected, value.Type)), key);
        }
    }

    private static string Text(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    private static string Text(JsonElement value, GgufValueType type) => type switch
    {
        GgufValueType.Float32 => Text((float)value.GetDouble()),
        GgufValueType.Float64 => Text(value.GetDouble()),
        GgufValueType.Bool => Text(value.GetBoolean()),
        GgufValueType.String or GgufValueType.UInt64 or GgufValueType.Int64 => value.GetString()!,
        _ => value.GetRawText(),
    };
}
