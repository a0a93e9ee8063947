using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// Tensors by name in one or more model files. Opening reads and checks the headers only; a tensor's bytes are read when
/// asked for. Safe for concurrent reading; dispose it when the tensors needed are loaded.
/// </summary>
public interface IWeightSource : IDisposable
{
    /// <summary>Path or name of the file, for messages.</summary>
    string Source { get; }

    /// <summary>Every tensor by its name in the file.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Reads one tensor into new memory, in its stored type.</summary>
    /// <exception cref="CheckpointException">
    /// The file has no such tensor, it is larger than one tensor in memory may be, or the file changed since it was opened.
    /// </exception>
    HostTensor Read(string name);

    /// <summary>Reads some of a tensor's stored bytes, for tensors that are taken piece by piece.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="offset">First byte, counted from the tensor's own.</param>
    /// <param name="buffer">Receives the bytes; they lie inside the tensor.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes do not lie inside the tensor.</exception>
    /// <exception cref="CheckpointException">The file has no such tensor, or it changed since it was opened.</exception>
    void Read(string name, long offset, Span<byte> buffer);
}

/// <summary>What a model file says about one tensor.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(string name, DType type, Shape shape, long offset, long byteCount)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Offset = offset;
        ByteCount = byteCount;
    }

    /// <summary>Name in the file.</summary>
    public string Name { get; }

    /// <summary>Stored element type.</summary>
    public DType Type { get; }

    /// <summary>Axes, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Position of the first byte, counted from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>Bytes as stored.</summary>
    public long ByteCount { get; }

    /// <summary>Name, type, shape and bytes in one line.</summary>
    public override string ToString() => $"{Name} {Type} {Shape} {ByteCount} bytes";
}

/// <summary>Reading shared by the formats.</summary>
internal static class TensorReading
{
    private const int ShownCharacters = 128;

    internal static HostTensor Read(ByteSource file, IReadOnlyDictionary<string, TensorInfo> tensors, string name)
    {
        TensorInfo info = Find(file, tensors, name);
        if (info.ByteCount > Array.MaxLength)
            throw new CheckpointException(file.Name, Shown(name),
                $"has {info.ByteCount} bytes; one tensor in memory holds at most {Array.MaxLength}. Use a checkpoint that stores it in a smaller type or in parts.");
        byte[] data = GC.AllocateUninitializedArray<byte>((int)info.ByteCount);
        file.Read(info.Offset, data);
        CheckBools(file, info, data);
        return new HostTensor(info.Type, info.Shape, data);
    }

    internal static void Read(ByteSource file, IReadOnlyDictionary<string, TensorInfo> tensors, string name, long offset, Span<byte> buffer)
    {
        TensorInfo info = Find(file, tensors, name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (buffer.Length > info.ByteCount - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{buffer.Length} bytes from here do not lie inside the {info.ByteCount} of '{Shown(name)}'.");
        file.Read(info.Offset + offset, buffer);
        CheckBools(file, info, buffer);
    }

    private static TensorInfo Find(ByteSource file, IReadOnlyDictionary<string, TensorInfo> tensors, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return tensors.TryGetValue(name, out TensorInfo? info)
            ? info
            : throw new CheckpointException(file.Name, Shown(name), $"the file has no such tensor; it holds {tensors.Count} others. Check that it is the model you mean.");
    }

    private static void CheckBools(ByteSource file, TensorInfo info, ReadOnlySpan<byte> bytes)
    {
        if (info.Type == DType.Bool && bytes.ContainsAnyExceptInRange((byte)0, (byte)1))
            throw new CheckpointException(file.Name, Shown(info.Name), "holds a BOOL byte other than 0 and 1. Write the file again.");
    }

    /// <summary>A name from a file as messages show it: of bounded length, without control characters.</summary>
    internal static string Shown(string name)
    {
        string shown = name.Length <= ShownCharacters ? name : string.Concat(name.AsSpan(0, ShownCharacters), "...");
        return shown.Any(char.IsControl) ? string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c)) : shown;
    }
}

/// <summary>Pieces of tensors for files that are only read whole: keeps the latest one, as pieces are asked for in order. Thread-safe.</summary>
internal sealed class LatestTensor(Func<string, HostTensor> read)
{
    private readonly Lock _lock = new();
    private string? _name;
    private HostTensor? _tensor;

    internal void Read(string name, long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            if (_name != name)
            {
                // Two tensors are never held at once.
                (_name, _tensor) = (null, null);
                (_tensor, _name) = (read(name), name);
            }
            ReadOnlySpan<byte> data = _tensor!.Data.Span;
            ArgumentOutOfRangeException.ThrowIfNegative(offset);
            if (buffer.Length > data.Length - offset)
                throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{buffer.Length} bytes from here do not lie inside the {data.Length} of '{TensorReading.Shown(name)}'.");
            data.Slice((int)offset, buffer.Length).CopyTo(buffer);
            if (offset + buffer.Length == data.Length)
                (_name, _tensor) = (null, null);
        }
    }
}
