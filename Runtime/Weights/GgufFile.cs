using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// One GGUF file of version 2 or 3, opened strictly (spec sheet preprocess-tokenizers-quant, section 8; limits of
/// reliability-anchors, section 4). Opening reads metadata and the tensor table; tensors are read one by one, so the file
/// may be larger than memory. Safe for concurrent reading.
/// </summary>
public sealed class GgufFile : IWeightSource
{
    private const uint Magic = 0x46554747;
    private const int SmallestKey = 8 + 1 + 4 + 1;
    private const int SmallestTensor = 8 + 1 + 4 + 4 + 8;

    private readonly ByteSource _file;

    private GgufFile(ByteSource file)
    {
        _file = file;
        var cursor = new GgufCursor(file);
        if (cursor.UInt32(null, "GGUF mark") != Magic)
            throw cursor.Fault(null, "does not begin with 'GGUF': it is not a GGUF file. Choose another file");
        Version = cursor.UInt32(null, "version");
        if (Version is not (2 or 3))
            throw cursor.Fault(null, $"is of GGUF version {Version}; versions 2 and 3 are read, little-endian. Convert the model again");
        ulong tensors = cursor.UInt64(null, "tensor count");
        ulong keys = cursor.UInt64(null, "key count");
        CheckCount(cursor, tensors, GgufTypes.MaxTensors, SmallestTensor, "tensors");
        CheckCount(cursor, keys, GgufTypes.MaxKeys, SmallestKey, "metadata keys");
        Metadata = new GgufMetadata(file.Name, ReadMetadata(cursor, (int)keys));
        Alignment = ReadAlignment(cursor, Metadata);
        Tensors = ReadTensors(cursor, (int)tensors);
    }

    /// <inheritdoc/>
    public string Source => _file.Name;

    /// <summary>Version of the format: 2 or 3.</summary>
    public uint Version { get; }

    /// <summary>Bytes to whose multiples tensor data are aligned: a power of two from 1 to 65,536.</summary>
    public uint Alignment { get; }

    /// <summary>The metadata, in file order.</summary>
    public GgufMetadata Metadata { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Bytes of the file.</summary>
    public long ByteCount => _file.Length;

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointException">It is missing, unreadable, or not a sound GGUF file.</exception>
    public static GgufFile Open(string path) => Over(ByteSource.FromFile(path));

    /// <summary>Reads a whole file that lies in memory; the memory must stay unchanged while this object lives.</summary>
    /// <param name="source">Name for messages.</param>
    /// <param name="bytes">The file.</param>
    /// <exception cref="CheckpointException">The bytes are not a sound GGUF file.</exception>
    public static GgufFile Parse(string source, ReadOnlyMemory<byte> bytes) => Over(ByteSource.FromMemory(source, bytes));

    /// <inheritdoc/>
    public HostTensor Read(string name) => TensorReading.Read(_file, Tensors, name);

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> buffer) => TensorReading.Read(_file, Tensors, name, offset, buffer);

    /// <summary>Closes the file. Tensors already read stay valid.</summary>
    public void Dispose() => _file.Dispose();

    private static GgufFile Over(ByteSource file)
    {
        try
        {
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void CheckCount(GgufCursor cursor, ulong count, int most, int smallest, string what)
    {
        if (count > (ulong)most)
            throw cursor.Fault(null, $"announces {count} {what} and at most {most} are accepted: the file is damaged");
        if (!CheckedExtent.Fits(count, smallest, cursor.Left))
            throw cursor.Fault(null, $"announces {count} {what}, which the {cursor.Left} bytes left cannot hold. Download the file again");
    }

    private static Dictionary<string, GgufValue> ReadMetadata(GgufCursor cursor, int count)
    {
        var values = new Dictionary<string, GgufValue>(count, StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            string key = cursor.Name(GgufTypes.MaxKeyBytes, "metadata key");
            if (values.ContainsKey(key))
                throw cursor.Fault(key, "this metadata key stands twice in the file. Convert the model again");
            values.Add(key, cursor.Value(key));
        }
        return values;
    }

    private static uint ReadAlignment(GgufCursor cursor, GgufMetadata metadata)
    {
        if (!metadata.TryGetUInt32(GgufTypes.AlignmentKey, out uint alignment))
            return GgufTypes.DefaultAlignment;
        return GgufTypes.IsAlignment(alignment)
            ? alignment
            : throw cursor.Fault(GgufTypes.AlignmentKey, $"is {alignment}, not a power of two from 1 to {GgufTypes.MaxAlignment}. Convert the model again");
    }

    private Dictionary<string, TensorInfo> ReadTensors(GgufCursor cursor, int count)
    {
        var entries = new (string Name, DType Type, Shape Shape, ulong Offset, long Bytes)[count];
        Span<ulong> axes = stackalloc ulong[GgufTypes.MaxAxes];
        for (int i = 0; i < count; i++)
        {
            string name = cursor.Name(GgufTypes.MaxNameBytes, "tensor name");
            uint rank = cursor.UInt32(name, "number of axes");
            if (rank > GgufTypes.MaxAxes)
                throw cursor.Fault(name, $"has {rank} axes and at most {GgufTypes.MaxAxes} are accepted. Convert the model again");
            // Stored innermost first.
            for (int axis = (int)rank - 1; axis >= 0; axis--)
                axes[axis] = cursor.UInt64(name, "axis");
            uint number = cursor.UInt32(name, "element type");
            if (!GgufTypes.TryFromNumber(number, out DType type))
                throw cursor.Fault(name, GgufTypes.WhyUnknown(number));
            if (CheckedExtent.Measure(type, axes[..(int)rank], out Shape shape, out long bytes) is { } fault)
                throw cursor.Fault(name, $"has an impossible shape: {fault}. Convert the model again");
            entries[i] = (name, type, shape, cursor.UInt64(name, "offset"), bytes);
        }
        return Place(cursor, entries);
    }

    /// <summary>Offsets ascend without holes from the data's start, and the file holds every byte of the last tensor.</summary>
    private Dictionary<string, TensorInfo> Place(GgufCursor cursor, ReadOnlySpan<(string Name, DType Type, Shape Shape, ulong Offset, long Bytes)> entries)
    {
        var tensors = new Dictionary<string, TensorInfo>(entries.Length, StringComparer.Ordinal);
        long end = cursor.Position;
        if (!CheckedExtent.TryAlign(end, Alignment, out long dataStart))
            throw cursor.Fault(null, "is too long");
        long next = dataStart;
        foreach ((string name, DType type, Shape shape, ulong offset, long bytes) in entries)
        {
            if (dataStart > _file.Length || !CheckedExtent.TryCreate(offset, (ulong)bytes, _file.Length - dataStart, out CheckedExtent extent))
                throw cursor.Fault(name, $"needs {bytes} bytes at data offset {offset}, but the file has {_file.Length} bytes and its data begin at {dataStart}. Download it again");
            if (extent.Begin != next - dataStart)
                throw cursor.Fault(name, $"lies at data offset {extent.Begin} and {next - dataStart} is its place: tensors follow each other without holes or overlaps. Convert the model again");
            if (!tensors.TryAdd(name, new TensorInfo(name, type, shape, dataStart + extent.Begin, bytes)))
                throw cursor.Fault(name, "this tensor stands twice in the file. Convert the model again");
            end = dataStart + extent.End;
            if (!CheckedExtent.TryAlign(end, Alignment, out next))
                throw cursor.Fault(name, "ends beyond any file");
        }
        CheckTail(cursor, end, next);
        return tensors;
    }

    /// <summary>
    /// After the last tensor a file stops at once (some writers leave the padding out), or goes on with zeros at least to
    /// the alignment. Anything between is a cut file; other bytes are something hidden.
    /// </summary>
    private void CheckTail(GgufCursor cursor, long end, long padded)
    {
        if (_file.Length == end)
            return;
        if (_file.Length < padded)
            throw cursor.Fault(null, $"has {_file.Length} bytes and {padded} are needed: it is cut inside the padding. Download it again");
        if (_file.Length - padded > GgufTypes.MaxAlignment)
            throw cursor.Fault(null, $"has {_file.Length} bytes, but its tensors end at {padded}. The file is damaged; download it again");
        byte[] tail = new byte[_file.Length - end];
        _file.Read(end, tail);
        if (tail.AsSpan().ContainsAnyExcept((byte)0))
            throw cursor.Fault(null, $"holds other bytes than zeros after its last tensor, from byte {end} on. The file is damaged; download it again");
    }
}
