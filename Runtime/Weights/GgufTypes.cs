using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>Numbers, limits and element types of the GGUF format, shared by reader and writer.</summary>
internal static class GgufTypes
{
    internal const string AlignmentKey = "general.alignment";
    internal const uint DefaultAlignment = 32;
    internal const uint MaxAlignment = 65_536;
    internal const int MaxAxes = 4;
    internal const int MaxTensors = 65_536;
    internal const int MaxKeys = 65_536;
    internal const int MaxKeyBytes = 65_535;
    internal const int MaxNameBytes = 64;
    internal const int MaxStringBytes = 16 << 20;
    internal const int MaxArrayItems = 16 << 20;

    private static readonly Dictionary<uint, DType> Known = new()
    {
        [0] = DType.F32,
        [1] = DType.F16,
        [2] = DType.Q4_0,
        [3] = DType.Q4_1,
        [6] = DType.Q5_0,
        [7] = DType.Q5_1,
        [8] = DType.Q8_0,
        [10] = DType.Q2_K,
        [11] = DType.Q3_K,
        [12] = DType.Q4_K,
        [13] = DType.Q5_K,
        [14] = DType.Q6_K,
        [20] = DType.IQ4_NL,
        [23] = DType.IQ4_XS,
        [24] = DType.I8,
        [25] = DType.I16,
        [26] = DType.I32,
        [27] = DType.I64,
        [28] = DType.F64,
        [30] = DType.BF16,
    };

    private static readonly Dictionary<DType, uint> Numbers = Known.ToDictionary(t => t.Value, t => t.Key);

    internal static bool TryFromNumber(uint number, out DType type) => Known.TryGetValue(number, out type);

    internal static bool TryGetNumber(DType type, out uint number) => Numbers.TryGetValue(type, out number);

    internal static string WhyUnknown(uint number) => number is 4 or 5 or (>= 31 and <= 33) or (>= 36 and <= 38)
        ? $"is of element type {number}, which the format has removed. Convert the model again"
        : $"is of element type {number}, which is not read here. Use a file in one of {string.Join(", ", Known.Values)}";

    internal static bool IsAlignment(uint value) => value is > 0 and <= MaxAlignment && uint.IsPow2(value);

    /// <summary>Bytes of the shortest value of a type; an array item has the same.</summary>
    internal static int SmallestBytes(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.Array => 12,
        _ => 8,
    };
}
