using System.Diagnostics.CodeAnalysis;

namespace VlmSdk.Weights;

/// <summary>
/// Metadata of a GGUF file by key, in file order. The getters are strict: a number stored in another type is a fault of the
/// file, never converted in silence. The <c>TryGet</c> forms return false for a missing key and still refuse a wrong type.
/// Immutable and thread-safe.
/// </summary>
public sealed class GgufMetadata
{
    private readonly string _source;
    private readonly Dictionary<string, GgufValue> _values;

    internal GgufMetadata(string source, Dictionary<string, GgufValue> values)
    {
        _source = source;
        _values = values;
    }

    /// <summary>Every key with its value.</summary>
    public IReadOnlyDictionary<string, GgufValue> Entries => _values;

    /// <summary>The value of a key.</summary>
    /// <exception cref="CheckpointException">The file does not hold the key.</exception>
    public GgufValue this[string key] => _values.TryGetValue(key, out GgufValue? value) ? value : throw Missing(key);

    /// <summary>Whether the file holds a key.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>A UInt32 value.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public uint GetUInt32(string key) => Get<uint>(key);

    /// <summary>An Int32 value.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public int GetInt32(string key) => Get<int>(key);

    /// <summary>A UInt64 value.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public ulong GetUInt64(string key) => Get<ulong>(key);

    /// <summary>A Float32 value; it may be infinite or NaN.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public float GetFloat(string key) => Get<float>(key);

    /// <summary>A Bool value.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public bool GetBool(string key) => Get<bool>(key);

    /// <summary>A String value.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public string GetString(string key) => Get<string>(key);

    /// <summary>An array of strings.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public IReadOnlyList<string> GetStrings(string key) => Get<string[]>(key);

    /// <summary>An array of Float32.</summary>
    /// <exception cref="CheckpointException">The key is missing or of another type.</exception>
    public IReadOnlyList<float> GetFloats(string key) => Get<float[]>(key);

    /// <summary>An array of integers of at most 32 bits (writers differ in the width), each within an int.</summary>
    /// <exception cref="CheckpointException">The key is missing, of another type, or an item exceeds an int.</exception>
    public IReadOnlyList<int> GetInts(string key) => TryGetInts(key, out IReadOnlyList<int>? items) ? items : throw Missing(key);

    /// <summary>A UInt32 value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetUInt32(string key, out uint value) => TryGet(key, out value);

    /// <summary>An Int32 value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetInt32(string key, out int value) => TryGet(key, out value);

    /// <summary>A UInt64 value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetUInt64(string key, out ulong value) => TryGet(key, out value);

    /// <summary>A Float32 value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetFloat(string key, out float value) => TryGet(key, out value);

    /// <summary>A Bool value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetBool(string key, out bool value) => TryGet(key, out value);

    /// <summary>A String value, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetString(string key, [NotNullWhen(true)] out string? value) => TryGet(key, out value);

    /// <summary>An array of strings, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetStrings(string key, [NotNullWhen(true)] out IReadOnlyList<string>? value)
    {
        bool found = TryGet(key, out string[]? items);
        value = items;
        return found;
    }

    /// <summary>An array of Float32, if the key is there.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool TryGetFloats(string key, [NotNullWhen(true)] out IReadOnlyList<float>? value)
    {
        bool found = TryGet(key, out float[]? items);
        value = items;
        return found;
    }

    /// <summary>An array of integers of at most 32 bits, if the key is there; see <see cref="GetInts"/>.</summary>
    /// <exception cref="CheckpointException">It is of another type, or an item exceeds an int.</exception>
    public bool TryGetInts(string key, [NotNullWhen(true)] out IReadOnlyList<int>? value)
    {
        value = null;
        if (!_values.TryGetValue(key, out GgufValue? found))
            return false;
        // The element type is asked, not the .NET type: a cast of arrays mixes signed and unsigned.
        value = (found.ElementType, found.Value) switch
        {
            (GgufValueType.Int32, int[] items) => items,
            (GgufValueType.UInt32, uint[] items) => Array.ConvertAll(items, item => item <= int.MaxValue
                ? (int)item
                : throw new CheckpointException(_source, TensorReading.Shown(key), $"holds the item {item}, which exceeds {int.MaxValue}. Convert the model again.")),
            (GgufValueType.UInt16, ushort[] items) => Array.ConvertAll(items, item => (int)item),
            (GgufValueType.Int16, short[] items) => Array.ConvertAll(items, item => (int)item),
            (GgufValueType.UInt8, byte[] items) => Array.ConvertAll(items, item => (int)item),
            (GgufValueType.Int8, sbyte[] items) => Array.ConvertAll(items, item => (int)item),
            _ => throw WrongType(key, found, "array of Int32"),
        };
        return true;
    }

    private T Get<T>(string key) where T : notnull => TryGet(key, out T? value) ? value : throw Missing(key);

    private bool TryGet<T>(string key, [NotNullWhen(true)] out T? value) where T : notnull
    {
        value = default;
        if (!_values.TryGetValue(key, out GgufValue? found))
            return false;
        if (found.Value.GetType() != typeof(T))
            throw WrongType(key, found, typeof(T) == typeof(float) ? "Float32"
                : typeof(T).IsArray ? $"array of {(typeof(T) == typeof(string[]) ? "String" : "Float32")}" : typeof(T).Name.Replace("Boolean", "Bool", StringComparison.Ordinal));
        value = (T)found.Value;
        return true;
    }

    private CheckpointException Missing(string key) =>
        new(_source, TensorReading.Shown(key), "this metadata key is missing. Use a file that was converted for this kind of model.");

    private CheckpointException WrongType(string key, GgufValue found, string wanted) =>
        new(_source, TensorReading.Shown(key), $"this metadata key is of type {found.TypeName}, {wanted} is needed. Convert the model again.");
}
