using System.Buffers.Binary;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// Collects metadata and tensors and writes them as a GGUF file of version 3 that <see cref="GgufFile"/> accepts.
/// Metadata and tensors keep the order in which they were added. Not synchronized.
/// </summary>
public sealed class GgufWriter
{
    private readonly List<KeyValuePair<string, GgufValue>> _metadata = [];
    private readonly List<KeyValuePair<string, HostTensor>> _tensors = [];
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);

    /// <summary>Creates an empty writer.</summary>
    /// <param name="alignment">
    /// Bytes to whose multiples tensor data are aligned: a power of two from 1 to 65,536. Other values than 32 are written as
    /// <c>general.alignment</c>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">It is not such a power.</exception>
    public GgufWriter(uint alignment = GgufTypes.DefaultAlignment)
    {
        if (!GgufTypes.IsAlignment(alignment))
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment, $"The alignment must be a power of two from 1 to {GgufTypes.MaxAlignment}.");
        Alignment = alignment;
        if (alignment != GgufTypes.DefaultAlignment)
            _metadata.Add(new(GgufTypes.AlignmentKey, GgufValue.Of(alignment)));
        _keys.Add(GgufTypes.AlignmentKey);
    }

    /// <summary>Alignment of tensor data in bytes.</summary>
    public uint Alignment { get; }

    /// <summary>Adds a metadata value of any type.</summary>
    /// <exception cref="ArgumentException">The key is taken, empty, longer than 65,535 bytes, or a text is too long or not valid Unicode.</exception>
    public GgufWriter Add(string key, GgufValue value)
    {
        ArgumentNullException.ThrowIfNull(value);
        CheckName(key, GgufTypes.MaxKeyBytes, _keys, GgufTypes.MaxKeys, "metadata key");
        if (value.Count > GgufTypes.MaxArrayItems)
            throw new ArgumentException($"'{key}' has {value.Count} items and at most {GgufTypes.MaxArrayItems} are accepted.", nameof(value));
        if ((value.ElementType ?? value.Type) == GgufValueType.String)
            foreach (string text in value.Items)
                if (WeightOutput.StrictUtf8.GetByteCount(text) > GgufTypes.MaxStringBytes)
                    throw new ArgumentException($"'{key}' holds a text of more than {GgufTypes.MaxStringBytes} bytes.", nameof(value));
        _metadata.Add(new(key, value));
        return this;
    }

    /// <summary>Adds a scalar or a string; the .NET type decides the stored type, so write <c>2u</c> for UInt32.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Add(string, GgufValue)"/>, or GGUF has no such type.</exception>
    public GgufWriter Add<T>(string key, T value) where T : notnull => Add(key, value as GgufValue ?? GgufValue.Of(value));

    /// <summary>Adds an array; the items are copied.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Add(string, GgufValue)"/>, or GGUF has no such item type.</exception>
    public GgufWriter AddArray<T>(string key, ReadOnlySpan<T> items) where T : notnull => Add(key, GgufValue.OfArray(items));

    /// <summary>Adds a tensor; its memory is read when the file is written.</summary>
    /// <param name="name">Unique name of at most 64 bytes.</param>
    /// <param name="tensor">At most four axes, outermost first; floats, signed integers or any block type.</param>
    /// <exception cref="ArgumentException">The name or the tensor breaks one of these rules.</exception>
    public GgufWriter AddTensor(string name, HostTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!GgufTypes.TryGetNumber(tensor.Type, out _))
            throw new ArgumentException($"Tensor '{name}' is {tensor.Type}, which GGUF cannot hold; convert it to floats or signed integers.", nameof(tensor));
        if (tensor.Shape.Rank > GgufTypes.MaxAxes)
            throw new ArgumentException($"Tensor '{name}' has {tensor.Shape.Rank} axes and at most {GgufTypes.MaxAxes} are accepted; reshape it.", nameof(tensor));
        CheckName(name, GgufTypes.MaxNameBytes, _names, GgufTypes.MaxTensors, "tensor name");
        _tensors.Add(new(name, tensor));
        return this;
    }

    /// <summary>Writes the file whole or not at all; an existing one is replaced at the end.</summary>
    /// <exception cref="CheckpointException">The file cannot be written there.</exception>
    public void Write(string path) => WeightOutput.Write(path, Write);

    /// <summary>Writes the file's bytes to a stream, from its current position on.</summary>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long headerBytes = WriteHeader(stream);
        WeightOutput.Pad(stream, Padded(headerBytes) - headerBytes);
        foreach ((_, HostTensor tensor) in _tensors)
        {
            stream.Write(tensor.Data.Span);
            WeightOutput.Pad(stream, Padded(tensor.Data.Length) - tensor.Data.Length);
        }
    }

    private long WriteHeader(Stream stream)
    {
        using var header = new MemoryStream();
        using var writer = new BinaryWriter(header, WeightOutput.StrictUtf8);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)_metadata.Count);
        foreach ((string key, GgufValue value) in _metadata)
        {
            WriteText(writer, key);
            writer.Write((uint)value.Type);
            if (value.ElementType is { } elementType)
            {
                writer.Write((uint)elementType);
                writer.Write((ulong)value.Count);
            }
            WriteItems(writer, value.Value);
        }
        long offset = 0;
        foreach ((string name, HostTensor tensor) in _tensors)
        {
            WriteText(writer, name);
            writer.Write((uint)tensor.Shape.Rank);
            for (int axis = tensor.Shape.Rank - 1; axis >= 0; axis--)
                writer.Write((ulong)tensor.Shape[axis]);
            GgufTypes.TryGetNumber(tensor.Type, out uint number);
            writer.Write(number);
            writer.Write((ulong)offset);
            offset = checked(offset + Padded(tensor.Data.Length));
        }
        writer.Flush();
        header.WriteTo(stream);
        return header.Length;
    }

    private static void WriteItems(BinaryWriter writer, object value)
    {
        if (value is Array items)
            foreach (object item in items)
                WriteItem(writer, item);
        else
            WriteItem(writer, value);
    }

    private static void WriteItem(BinaryWriter writer, object item)
    {
        switch (item)
        {
            case byte v: writer.Write(v); break;
            case sbyte v: writer.Write(v); break;
            case ushort v: writer.Write(v); break;
            case short v: writer.Write(v); break;
            case uint v: writer.Write(v); break;
            case int v: writer.Write(v); break;
            case ulong v: writer.Write(v); break;
            case long v: writer.Write(v); break;
            case float v: writer.Write(v); break;
            case double v: writer.Write(v); break;
            case bool v: writer.Write(v); break;
            default: WriteText(writer, (string)item); break;
        }
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] utf8 = WeightOutput.StrictUtf8.GetBytes(text);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)utf8.Length);
        writer.Write(length);
        writer.Write(utf8);
    }

    private static void CheckName(string name, int mostBytes, HashSet<string> taken, int most, string what)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || WeightOutput.StrictUtf8.GetByteCount(name) > mostBytes)
            throw new ArgumentException($"The {what} '{TensorReading.Shown(name)}' must have 1 to {mostBytes} bytes of UTF-8 without NUL.", nameof(name));
        if (taken.Count >= most)
            throw new ArgumentException($"There are already {most} entries of the kind {what}; more are not accepted.", nameof(name));
        if (!taken.Add(name))
            throw new ArgumentException($"The {what} '{TensorReading.Shown(name)}' is taken; choose another.", nameof(name));
    }

    private long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
