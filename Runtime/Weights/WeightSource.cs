namespace VlmSdk.Weights;

/// <summary>Opens model weights of any kind this library reads.</summary>
public static class WeightSource
{
    /// <summary>
    /// Opens a <c>.gguf</c> file (<see cref="GgufFile"/>), a <c>.safetensors</c> file (<see cref="SafetensorsFile"/>), a <c>.npz</c>
    /// file (<see cref="NpzFile"/>), an index of shards or a folder of one checkpoint (<see cref="ShardedSafetensors"/>, or where it holds
    /// no safetensors the folder's only <c>.gguf</c>, then its only <c>.npz</c> file).
    /// </summary>
    /// <param name="path">File or folder.</param>
    /// <param name="beside">Name of an npz file that may lie beside a checkpoint and is none; null when there is no such.</param>
    /// <exception cref="CheckpointException">It is missing, of another kind, or not sound.</exception>
    public static IWeightSource Open(string path, string? beside = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            return OpenFolder(path, beside);
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            return GgufFile.Open(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            return SafetensorsFile.Open(path);
        if (path.EndsWith(".npz", StringComparison.OrdinalIgnoreCase))
            return NpzFile.Open(path);
        if (path.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase) && !IsPyTorch(path))
            return ShardedSafetensors.Open(path);
        using (ByteSource.FromFile(path))
            throw IsPyTorch(path) ? PyTorch(path) : new CheckpointException(path, null, "is not of a kind that holds weights here. Name a GGUF file (.gguf), a .safetensors or .npz file, a .safetensors.index.json file, or a folder of one of these.");
    }

    private static IWeightSource OpenFolder(string folder, string? beside)
    {
        string[] files = [.. Files(folder).Order(StringComparer.Ordinal)];
        if (!files.Any(f => Path.GetFileName(f).Contains(".safetensors", StringComparison.OrdinalIgnoreCase)))
        {
            if (ShardedSafetensors.OnlyFile(folder, "*.gguf") is { } gguf)
                return GgufFile.Open(gguf);
            if (ShardedSafetensors.OnlyFile(folder, "*.npz", beside) is { } npz)
                return NpzFile.Open(npz);
            if (files.FirstOrDefault(IsPyTorch) is { } pickle)
                throw PyTorch(pickle);
        }
        return ShardedSafetensors.Open(folder);
    }

    private static bool IsPyTorch(string path) =>
        path.EndsWith(".bin.index.json", StringComparison.OrdinalIgnoreCase) || Path.GetExtension(path).ToLowerInvariant() is ".bin" or ".pt" or ".pth" or ".ckpt";

    // They hold programs that a reader would have to run; published models that matter here exist as safetensors.
    private static CheckpointException PyTorch(string path) => new(path, null,
        "is a PyTorch file, which is not read here. Convert the folder to safetensors: load it with the program that wrote it and save it with " +
        "save_pretrained(folder, safe_serialization=True), or download the release that has .safetensors files.");

    private static string[] Files(string folder)
    {
        try
        {
            return Directory.GetFiles(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(folder, null, "this folder cannot be listed. Check its permissions.", e);
        }
    }
}
