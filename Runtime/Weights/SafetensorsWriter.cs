using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>Writes safetensors files that <see cref="SafetensorsFile"/> and every other strict reader accept.</summary>
public static class SafetensorsWriter
{
    private static readonly Dictionary<DType, string> Names = SafetensorsHeader.Types.ToDictionary(t => t.Value, t => t.Key);

    /// <summary>
    /// Writes a file whole or not at all. Tensors with wider elements come first, then by name, so that all data are aligned
    /// and equal contents give equal bytes.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced at the end.</param>
    /// <param name="tensors">Tensors of plain types by name.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, if any.</param>
    /// <exception cref="ArgumentException">A tensor is quantized, has too many axes, or a name is taken twice or not valid Unicode.</exception>
    /// <exception cref="CheckpointException">The file cannot be written there.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, HostTensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        KeyValuePair<string, HostTensor>[] ordered =
            [.. tensors.OrderByDescending(t => t.Value.Type.BlockBytes()).ThenBy(t => t.Key, StringComparer.Ordinal)];
        byte[] header = Header(ordered, metadata);
        WeightOutput.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach ((_, HostTensor tensor) in ordered)
                stream.Write(tensor.Data.Span);
        });
    }

    private static byte[] Header(KeyValuePair<string, HostTensor>[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataName };
        long offset = 0;
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                if (metadata.Count > SafetensorsFile.MaxMetadataEntries)
                    throw new ArgumentException($"There are {metadata.Count} metadata entries and at most {SafetensorsFile.MaxMetadataEntries} are accepted.", nameof(metadata));
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
                    json.WriteString(Unicode(key), Unicode(value));
                json.WriteEndObject();
            }
            foreach ((string name, HostTensor tensor) in tensors)
            {
                if (!names.Add(name))
                    throw new ArgumentException($"The tensor name '{name}' is taken; give each tensor another.", nameof(tensors));
                if (!Names.TryGetValue(tensor.Type, out string? type))
                    throw new ArgumentException($"Tensor '{name}' is {tensor.Type}, which safetensors cannot hold; write a GGUF file, or convert it to floats.", nameof(tensors));
                if (tensor.Shape.Rank > SafetensorsFile.MaxAxes)
                    throw new ArgumentException($"Tensor '{name}' has {tensor.Shape.Rank} axes and at most {SafetensorsFile.MaxAxes} are accepted.", nameof(tensors));
                json.WriteStartObject(Unicode(name));
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (int axis in tensor.Shape.Axes)
                    json.WriteNumberValue(axis);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset = checked(offset + tensor.Data.Length);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        // Spaces to a multiple of 8, so that data which follow are aligned.
        int padding = (8 - buffer.WrittenCount % 8) % 8;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenCount <= SafetensorsFile.MaxHeaderBytes
            ? buffer.WrittenSpan.ToArray()
            : throw new ArgumentException($"The header would have {buffer.WrittenCount} bytes and at most {SafetensorsFile.MaxHeaderBytes} are accepted; split the tensors over several files.", nameof(tensors));
    }

    private static byte[] Unicode(string text) => WeightOutput.StrictUtf8.GetBytes(text);
}
