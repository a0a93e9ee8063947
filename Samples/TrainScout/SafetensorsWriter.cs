using System.Buffers.Binary;
using System.Text.Json;
using VlmSdk.Tensors;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Writes float32 tensors as one safetensors file.</summary>
internal static class SafetensorsWriter
{
    /// <summary>Writes under another name and then renames, so that readers and interruptions never meet half a file.</summary>
    internal static void Write(string path, IEnumerable<(string Name, HostTensor Tensor)> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        (string Name, HostTensor Tensor)[] all = [.. tensors];
        var header = new Dictionary<string, object>(StringComparer.Ordinal) { ["__metadata__"] = metadata };
        long offset = 0;
        foreach ((string name, HostTensor tensor) in all)
        {
            if (tensor.Type != DType.F32)
                throw new ArgumentException($"'{name}' holds {tensor.Type}; only F32 tensors are written.", nameof(tensors));
            header.Add(name, new { dtype = "F32", shape = tensor.Shape.Axes.ToArray(), data_offsets = new[] { offset, offset + tensor.Data.Length } });
            offset += tensor.Data.Length;
        }
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header);
        int padded = (json.Length + 7) / 8 * 8;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        string part = path + ".part";
        using (FileStream file = File.Create(part))
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, padded);
            file.Write(length);
            file.Write(json);
            for (int i = json.Length; i < padded; i++)
                file.WriteByte((byte)' ');
            foreach ((_, HostTensor tensor) in all)
                file.Write(tensor.Data.Span);
            file.Flush(flushToDisk: true);
        }
        File.Move(part, path, overwrite: true);
    }
}
