using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// A checkpoint spread over several safetensors files of one folder, tied together by an index file. Everything is checked
/// when it is opened: each tensor lies in exactly the shard the index names, each shard's tensors are all listed, and every
/// shard is sound. Names of shards never leave the folder: they are plain file names. A link that the user's system has under
/// such a name is followed, as download caches need, which keep the files of a snapshot elsewhere. Safe for concurrent reading.
/// </summary>
public sealed class ShardedSafetensors : IWeightSource
{
    private readonly IReadOnlyDictionary<string, string> _shardOf;
    private readonly Dictionary<string, SafetensorsFile> _shards;

    private ShardedSafetensors(string source, IReadOnlyDictionary<string, string> shardOf, Dictionary<string, SafetensorsFile> shards, IReadOnlyDictionary<string, TensorInfo> tensors)
    {
        Source = source;
        _shardOf = shardOf;
        _shards = shards;
        Tensors = tensors;
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    /// <remarks>Offsets count from the start of the tensor's own shard.</remarks>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The shards by file name.</summary>
    public IReadOnlyDictionary<string, SafetensorsFile> Shards => _shards;

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="path">
    /// The index file, or a folder that holds exactly one <c>*.safetensors.index.json</c>, or no index and exactly one
    /// <c>*.safetensors</c> file.
    /// </param>
    /// <exception cref="CheckpointException">A file is missing, not sound, or disagrees with the index.</exception>
    public static ShardedSafetensors Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
            return OpenIndex(path);
        if (OnlyFile(path, "*" + SafetensorsIndex.Suffix) is { } index)
            return OpenIndex(index);
        if (OnlyFile(path, "*.safetensors") is { } file)
            return OpenSingle(path, Path.GetFileName(file));
        throw new CheckpointException(path, null, "this folder holds neither a safetensors file nor an index of them. Name the folder of a downloaded model.");
    }

    /// <inheritdoc/>
    public HostTensor Read(string name) => Holder(name).Read(name);

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> buffer) => Holder(name).Read(name, offset, buffer);

    private SafetensorsFile Holder(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _shardOf.TryGetValue(name, out string? shard)
            ? _shards[shard]
            : throw new CheckpointException(Source, TensorReading.Shown(name), $"no shard holds such a tensor; they hold {Tensors.Count} others. Check that it is the model you mean.");
    }

    /// <summary>File name of the shard that holds a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    public string ShardOf(string name) => _shardOf[name];

    /// <summary>Closes all shards. Tensors already read stay valid.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile shard in _shards.Values)
            shard.Dispose();
    }

    /// <summary>The only file of a kind in a folder, one of a certain name left out; null if there is none.</summary>
    internal static string? OnlyFile(string folder, string pattern, string? except = null)
    {
        try
        {
            string[] found = [.. Directory.GetFiles(folder, pattern).Where(f => Path.GetFileName(f) != except)];
            return found.Length <= 1
                ? found.FirstOrDefault()
                : throw new CheckpointException(folder, null, $"this folder holds {found.Length} files {pattern}. Name the one to open.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(folder, null, "this folder cannot be listed. Check its permissions.", e);
        }
    }

    private static ShardedSafetensors OpenSingle(string folder, string name)
    {
        SafetensorsFile file = SafetensorsFile.Open(Path.Join(folder, name));
        return new ShardedSafetensors(folder, file.Tensors.Keys.ToDictionary(t => t, _ => name, StringComparer.Ordinal),
            new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal) { [name] = file }, file.Tensors);
    }

    private static ShardedSafetensors OpenIndex(string path)
    {
        SafetensorsIndex index = SafetensorsIndex.Read(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var shards = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (string name in index.ShardNames)
                shards.Add(name, SafetensorsFile.Open(Path.Join(folder, name)));
            return new ShardedSafetensors(path, index.ShardOf, shards, Join(path, index, shards));
        }
        catch
        {
            foreach (SafetensorsFile shard in shards.Values)
                shard.Dispose();
            throw;
        }
    }

    private static Dictionary<string, TensorInfo> Join(string path, SafetensorsIndex index, Dictionary<string, SafetensorsFile> shards)
    {
        var tensors = new Dictionary<string, TensorInfo>(index.ShardOf.Count, StringComparer.Ordinal);
        ulong bytes = 0;
        foreach ((string shard, SafetensorsFile file) in shards)
            foreach (TensorInfo info in file.Tensors.Values)
            {
                string? listed = index.ShardOf.GetValueOrDefault(info.Name);
                if (listed != shard)
                    throw new CheckpointException(path, TensorReading.Shown(info.Name),
                        $"lies in shard {shard}, but the index {(listed is null ? "does not list it" : $"puts it into {listed}")}. Download index and shards of one release.");
                tensors.Add(info.Name, info);
                bytes = checked(bytes + (ulong)info.ByteCount);
            }
        foreach ((string name, string shard) in index.ShardOf)
            if (!tensors.ContainsKey(name))
                throw new CheckpointException(path, TensorReading.Shown(name), $"the index puts it into shard {shard}, which does not hold it. Download index and shards of one release.");
        if (index.TotalSize is { } total && total != bytes)
            throw new CheckpointException(path, null, $"the index gives total_size {total}, the shards hold {bytes} bytes of tensors. Download index and shards of one release.");
        return tensors;
    }
}
