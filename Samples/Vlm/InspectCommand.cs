using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Samples.Vlm;

/// <summary>inspect: what a model file or folder holds, without loading it.</summary>
internal sealed record InspectCommand(string Path, bool Json)
{
    internal Task RunAsync()
    {
        if (IsGguf(Path))
        {
            using GgufFile file = GgufFile.Open(Path);
            Write($"GGUF version {file.Version}", file.Metadata.Entries.ToDictionary(e => e.Key, e => e.Value.ToString()), file.Tensors.Values);
        }
        else if (Directory.Exists(Path) || Path.EndsWith(".json", StringComparison.Ordinal))
        {
            using ShardedSafetensors shards = ShardedSafetensors.Open(Path);
            Write("safetensors, sharded", [], shards.Tensors.Values);
        }
        else
        {
            using SafetensorsFile file = SafetensorsFile.Open(Path);
            Write("safetensors", file.Metadata.ToDictionary(e => e.Key, e => e.Value), file.Tensors.Values);
        }
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

    private static bool IsGguf(string path)
    {
        if (!File.Exists(path))
            return path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
        Span<byte> magic = stackalloc byte[4];
        using FileStream file = File.OpenRead(path);
        return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("GGUF"u8);
    }

    private static string Short(string text) => text.Length <= 100 ? text : text[..97] + "...";
}
