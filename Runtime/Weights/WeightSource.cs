namespace VlmSdk.Weights;

/// <summary>Opens model weights of any kind this library reads.</summary>
public static class WeightSource
{
    /// <summary>
    /// Opens a <c>.gguf</c> file (<see cref="GgufFile"/>), a <c>.safetensors</c> file (<see cref="SafetensorsFile"/>), a <c>.npz</c>
    /// file (<see cref="NpzFile"/>), an index of shards or a folder of one checkpoint (<see cref="ShardedSafetensors"/>, or the folder's only <c>.gguf</c> file).
    /// </summary>
    /// <param name="path">File or folder.</param>
    /// <exception cref="CheckpointException">It is missing, of another kind, or not sound.</exception>
    public static IWeightSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            return HoldsSafetensors(path) || ShardedSafetensors.OnlyFile(path, "*.gguf") is not { } file
                ? ShardedSafetensors.Open(path)
                : GgufFile.Open(file);
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            return GgufFile.Open(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            return SafetensorsFile.Open(path);
        if (path.EndsWith(".npz", StringComparison.OrdinalIgnoreCase))
            return NpzFile.Open(path);
        if (path.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase))
            return ShardedSafetensors.Open(path);
        using (ByteSource.FromFile(path))
            throw new CheckpointException(path, null, "is not of a kind that holds weights here. Name a GGUF file (.gguf), a .safetensors or .npz file, a .safetensors.index.json file, or a folder of one of these.");
    }

    private static bool HoldsSafetensors(string folder)
    {
        try
        {
            return Directory.EnumerateFiles(folder, "*.safetensors*").Any();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(folder, null, "this folder cannot be listed. Check its permissions.", e);
        }
    }
}
