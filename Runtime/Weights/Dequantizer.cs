using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// Turns every stored element type into 32-bit floats, by the block formulas of spec sheet preprocess-tokenizers-quant,
/// section 9. Exact: each value is what the format's float32 arithmetic gives, so executors can be held to it.
/// </summary>
public static class Dequantizer
{
    private static readonly float[] E4M3 = Float8Table(mantissaBits: 3, bias: 7, infinity: false);
    private static readonly float[] E5M2 = Float8Table(mantissaBits: 2, bias: 15, infinity: true);

    /// <summary>A new F32 tensor of the same shape; an F32 tensor is copied.</summary>
    /// <param name="tensor">A tensor of any type. 64-bit values are rounded to the nearest float.</param>
    /// <exception cref="ArgumentException">The result would be larger than one tensor in memory may be.</exception>
    public static HostTensor ToFloats(HostTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Shape.Count > Array.MaxLength / sizeof(float))
            throw new ArgumentException($"A {tensor.Type} tensor of shape {tensor.Shape} is too large as floats; convert its rows in parts.", nameof(tensor));
        var floats = new HostTensor(DType.F32, tensor.Shape);
        ToFloats(tensor.Type, tensor.Data.Span, floats.Floats);
        return floats;
    }

    /// <summary>Converts whole blocks (whole elements of a plain type) into a buffer of exactly as many floats.</summary>
    /// <param name="type">Type of the stored bytes.</param>
    /// <param name="data">The bytes, little-endian.</param>
    /// <param name="values">Receives the values.</param>
    /// <exception cref="ShapeMismatchException">The bytes do not hold exactly that many values.</exception>
    public static void ToFloats(DType type, ReadOnlySpan<byte> data, Span<float> values)
    {
        if (values.Length % type.BlockLength() != 0 || (long)values.Length / type.BlockLength() * type.BlockBytes() != data.Length)
            throw new ShapeMismatchException($"{data.Length} bytes of {type} do not hold exactly {values.Length} values.");
        switch (type)
        {
            case DType.F32:
                data.CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case DType.F16:
                Halves(MemoryMarshal.Cast<byte, ushort>(data), values);
                break;
            case DType.BF16:
                UpperHalves(MemoryMarshal.Cast<byte, ushort>(data), values);
                break;
            case DType.F64:
                Convert<double>(data, values, static v => (float)v);
                break;
            case DType.F8E4M3:
                Convert<byte>(data, values, static v => E4M3[v]);
                break;
            case DType.F8E5M2:
                Convert<byte>(data, values, static v => E5M2[v]);
                break;
            case DType.I8:
                Convert<sbyte>(data, values, static v => v);
                break;
            case DType.I16:
                Convert<short>(data, values, static v => v);
                break;
            case DType.I32:
                Convert<int>(data, values, static v => v);
                break;
            case DType.I64:
                Convert<long>(data, values, static v => v);
                break;
            case DType.U8 or DType.Bool:
                Convert<byte>(data, values, static v => v);
                break;
            case DType.U16:
                Convert<ushort>(data, values, static v => v);
                break;
            case DType.U32:
                Convert<uint>(data, values, static v => v);
                break;
            case DType.U64:
                Convert<ulong>(data, values, static v => v);
                break;
            default:
                Blocks(type, data, values);
                break;
        }
    }

    private static void UpperHalves(ReadOnlySpan<ushort> from, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
    }

    // Exponent and fraction moved to their places in a float are the value over 2^112, subnormals too; the product is exact.
    private static void Halves(ReadOnlySpan<ushort> from, Span<float> values)
    {
        float scale = MathF.ScaleB(1, 112);
        int i = 0;
        for (; i + Vector256<float>.Count <= values.Length; i += Vector256<float>.Count)
        {
            Vector128<ushort> eight = Vector128.Create(from[i..]);
            Vector256<uint> bits = Vector256.Create(Vector128.WidenLower(eight), Vector128.WidenUpper(eight)), sign = (bits & Vector256.Create(0x8000u)) << 16;
            bits &= Vector256.Create(0x7FFFu);
            if (Vector256.GreaterThanOrEqualAny(bits, Vector256.Create(0x7C00u)))
            {
                for (int k = i; k < i + Vector256<float>.Count; k++)
                    values[k] = (float)BitConverter.UInt16BitsToHalf(from[k]);
                continue;
            }
            Vector256<float> magnitude = (bits << 13).AsSingle() * scale;
            (magnitude.AsUInt32() | sign).AsSingle().CopyTo(values[i..]);
        }
        for (; i < values.Length; i++)
            values[i] = (float)BitConverter.UInt16BitsToHalf(from[i]);
    }

    private static void Convert<T>(ReadOnlySpan<byte> data, Span<float> values, Func<T, float> convert) where T : unmanaged
    {
        ReadOnlySpan<T> from = MemoryMarshal.Cast<byte, T>(data);
        for (int i = 0; i < values.Length; i++)
            values[i] = convert(from[i]);
    }

    private static void Blocks(DType type, ReadOnlySpan<byte> data, Span<float> values)
    {
        int length = type.BlockLength();
        int bytes = type.BlockBytes();
        for (int i = 0; i < values.Length / length; i++)
        {
            ReadOnlySpan<byte> block = data.Slice(i * bytes, bytes);
            Span<float> to = values.Slice(i * length, length);
            switch (type)
            {
                case DType.Q4_0: BlockFormats.Q4_0(block, to); break;
                case DType.Q4_1: BlockFormats.Q4_1(block, to); break;
                case DType.Q5_0: BlockFormats.Q5_0(block, to); break;
                case DType.Q5_1: BlockFormats.Q5_1(block, to); break;
                case DType.Q8_0: BlockFormats.Q8_0(block, to); break;
                case DType.Q2_K: BlockFormats.Q2_K(block, to); break;
                case DType.Q3_K: BlockFormats.Q3_K(block, to); break;
                case DType.Q4_K: BlockFormats.Q4_K(block, to); break;
                case DType.Q5_K: BlockFormats.Q5_K(block, to); break;
                case DType.Q6_K: BlockFormats.Q6_K(block, to); break;
                case DType.IQ4_NL: BlockFormats.IQ4_NL(block, to); break;
                case DType.IQ4_XS: BlockFormats.IQ4_XS(block, to); break;
                default: throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such element type.");
            }
        }
    }

    private static float[] Float8Table(int mantissaBits, int bias, bool infinity)
    {
        var table = new float[256];
        int mantissas = 1 << mantissaBits;
        int topExponent = 0x7F >> mantissaBits;
        for (int code = 0; code < 128; code++)
        {
            int exponent = code >> mantissaBits;
            int mantissa = code & (mantissas - 1);
            float value = exponent == 0
                ? MathF.ScaleB(mantissa, 1 - bias - mantissaBits)
                : MathF.ScaleB(mantissas + mantissa, exponent - bias - mantissaBits);
            // With infinity the whole top exponent is special, as in IEEE; without it only the last code is (NaN).
            if (infinity && exponent == topExponent)
                value = mantissa == 0 ? float.PositiveInfinity : float.NaN;
            else if (!infinity && code == 127)
                value = float.NaN;
            table[code] = value;
            table[code | 128] = -value;
        }
        return table;
    }
}
