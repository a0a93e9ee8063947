using System.Runtime.InteropServices;
using System.Text.Json;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;
using VlmSdk.Tests.Weights;
using VlmSdk.Tokenization;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Models;

/// <summary>Golden Llama GGUF files: taps and logits of the graph, greedy ids and embedded vocabularies through TextModel.</summary>
internal sealed class LlamaGoldenTests
{
    private static IEnumerable<string> Names() =>
        Golden.Cases("quant", Path.Combine("prefill", "case.json")).Select(f => Path.GetFileName(f)!);

    [TestCaseSource(nameof(Names))]
    public void Every_tap_and_the_logits_in_order(string name)
    {
        string folder = Golden.At("quant", name, "prefill");
        JsonElement golden = Golden.Json(Path.Combine(folder, "case.json"));
        double tolerance = golden.GetProperty("tolerance_abs").GetDouble();
        using SafetensorsFile io = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        using GgufFile file = GgufFile.Open(Golden.At("quant", name, "model.gguf"));
        LlamaConfig config = LlamaConfig.FromGguf(file);
        int[] ids = Longs(io, "in.input_ids");
        using var executor = new ReferenceExecutor();
        var weights = new WeightBinding(file.Source, file.Tensors.Keys.ToDictionary(n => n, file.Read));
        using IPlan plan = executor.Prepare(Full(config, ids.Length), weights);
        ids.CopyTo(plan.Input("ids").Ints);
        Enumerable.Range(0, ids.Length).ToArray().CopyTo(plan.Input("positions").Ints);
        plan.Run();
        foreach (JsonElement tap in golden.GetProperty("taps").EnumerateArray())
            AssertClose(plan.Output(tap.GetString()!), io.Read($"tap.{tap.GetString()}"), tolerance, tap.GetString()!);
        AssertClose(plan.Output("logits"), io.Read("out.logits"), tolerance, "logits");
    }

    [TestCaseSource(nameof(Names))]
    public async Task Greedy_ids(string name)
    {
        using SafetensorsFile io = SafetensorsFile.Open(Golden.At("quant", name, "prefill", "io.safetensors"));
        int[] expected = Longs(io, "out.greedy_ids"), prompt = Longs(io, "in.input_ids");
        await using TextModel model = await TextModel.LoadAsync(Golden.At("quant", name, "model.gguf"));
        GenerationResult result = await model.CompleteAsync(prompt, new GenerationOptions { MaxTokens = expected.Length, IgnoreEndTokens = true });
        Assert.That(result.Ids, Is.EqualTo(expected));
        ReadOnlySpan<float> last = io.Read("out.logits").Floats[^model.Config.VocabularySize..];
        Assert.That(result.FirstBest, Has.Count.EqualTo(8));
        foreach (VlmSdk.Decoding.ScoredToken token in result.FirstBest)
            Assert.That(token.Logit, Is.EqualTo(last[token.Id]).Within(2e-4));
    }

    [TestCaseSource(nameof(Names))]
    public void Embedded_vocabularies(string name)
    {
        JsonElement golden = Golden.Json(Golden.At("quant", name, "prefill", "case.json"));
        if (!golden.TryGetProperty("tokenizer", out JsonElement texts))
            return;
        using GgufFile file = GgufFile.Open(Golden.At("quant", name, "model.gguf"));
        ITokenizer tokenizer = GgufTokenizer.Load(file);
        foreach (JsonElement row in texts.EnumerateArray())
        {
            string text = row.GetProperty("text").GetString()!;
            int[] ids = tokenizer.Encode(text);
            if (tokenizer is { AddsBegin: true, BeginId: { } begin })
                ids = [begin, .. ids];
            Assert.That(ids, Is.EqualTo(row.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())), text);
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(text));
        }
    }

    private static IEnumerable<string> ModelLevelFiles() =>
        WeightGoldens.Files("malformed/gguf", "model-*.gguf").Select(f => Path.GetFileNameWithoutExtension(f)!);

    [TestCaseSource(nameof(ModelLevelFiles))]
    public async Task Files_faulty_as_models(string name)
    {
        string path = Golden.At("quant", "malformed", "gguf", name + ".gguf");
        if (Golden.Json(Path.ChangeExtension(path, ".json")).GetProperty("expect").GetString() == "refuse")
            Assert.That(async () => await TextModel.LoadAsync(path), Throws.TypeOf<CheckpointException>().With.Message.Contains(path));
        else
            await (await TextModel.LoadAsync(path)).DisposeAsync();
    }

    private static Graph Full(LlamaConfig config, int length)
    {
        var g = new GraphBuilder();
        Value x = LlamaDecoder.Embed(g, config, g.Input("ids", DType.I32, 1, length));
        x = LlamaDecoder.Layers(g, config, x, g.Input("positions", DType.I32, 1, length), cached: false);
        g.Output("logits", LlamaDecoder.Head(g, config, x));
        return g.Build(taps: true);
    }

    private static int[] Longs(SafetensorsFile file, string name) =>
        [.. MemoryMarshal.Cast<byte, long>(file.Read(name).Data.Span).ToArray().Select(v => (int)v)];

    private static void AssertClose(HostTensor actual, HostTensor expected, double tolerance, string name)
    {
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape), name);
        double worst = 0;
        for (int i = 0; i < expected.Floats.Length; i++)
            worst = Math.Max(worst, Math.Abs(actual.Floats[i] - (double)expected.Floats[i]));
        Assert.That(worst, Is.LessThanOrEqualTo(tolerance), name);
    }
}
