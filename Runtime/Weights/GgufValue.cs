using System.Collections;
using System.Globalization;

namespace VlmSdk.Weights;

/// <summary>Types of GGUF metadata values, by their numbers in the file.</summary>
public enum GgufValueType
{
    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8 = 0,
    /// <summary>Signed 8-bit integer.</summary>
    Int8 = 1,
    /// <summary>Unsigned 16-bit integer.</summary>
    UInt16 = 2,
    /// <summary>Signed 16-bit integer.</summary>
    Int16 = 3,
    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32 = 4,
    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 5,
    /// <summary>32-bit float.</summary>
    Float32 = 6,
    /// <summary>One byte, 0 or 1.</summary>
    Bool = 7,
    /// <summary>UTF-8 text.</summary>
    String = 8,
    /// <summary>A list of values of one of the other types.</summary>
    Array = 9,
    /// <summary>Unsigned 64-bit integer.</summary>
    UInt64 = 10,
    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 11,
    /// <summary>64-bit float.</summary>
    Float64 = 12,
}

/// <summary>One GGUF metadata value with its stored type: a scalar, a string, or an array of one of these. Immutable.</summary>
public sealed class GgufValue
{
    private const int ShownItems = 8;

    private GgufValue(GgufValueType type, GgufValueType? elementType, object value)
    {
        Type = type;
        ElementType = elementType;
        Value = value;
    }

    /// <summary>Stored type.</summary>
    public GgufValueType Type { get; }

    /// <summary>Type of an array's items; null for other values.</summary>
    public GgufValueType? ElementType { get; }

    /// <summary>
    /// The value as the .NET type of the same width (<see cref="uint"/> for UInt32 and so on); for an array a .NET array of
    /// that type, which must not be changed.
    /// </summary>
    public object Value { get; }

    /// <summary>Items of an array, 1 for other values.</summary>
    public int Count => Value is Array items ? items.Length : 1;

    /// <summary>Type in words, such as <c>UInt32</c> or <c>array of String</c>.</summary>
    public string TypeName => ElementType is null ? Type.ToString() : $"array of {ElementType}";

    /// <summary>A scalar or a string.</summary>
    /// <exception cref="ArgumentException">GGUF has no such type.</exception>
    public static GgufValue Of<T>(T value) where T : notnull => new(TypeOf(typeof(T)), null, value);

    /// <summary>An array; the items are copied.</summary>
    /// <exception cref="ArgumentException">GGUF has no such item type.</exception>
    public static GgufValue OfArray<T>(ReadOnlySpan<T> items) where T : notnull => Wrap(items.ToArray());

    /// <summary>The value in one line for people; long arrays are cut.</summary>
    public override string ToString()
    {
        if (Value is not Array items)
            return Text(Value);
        var shown = new List<string>();
        foreach (object item in items)
        {
            if (shown.Count == ShownItems)
                break;
            shown.Add(Text(item));
        }
        return $"[{string.Join(", ", shown)}{(items.Length > ShownItems ? $", ... {items.Length} in all" : "")}]";
    }

    /// <summary>An array that the caller gives away.</summary>
    internal static GgufValue Wrap<T>(T[] items) where T : notnull => new(GgufValueType.Array, TypeOf(typeof(T)), items);

    /// <summary>The value's items, or the value itself.</summary>
    internal IEnumerable Items => Value is Array items ? items : new[] { Value };

    private static string Text(object value) => value is string text
        ? $"\"{TensorReading.Shown(text)}\""
        : Convert.ToString(value, CultureInfo.InvariantCulture)!;

    private static GgufValueType TypeOf(Type type) =>
        type == typeof(byte) ? GgufValueType.UInt8
        : type == typeof(sbyte) ? GgufValueType.Int8
        : type == typeof(ushort) ? GgufValueType.UInt16
        : type == typeof(short) ? GgufValueType.Int16
        : type == typeof(uint) ? GgufValueType.UInt32
        : type == typeof(int) ? GgufValueType.Int32
        : type == typeof(float) ? GgufValueType.Float32
        : type == typeof(bool) ? GgufValueType.Bool
        : type == typeof(string) ? GgufValueType.String
        : type == typeof(ulong) ? GgufValueType.UInt64
        : type == typeof(long) ? GgufValueType.Int64
        : type == typeof(double) ? GgufValueType.Float64
        : throw new ArgumentException($"GGUF metadata cannot hold {type.Name}; use a number of 8 to 64 bits, bool or string.", nameof(type));
}
