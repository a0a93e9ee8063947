using System.Text.Json;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>The JSON header of a safetensors file.</summary>
internal static class SafetensorsHeader
{
    internal const string MetadataName = "__metadata__";
    private const string Part = "safetensors header";
    private const int ShortestEntry = 49;

    /// <summary>Names of the element types as the format writes them.</summary>
    internal static readonly IReadOnlyDictionary<string, DType> Types = new Dictionary<string, DType>(StringComparer.Ordinal)
    {
        ["BOOL"] = DType.Bool,
        ["U8"] = DType.U8,
        ["I8"] = DType.I8,
        ["F8_E4M3"] = DType.F8E4M3,
        ["F8_E5M2"] = DType.F8E5M2,
        ["U16"] = DType.U16,
        ["I16"] = DType.I16,
        ["F16"] = DType.F16,
        ["BF16"] = DType.BF16,
        ["U32"] = DType.U32,
        ["I32"] = DType.I32,
        ["F32"] = DType.F32,
        ["U64"] = DType.U64,
        ["I64"] = DType.I64,
        ["F64"] = DType.F64,
    };

    /// <summary>Tensors and metadata of a header; <paramref name="dataStart"/> and <paramref name="fileLength"/> bound the data.</summary>
    internal static (Dictionary<string, TensorInfo> Tensors, Dictionary<string, string> Metadata) Parse(
        string file, ReadOnlySpan<byte> utf8, long dataStart, long fileLength)
    {
        if (utf8.IsEmpty || utf8[0] != (byte)'{')
            throw new CheckpointException(file, null, $"the {Part} does not begin with '{{'. It is not a safetensors file, or it is damaged.");
        // Counted first, so that the table is made once and in its final size; no sound entry is shorter than this.
        int capacity = Math.Min(CountTensors(file, utf8), utf8.Length / ShortestEntry);
        var tensors = new Dictionary<string, TensorInfo>(capacity, StringComparer.Ordinal);
        Dictionary<string, string>? metadata = null;
        var json = new StrictJson(file, Part, utf8);
        json.Expect(JsonTokenType.StartObject, null, "is not an object");
        while (json.NextProperty(out string name))
        {
            if (name == MetadataName)
            {
                if (metadata is not null)
                    throw json.Fault(name, "holds this name twice");
                metadata = ReadMetadata(ref json);
            }
            else
            {
                TensorInfo info = ReadTensor(ref json, name, dataStart, fileLength);
                if (!tensors.TryAdd(name, info))
                    throw json.Fault(name, "holds this name twice");
            }
        }
        json.ExpectEnd(utf8, " "u8);
        CheckCover(file, tensors.Values, dataStart, fileLength);
        return (tensors, metadata ?? []);
    }

    private static int CountTensors(string file, ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(file, Part, utf8);
        int count = 0;
        int depth = 0;
        while (json.Next())
        {
            if (json.Token == JsonTokenType.StartObject && ++depth == 2)
                count++;
            else if (json.Token == JsonTokenType.EndObject && --depth == 0)
                break;
        }
        return count;
    }

    private static TensorInfo ReadTensor(ref StrictJson json, string name, long dataStart, long fileLength)
    {
        json.Expect(JsonTokenType.StartObject, name, "describes this tensor by something other than an object");
        DType? type = null;
        int rank = -1;
        Span<ulong> axes = stackalloc ulong[SafetensorsFile.MaxAxes];
        Span<ulong> range = stackalloc ulong[2];
        bool ranged = false;
        while (json.NextProperty(out string field))
        {
            switch (field)
            {
                case "dtype" when type is null:
                    string given = json.NextText(name, field);
                    type = Types.TryGetValue(given, out DType known)
                        ? known
                        : throw json.Fault(name, $"has the unknown dtype '{TensorReading.Shown(given)}'; known are {string.Join(", ", Types.Keys)}");
                    break;
                case "shape" when rank < 0:
                    rank = ReadNumbers(ref json, name, field, axes);
                    break;
                case "data_offsets" when !ranged:
                    ranged = ReadNumbers(ref json, name, field, range) == 2
                        ? true
                        : throw json.Fault(name, "has data_offsets that are not two numbers");
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw json.Fault(name, $"gives {field} twice");
                default:
                    throw json.Fault(name, $"has the unknown field '{TensorReading.Shown(field)}'");
            }
        }
        if (type is null || rank < 0 || !ranged)
            throw json.Fault(name, $"lacks {(type is null ? "dtype" : rank < 0 ? "shape" : "data_offsets")}");
        if (CheckedExtent.Measure(type.Value, axes[..rank], out Shape shape, out long bytes) is { } fault)
            throw json.Fault(name, $"has an impossible shape: {fault}");
        if (range[0] > range[1])
            throw json.Fault(name, $"has data_offsets that end at {range[1]}, before their begin {range[0]}");
        if (!CheckedExtent.TryCreate(range[0], range[1] - range[0], fileLength - dataStart, out CheckedExtent extent))
            throw json.Fault(name, $"has data_offsets up to {range[1]}, but the file holds {fileLength - dataStart} bytes of data: it is cut, or damaged");
        if (extent.Length != bytes)
            throw json.Fault(name, $"gives {extent.Length} bytes to a {type} tensor of shape {shape}, which needs {bytes}");
        return new TensorInfo(name, type.Value, shape, dataStart + extent.Begin, bytes);
    }

    private static int ReadNumbers(ref StrictJson json, string name, string field, scoped Span<ulong> numbers)
    {
        json.ExpectField(JsonTokenType.StartArray, name, field, "a list");
        int count = 0;
        while (json.Next() && json.Token != JsonTokenType.EndArray)
        {
            if (count == numbers.Length)
                throw json.Fault(name, $"has a {field} of more than {numbers.Length} numbers");
            numbers[count++] = json.Number(name, field);
        }
        return count;
    }

    private static Dictionary<string, string> ReadMetadata(ref StrictJson json)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        json.Expect(JsonTokenType.StartObject, MetadataName, "has metadata that is not an object");
        while (json.NextProperty(out string key))
        {
            if (metadata.Count == SafetensorsFile.MaxMetadataEntries)
                throw json.Fault(key, $"has more than {SafetensorsFile.MaxMetadataEntries} metadata entries");
            if (!metadata.TryAdd(key, json.NextText(key, "metadata value")))
                throw json.Fault(key, "holds this metadata name twice");
        }
        return metadata;
    }

    /// <summary>The ranges, in order, begin at the data's start, leave no hole, share no byte and end with the file.</summary>
    private static void CheckCover(string file, IReadOnlyCollection<TensorInfo> tensors, long dataStart, long fileLength)
    {
        TensorInfo[] ordered = [.. tensors];
        Array.Sort(ordered, static (a, b) => (a.Offset, a.ByteCount).CompareTo((b.Offset, b.ByteCount)));
        long end = dataStart;
        foreach (TensorInfo info in ordered)
        {
            if (info.Offset != end)
                throw new CheckpointException(file, TensorReading.Shown(info.Name),
                    $"begins at data byte {info.Offset - dataStart}, but the tensor before it ends at {end - dataStart}: ranges must touch and not overlap. Write the file again.");
            end = checked(info.Offset + info.ByteCount);
        }
        if (end != fileLength)
            throw new CheckpointException(file, null,
                $"has {fileLength} bytes, but its tensors end at {end}. The file is damaged; download it again.");
    }
}
