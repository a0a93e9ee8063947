using System.Buffers.Binary;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// One safetensors file, opened strictly: a file that breaks any rule of the format is refused as a whole
/// (spec sheet preprocess-tokenizers-quant, section 7). Opening reads the header; tensors are read one by one, so the file
/// may be larger than memory. Safe for concurrent reading.
/// </summary>
public sealed class SafetensorsFile : IWeightSource
{
    /// <summary>Largest header accepted, in bytes.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    /// <summary>Most axes a tensor may have.</summary>
    public const int MaxAxes = 8;

    /// <summary>Most entries <c>__metadata__</c> may have.</summary>
    public const int MaxMetadataEntries = 65_536;

    private readonly ByteSource _file;

    private SafetensorsFile(ByteSource file)
    {
        _file = file;
        Span<byte> prefix = stackalloc byte[8];
        if (file.Length < prefix.Length)
            throw Fault($"has {file.Length} bytes and a safetensors file has at least {prefix.Length}. Download it again.");
        file.Read(0, prefix);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerBytes > MaxHeaderBytes)
            throw Fault($"announces a header of {headerBytes} bytes and at most {MaxHeaderBytes} are accepted: it is not a safetensors file, or it is damaged.");
        if (!CheckedExtent.TryCreate((ulong)prefix.Length, headerBytes, file.Length, out CheckedExtent header))
            throw Fault($"announces a header of {headerBytes} bytes, but {file.Length - prefix.Length} follow. Download it again.");
        byte[] utf8 = GC.AllocateUninitializedArray<byte>((int)header.Length);
        file.Read(header.Begin, utf8);
        (Tensors, Metadata) = SafetensorsHeader.Parse(file.Name, utf8, header.End, file.Length);
    }

    /// <inheritdoc/>
    public string Source => _file.Name;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The strings of <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of the file.</summary>
    public long ByteCount => _file.Length;

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointException">It is missing, unreadable, or not a sound safetensors file.</exception>
    public static SafetensorsFile Open(string path) => Over(ByteSource.FromFile(path));

    /// <summary>Reads a whole file that lies in memory; the memory must stay unchanged while this object lives.</summary>
    /// <param name="source">Name for messages.</param>
    /// <param name="bytes">The file.</param>
    /// <exception cref="CheckpointException">The bytes are not a sound safetensors file.</exception>
    public static SafetensorsFile Parse(string source, ReadOnlyMemory<byte> bytes) => Over(ByteSource.FromMemory(source, bytes));

    /// <inheritdoc/>
    public HostTensor Read(string name) => TensorReading.Read(_file, Tensors, name);

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> buffer) => TensorReading.Read(_file, Tensors, name, offset, buffer);

    /// <summary>Closes the file. Tensors already read stay valid.</summary>
    public void Dispose() => _file.Dispose();

    private static SafetensorsFile Over(ByteSource file)
    {
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private CheckpointException Fault(string fault) => new(_file.Name, null, fault);
}
