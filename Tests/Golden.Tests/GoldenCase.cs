using System.Text.Json;
using System.Text.RegularExpressions;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>One case of a system's folder: its tensors, its tolerance, and the comparison.</summary>
internal sealed class GoldenCase
{
    private readonly string _folder;
    private readonly Dictionary<string, HostTensor> _tensors = [];

    internal GoldenCase(string system, string name)
    {
        (System, Name, _folder) = (system, name, Golden.At(system));
        Json = Golden.Json(Path.Combine(_folder, name, "case.json"));
        string tensors = Path.Combine(_folder, name, "io.safetensors");
        if (!File.Exists(tensors))
            return;
        using SafetensorsFile file = SafetensorsFile.Open(tensors);
        foreach (string key in file.Tensors.Keys)
            _tensors.Add(key, Narrow(file.Read(key)));
    }

    internal string System { get; }

    internal string Name { get; }

    internal JsonElement Json { get; }

    internal double Tolerance => Json.GetProperty("tolerance_abs").GetDouble();

    /// <summary>Names of the expected values, taps in the case's order, then outputs.</summary>
    internal IEnumerable<string> Expectations => List("taps").Select(t => "tap." + t).Concat(List("outputs").Select(o => "out." + o));

    internal HostTensor In(string name) => _tensors["in." + name];

    internal HostTensor Out(string name) => _tensors["out." + name];

    internal IEnumerable<string> List(string key) =>
        Json.TryGetProperty(key, out JsonElement list) ? list.EnumerateArray().Select(e => e.GetString()!) : [];

    /// <summary>Weight files of the system whose tensors fit, whatever their names, in name order.</summary>
    internal IEnumerable<string> WeightFiles(Func<IWeightSource, bool> fits)
    {
        foreach (string path in Directory.EnumerateFiles(_folder).Where(f => Path.GetExtension(f) is ".safetensors" or ".npz").Order(StringComparer.Ordinal))
        {
            using IWeightSource file = WeightSource.Open(path);
            if (fits(file))
                yield return path;
        }
    }

    /// <summary>Weights and configuration by the names in the case's text, each pair once; the usual names where it gives none.</summary>
    internal IEnumerable<(string Weights, string Config)> Files()
    {
        string[] texts = Json.TryGetProperty("files", out JsonElement files)
            ? [.. files.ValueKind == JsonValueKind.Array ? files.EnumerateArray().Select(f => f.GetString()!) : files.EnumerateObject().Select(f => f.Name + ".safetensors")]
            : [.. new[] { "shows", "what" }.Where(k => Json.TryGetProperty(k, out _)).Select(k => Json.GetProperty(k).GetString()!).DefaultIfEmpty("")];
        return texts.Select(t => (
            Regex.Match(t, @"[\w-]+\.safetensors") is { Success: true } weights ? weights.Value : "model.safetensors",
            Regex.Match(t, @"\b(config|params)[\w-]*\.json") is { Success: true } config ? config.Value : "config.json"));
    }

    internal string At(string file) => Path.Combine(_folder, file);

    internal ConfigReader Config(string file = "config.json") => ConfigReader.Open(At(file));

    /// <summary>Compares values by name in the case's order; the first that differs fails the test.</summary>
    internal void Compare(Func<string, HostTensor?> actual, params string[] leaveOut)
    {
        foreach (string name in Expectations)
            if (!leaveOut.Contains(name))
                Check(name, actual(name[4..]) ?? throw new AssertionException($"{System}/{Name}: nothing was computed for {name}."));
    }

    /// <summary>Compares one value, where <paramref name="counts"/> does not leave an element out.</summary>
    internal void Check(string name, HostTensor actual, Func<int, bool>? counts = null)
    {
        HostTensor expected = _tensors[name];
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape), $"{System}/{Name}: {name}");
        if (expected.Type == DType.I32)
        {
            Assert.That(actual.Ints.ToArray(), Is.EqualTo(expected.Ints.ToArray()), $"{System}/{Name}: {name}");
            return;
        }
        if (expected.Type == DType.U8)
        {
            Assert.That(actual.Data.ToArray(), Is.EqualTo(expected.Data.ToArray()), $"{System}/{Name}: {name}");
            return;
        }
        int worst = -1;
        double most = Tolerance;
        for (int i = 0; i < expected.Floats.Length; i++)
            if (counts?.Invoke(i) != false && !(Math.Abs((double)actual.Floats[i] - expected.Floats[i]) <= most))
                (worst, most) = (i, Math.Abs((double)actual.Floats[i] - expected.Floats[i]));
        if (worst >= 0)
            Assert.Fail($"{System}/{Name}: the first difference is {name} {expected.Shape}: element {worst} is {actual.Floats[worst]:R}, expected {expected.Floats[worst]:R} (tolerance {Tolerance})");
    }

    /// <summary>Runs a graph once on the given inputs.</summary>
    internal static Dictionary<string, HostTensor> Run(
        IExecutor executor, GraphBuilder g, IReadOnlyDictionary<string, HostTensor> weights, IReadOnlyDictionary<string, HostTensor> inputs, KvCache? cache = null, bool taps = true)
    {
        Graph graph = g.Build(taps);
        using IPlan plan = executor.Prepare(graph, new WeightBinding("golden", weights));
        foreach (InputOp input in graph.Inputs)
        {
            HostTensor given = inputs[input.InputName];
            Assert.That(given.Shape, Is.EqualTo(input.InputShape), input.InputName);
            given.Data.CopyTo(plan.Input(input.InputName).Data);
        }
        plan.Run(cache);
        return graph.Outputs.Keys.ToDictionary(name => name, name =>
        {
            HostTensor output = plan.Output(name);
            return new HostTensor(output.Type, output.Shape, output.Data.ToArray());
        });
    }

    /// <summary>
    /// Greedy tokens [B, steps] after prompts that lie in the cache at positions [B, T] and gave logits [B, T, V], by a graph of one token a
    /// row, and the logits [B, steps, V] that chose each. Only the first <paramref name="words"/> logits stand for tokens.
    /// </summary>
    internal static (int[] Ids, float[] Logits) Greedy(IExecutor executor, GraphBuilder step, IReadOnlyDictionary<string, HostTensor> weights, KvCache cache,
        HostTensor prompt, HostTensor positions, HostTensor? padding, int steps, int words)
    {
        int batch = prompt.Shape[0], length = prompt.Shape[1], all = prompt.Shape[2];
        using IPlan plan = executor.Prepare(step.Build(), new WeightBinding("golden", weights));
        padding?.Data.CopyTo(plan.Input("padding").Data);
        int[] chosen = new int[batch * steps];
        float[] logits = new float[batch * steps * all];
        for (int i = 0; i < steps; i++)
        {
            for (int b = 0; b < batch; b++)
            {
                Span<float> last = i == 0 ? prompt.Floats.Slice(((b + 1) * length - 1) * all, all) : plan.Output("logits").Floats.Slice(b * all, all);
                last.CopyTo(logits.AsSpan((b * steps + i) * all));
                plan.Input("ids").Ints[b] = chosen[b * steps + i] = Logits.ArgMax(last[..words]);
                plan.Input("positions").Ints[b] = positions.Ints[(b + 1) * length - 1] + 1 + i;
            }
            plan.Run(cache);
        }
        return (chosen, logits);
    }

    /// <summary>Integers as the graphs hold them.</summary>
    private static HostTensor Narrow(HostTensor tensor)
    {
        if (tensor.Type != DType.I64)
            return tensor;
        var narrow = new HostTensor(DType.I32, tensor.Shape);
        ReadOnlySpan<long> wide = global::System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(tensor.Data.Span);
        for (int i = 0; i < wide.Length; i++)
            narrow.Ints[i] = checked((int)wide[i]);
        return narrow;
    }
}
