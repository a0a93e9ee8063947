using System.Text.Json;

namespace VlmSdk.Weights;

/// <summary>The contents of a <c>*.safetensors.index.json</c> file: which shard holds which tensor.</summary>
internal sealed class SafetensorsIndex
{
    internal const string Suffix = ".safetensors.index.json";
    internal const int MaxShards = 1024;
    internal const int MaxShardNameLength = 200;
    private const string Part = "index";
    private const string ShardSuffix = ".safetensors";
    private const int ShortestEntry = 20;

    private readonly List<string> _shardNames = [];

    private SafetensorsIndex(string file, ReadOnlySpan<byte> utf8)
    {
        Dictionary<string, string>? map = null;
        bool described = false;
        int capacity = Math.Min(CountNames(file, utf8), utf8.Length / ShortestEntry);
        var json = new StrictJson(file, Part, utf8);
        json.Expect(JsonTokenType.StartObject, null, "is not a JSON object");
        while (json.NextProperty(out string name))
        {
            switch (name)
            {
                case "weight_map" when map is null:
                    map = ReadMap(ref json, capacity);
                    break;
                case "metadata" when !described:
                    described = true;
                    TotalSize = ReadTotalSize(ref json);
                    break;
                case "weight_map" or "metadata":
                    throw json.Fault(name, "holds this name twice");
                default:
                    throw json.Fault(name, "has this unknown field; known are weight_map and metadata");
            }
        }
        json.ExpectEnd(utf8, " \t\r\n"u8);
        ShardOf = map ?? throw json.Fault(null, "lacks weight_map");
    }

    /// <summary>Shard file name by tensor name.</summary>
    internal IReadOnlyDictionary<string, string> ShardOf { get; }

    /// <summary>Each shard once, in order of first mention.</summary>
    internal IReadOnlyList<string> ShardNames => _shardNames;

    /// <summary>Bytes of all tensors, if the index gives them.</summary>
    internal ulong? TotalSize { get; }

    /// <exception cref="CheckpointException">The file is missing or not a sound index.</exception>
    internal static SafetensorsIndex Read(string path)
    {
        using ByteSource file = ByteSource.FromFile(path);
        if (file.Length > SafetensorsFile.MaxHeaderBytes)
            throw new CheckpointException(path, null, $"has {file.Length} bytes and an index has at most {SafetensorsFile.MaxHeaderBytes}. Choose another file.");
        byte[] utf8 = GC.AllocateUninitializedArray<byte>((int)file.Length);
        file.Read(0, utf8);
        return Parse(path, utf8);
    }

    internal static SafetensorsIndex Parse(string file, ReadOnlySpan<byte> utf8) => new(file, utf8);

    private static int CountNames(string file, ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(file, Part, utf8);
        int count = 0;
        while (json.Next())
            count += json.Token == JsonTokenType.PropertyName ? 1 : 0;
        return count;
    }

    private Dictionary<string, string> ReadMap(ref StrictJson json, int capacity)
    {
        var map = new Dictionary<string, string>(capacity, StringComparer.Ordinal);
        // One string a shard, however many tensors name it: names are looked up as spans.
        var known = new HashSet<string>(StringComparer.Ordinal);
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> lookup = known.GetAlternateLookup<ReadOnlySpan<char>>();
        Span<char> buffer = stackalloc char[MaxShardNameLength];
        json.Expect(JsonTokenType.StartObject, "weight_map", "has a weight_map that is not an object");
        while (json.NextProperty(out string tensor))
        {
            json.ExpectField(JsonTokenType.String, tensor, "shard", "a string");
            int length = json.CopyText(tensor, buffer);
            if (length < 0 || !lookup.TryGetValue(buffer[..length], out string? kept))
            {
                kept = json.Text(tensor);
                if (!IsShardName(kept))
                    throw json.Fault(tensor, $"names the shard '{TensorReading.Shown(kept)}', which is not a plain file name ending in {ShardSuffix}");
                if (known.Add(kept))
                    _shardNames.Add(kept);
                if (known.Count > MaxShards)
                    throw json.Fault(tensor, $"names more than {MaxShards} shards");
            }
            if (!map.TryAdd(tensor, kept))
                throw json.Fault(tensor, "holds this name twice");
        }
        return map;
    }

    private static ulong? ReadTotalSize(ref StrictJson json)
    {
        ulong? total = null;
        int budget = SafetensorsFile.MaxMetadataEntries;
        var names = new HashSet<string>(StringComparer.Ordinal);
        json.Expect(JsonTokenType.StartObject, "metadata", "has metadata that are not an object");
        while (json.NextProperty(out string name))
        {
            if (--budget < 0)
                throw json.Fault(name, $"has more than {SafetensorsFile.MaxMetadataEntries} metadata entries");
            if (!names.Add(name))
                throw json.Fault(name, "holds this name twice");
            if (name == "total_size")
            {
                json.Next();
                total = json.Number(name, "value");
            }
            else
            {
                json.SkipValue(ref budget);
            }
        }
        return total;
    }

    /// <summary>One path segment on every system, so that no name can leave the folder.</summary>
    private static bool IsShardName(string name)
    {
        if (name.Length <= ShardSuffix.Length || name.Length > MaxShardNameLength
            || !name.EndsWith(ShardSuffix, StringComparison.Ordinal) || name[0] == '.')
            return false;
        foreach (char c in name)
            if (char.IsControl(c) || c is '/' or '\\' or ':' or '*' or '?' or '"' or '<' or '>' or '|')
                return false;
        return true;
    }
}
