using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Samples.Vlm;

/// <summary>inspect: what a model file or folder holds, without loading it.</summary>
internal sealed record InspectCommand(string Path, bool Json)
{
    internal Task RunAsync()
    {
        using IWeightSource source = WeightSource.Open(Path);
        (string kind, IEnumerable<KeyValuePair<string, string>> metadata) = source switch
        {
            GgufFile gguf => ($"GGUF version {gguf.Version}", gguf.Metadata.Entries.Select(e => KeyValuePair.Create(e.Key, e.Value.ToString()))),
            SafetensorsFile file => ("safetensors", file.Metadata),
            ShardedSafetensors shards => ($"safetensors in {shards.Shards.Count} shards", []),
            _ => (source.GetType().Name, (IEnumerable<KeyValuePair<string, string>>)[]),
        };
        Write(kind, metadata.ToDictionary(), source.Tensors.Values);
        return Task.CompletedTask;
    }

    private void Write(string kind, Dictionary<string, string> metadata, IEnumerable<TensorInfo> tensors)
    {
        TensorInfo[] all = tensors.ToArray();
        long bytes = all.Sum(t => t.ByteCount), numbers = all.Sum(t => t.Shape.Count);
        if (Json)
        {
            Shell.WriteJson(new
            {
                Path,
                Kind = kind,
                Metadata = metadata,
                Parameters = numbers,
                Bytes = bytes,
                Tensors = all.Select(t => new { t.Name, Type = t.Type.ToString(), Shape = t.Shape.Axes.ToArray(), Bytes = t.ByteCount }),
            });
            return;
        }
        Console.WriteLine($"{Path}: {kind}");
        foreach ((string key, string value) in metadata)
            Console.WriteLine($"  {key} = {Short(value)}");
        foreach (TensorInfo t in all)
            Console.WriteLine($"  {t.Name,-48} {t.Type,-6} {t.Shape,-20} {t.ByteCount,12:N0} bytes");
        Console.WriteLine($"{all.Length} tensors, {numbers:N0} numbers, {bytes:N0} bytes");
    }

    private static string Short(string text) => text.Length <= 100 ? text : text[..97] + "...";
}
