using System.Diagnostics;
using VlmSdk.Models;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Samples.Vlm;

/// <summary>inspect: what a model file or folder holds and whether it fits a model known here, without loading it.</summary>
internal sealed record InspectCommand(string Path, bool Json, DType? Read)
{
    private static readonly DType[] Types = [DType.F32, DType.F16, DType.Q8_0, DType.Q4_0];

    internal Task RunAsync(CancellationToken cancellationToken)
    {
        using ModelFiles files = ModelFiles.Open(Path);
        (ModelFamily? family, ModelDescription? model, CheckpointException? fault) = Recognise(files);
        CheckpointFit? fit = model is null ? null : model.Compare();
        fault ??= fit!.Faults is [var first, ..] ? first : null;
        (string kind, Dictionary<string, string> metadata) = Container(files.Weights);
        TensorInfo[] all = [.. files.Weights.Tensors.Values];
        var memory = fit is null ? [] : Types.ToDictionary(t => t.ToString(), t => fit.BytesAs(new WeightReading { Matrices = t }));
        Trial? trial = fault is null && Read is { } type ? ReadAll(model!, type, cancellationToken) : null;
        if (Json)
            Shell.WriteJson(new
            {
                Path,
                Kind = kind,
                Model = family?.Name,
                model?.Layout,
                Abilities = family?.Abilities.ToString(),
                Used = fit?.Used.Count,
                fit?.Missing,
                fit?.Unknown,
                fit?.Misshapen,
                fit?.NotUsed,
                Fault = fault?.Message,
                Parameters = fit?.Parameters ?? all.Sum(t => t.Shape.Count),
                Bytes = all.Sum(t => t.ByteCount),
                Memory = memory,
                Read = trial,
                Metadata = metadata,
                Tensors = all.Select(t => new { t.Name, Type = t.Type.ToString(), Shape = t.Shape.Axes.ToArray(), Bytes = t.ByteCount }),
            });
        else
        {
            Console.WriteLine($"{Path}: {kind}");
            if (family is not null)
                Console.WriteLine($"model: {family.Name}{(model is null ? "" : $", {model.Layout} layout")}; it can: {family.Abilities}");
            if (fit is not null)
            {
                Console.WriteLine($"tensors: {fit.Used.Count} used, {fit.Missing.Count} missing, {fit.Unknown.Count} unknown, {fit.Misshapen.Count} of a wrong shape, {fit.NotUsed.Count} not used");
                foreach (CheckpointException each in fit.Faults.Take(20))
                    Console.WriteLine($"  {each.Entry}: {each.Message}");
                Console.WriteLine($"parameters: {fit.Parameters:N0}");
                Console.WriteLine($"memory of the weights: {string.Join(", ", memory.Select(m => $"{m.Key} {m.Value:N0}"))} bytes");
            }
            if (trial is not null)
                Console.WriteLine($"read as {Read}: {trial.Bytes:N0} bytes in {trial.Seconds:0.0} s, peak of the process {trial.PeakBytes:N0} bytes");
            foreach ((string key, string value) in metadata)
                Console.WriteLine($"  {key} = {(value.Length <= 100 ? value : value[..97] + "...")}");
            foreach (TensorInfo t in all)
                Console.WriteLine($"  {t.Name,-48} {t.Type,-6} {t.Shape,-20} {t.ByteCount,12:N0} bytes");
            Console.WriteLine($"{all.Length} tensors, {all.Sum(t => t.Shape.Count):N0} numbers, {all.Sum(t => t.ByteCount):N0} bytes");
        }
        return fault is null ? Task.CompletedTask : throw fault;
    }

    private static (ModelFamily?, ModelDescription?, CheckpointException?) Recognise(ModelFiles files)
    {
        ModelFamily? family = null;
        try
        {
            family = ModelRegistry.Find(files);
            return (family, family.Describe(files), null);
        }
        catch (CheckpointException fault)
        {
            return (family, null, fault);
        }
    }

    private static (string Kind, Dictionary<string, string> Metadata) Container(IWeightSource source) => source switch
    {
        GgufFile gguf => ($"GGUF version {gguf.Version}", gguf.Metadata.Entries.ToDictionary(e => e.Key, e => e.Value.ToString())),
        SafetensorsFile file => ("safetensors", file.Metadata.ToDictionary()),
        NpzFile => ("npz", []),
        ShardedSafetensors shards => ($"safetensors in {shards.Shards.Count} shards", []),
        _ => (source.GetType().Name, []),
    };

    private static Trial ReadAll(ModelDescription model, DType type, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        IReadOnlyDictionary<string, HostTensor> weights = model.Read(new WeightReading { Matrices = type }, cancellationToken);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Trial(weights.Values.Sum(t => (long)t.Data.Length), seconds, Shell.PeakBytes);
    }

    /// <summary>What reading took.</summary>
    private sealed record Trial(long Bytes, double Seconds, long PeakBytes);
}
