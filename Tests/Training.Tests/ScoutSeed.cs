using System.Runtime.CompilerServices;
using System.Text.Json;
using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Training;

/// <summary>
/// The seed of Scout: trained weights and one batch with every intermediate, loss and gradient norm. 26 MB, so it is not
/// part of the repository: the folder named by VLMSDK_SCOUT_SEED, else ../shared/scout-seed beside the checkout.
/// </summary>
internal sealed class ScoutSeed : IDisposable
{
    internal const int Count = 4, Text = 176;

    private readonly SafetensorsFile _batch;

    private ScoutSeed(string folder)
    {
        _batch = SafetensorsFile.Open(Path.Combine(folder, "batch.safetensors"));
        using SafetensorsFile weights = SafetensorsFile.Open(Path.Combine(folder, "weights.safetensors"));
        Weights = new WeightBinding(weights.Source, weights.Tensors.Keys.ToDictionary(n => n, weights.Read));
        Expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "batch.json"))).RootElement;
    }

    internal WeightBinding Weights { get; }

    internal JsonElement Expected { get; }

    /// <summary>Opens the seed, or ignores the test with the reason when the folder is not there.</summary>
    internal static ScoutSeed Open([CallerFilePath] string file = "")
    {
        string? named = Environment.GetEnvironmentVariable("VLMSDK_SCOUT_SEED");
        string folder = named is { Length: > 0 }
            ? named
            : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "shared", "scout-seed"));
        if (!File.Exists(Path.Combine(folder, "weights.safetensors")))
            Assert.Ignore($"The Scout seed (26 MB) is not in {folder}; name its folder in VLMSDK_SCOUT_SEED to run this test.");
        return new ScoutSeed(folder);
    }

    internal HostTensor Tensor(string name) => _batch.Read(name);

    /// <summary>The stored labels in the form the trainer collects them.</summary>
    internal RawBatch Batch()
    {
        var batch = new RawBatch(ScoutConfig.Default, Count, Text);
        Tensor("in.rgb").Data.Span.CopyTo(batch.Rgb);
        Numbers("in.object_grid").CopyTo(batch.Grid, 0);
        Labels("patch", batch.Patches);
        Labels("token", batch.Tokens);
        int[] tokens = Numbers("in.tokens"), targets = Numbers("in.target"), queries = Numbers("in.query"), positions = Numbers("in.position");
        ulong[] a = Bits("in.point_a"), b = Bits("in.point_b");
        for (int i = 0; i < Count * Text; i++)
        {
            PackedText row = batch.Texts[i / Text];
            int at = i % Text;
            (row.Tokens[at], row.Targets[at], row.Queries[at], row.Positions[at]) = (tokens[i], targets[i], queries[i], positions[i]);
            (row.PointA[at], row.PointB[at]) = (a[i], b[i]);
        }
        return batch;
    }

    /// <inheritdoc/>
    public void Dispose() => _batch.Dispose();

    internal int[] Numbers(string name) => [.. Bits(name).Select(v => (int)(long)v)];

    private ulong[] Bits(string name)
    {
        ReadOnlySpan<byte> data = Tensor(name).Data.Span;
        var values = new ulong[data.Length / 8];
        for (int i = 0; i < values.Length; i++)
            values[i] = BitConverter.ToUInt64(data[(8 * i)..]);
        return values;
    }

    private void Labels(string name, DenseLabels labels)
    {
        Numbers($"in.{name}_objectness").CopyTo(labels.Objectness, 0);
        Numbers($"in.{name}_shape").CopyTo(labels.Shape, 0);
        Numbers($"in.{name}_colour").CopyTo(labels.Colour, 0);
        Tensor($"in.{name}_box").Floats.CopyTo(labels.Box);
        Tensor($"in.{name}_distance").Floats.CopyTo(labels.Distance);
    }
}
