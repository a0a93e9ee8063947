using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>Floats that a type cannot hold: a value is not finite, or a block's scale is not a finite 16-bit float.</summary>
public sealed class QuantizationException : VlmException
{
    /// <summary>Row at fault, counted over all axes but the last.</summary>
    public long Row { get; }

    /// <summary>Creates the exception; the message names type, row and fault.</summary>
    public QuantizationException(DType type, long row, string fault)
        : base($"Row {row} cannot be stored as {type}: {fault}. Keep this tensor in F32.") => Row = row;
}

/// <summary>
/// Turns floats into smaller types, to the byte as spec sheet preprocess-tokenizers-quant, section 9, has it: float32
/// arithmetic in one fixed order, codes from the scale before it is rounded to 16 bits.
/// </summary>
public static class Quantizer
{
    private const int BlockLength = 32;

    private delegate void Block(ReadOnlySpan<float> values, Span<byte> block);

    /// <summary>Whether <see cref="Quantize(DType, HostTensor)"/> writes a type.</summary>
    public static bool Writes(DType type) =>
        type is DType.Q8_0 or DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1 or DType.F16 or DType.BF16 or DType.F32;

    /// <summary>Converts a tensor into new memory.</summary>
    /// <param name="type">Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 (rows of whole blocks of 32), F16, BF16, or F32, which copies.</param>
    /// <param name="floats">An F32 tensor. F16 and BF16 keep infinities and NaN; F16 turns 65,520 and more into infinity.</param>
    /// <exception cref="ArgumentException">The type is not one of these, or the tensor is not F32.</exception>
    /// <exception cref="ShapeMismatchException">The last axis is not a multiple of the block.</exception>
    /// <exception cref="QuantizationException">A block type cannot hold a row: a value is NaN or infinite, or a scale leaves the 16-bit range.</exception>
    public static HostTensor Quantize(DType type, HostTensor floats)
    {
        ArgumentNullException.ThrowIfNull(floats);
        if (!Writes(type))
            throw new ArgumentException($"{type} cannot be written; choose Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16, BF16 or F32.", nameof(type));
        if (floats.Type != DType.F32)
            throw new ArgumentException($"Quantizing starts from F32, the tensor holds {floats.Type}; dequantize it first.", nameof(floats));
        var result = new HostTensor(type, floats.Shape);
        Quantize(type, floats.Floats, floats.Shape.Rank == 0 ? 1 : floats.Shape[^1], result.Data.Span);
        return result;
    }

    /// <summary>Converts whole rows into a buffer of exactly their size; <paramref name="firstRow"/> is for messages.</summary>
    internal static void Quantize(DType type, ReadOnlySpan<float> values, int width, Span<byte> bytes, long firstRow = 0)
    {
        switch (type)
        {
            case DType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case DType.F16:
                for (int i = 0; i < values.Length; i++)
                    BinaryPrimitives.WriteHalfLittleEndian(bytes[(2 * i)..], (Half)values[i]);
                break;
            case DType.BF16:
                for (int i = 0; i < values.Length; i++)
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes[(2 * i)..], ToBF16(values[i]));
                break;
            default:
                Blocks(type, values, width, bytes, firstRow);
                break;
        }
    }

    private static void Blocks(DType type, ReadOnlySpan<float> values, int width, Span<byte> bytes, long firstRow)
    {
        Block block = type switch
        {
            DType.Q8_0 => Q8_0,
            DType.Q4_0 => static (v, b) => Signed(v, b, 4),
            DType.Q5_0 => static (v, b) => Signed(v, b, 5),
            DType.Q4_1 => static (v, b) => Ranged(v, b, 4),
            _ => static (v, b) => Ranged(v, b, 5),
        };
        int size = type.BlockBytes();
        int halves = type is DType.Q4_1 or DType.Q5_1 ? 2 : 1;
        for (int i = 0; i < values.Length / BlockLength; i++)
        {
            ReadOnlySpan<float> from = values.Slice(i * BlockLength, BlockLength);
            Span<byte> to = bytes.Slice(i * size, size);
            long row = firstRow + (long)i * BlockLength / width;
            if (!float.IsFinite(Largest(from)))
                foreach (float value in from)
                    if (!float.IsFinite(value))
                        throw new QuantizationException(type, row, $"it holds {value}");
            block(from, to);
            for (int half = 0; half < halves; half++)
                if (!Half.IsFinite(BinaryPrimitives.ReadHalfLittleEndian(to[(2 * half)..])))
                    throw new QuantizationException(type, row, $"the {(half == 0 ? "scale" : "minimum")} of its block {i * BlockLength % width / BlockLength} is not a finite 16-bit float");
        }
    }

    private static void Q8_0(ReadOnlySpan<float> values, Span<byte> block)
    {
        float d = Largest(values) / 127;
        float inverse = Inverse(d);
        WriteHalf(block, 0, d);
        Vector256.Narrow(
            Vector256.Narrow(Rounded(values, inverse), Rounded(values[8..], inverse)),
            Vector256.Narrow(Rounded(values[16..], inverse), Rounded(values[24..], inverse))).AsByte().CopyTo(block[2..]);

        // Half away from zero: what is left behind the point is exact, so comparing it decides as exact numbers would.
        static Vector256<int> Rounded(ReadOnlySpan<float> eight, float inverse)
        {
            Vector256<float> scaled = Vector256.Create(eight) * inverse, whole = Vector256.Truncate(scaled);
            Vector256<float> up = Vector256.GreaterThanOrEqual(Vector256.Abs(scaled - whole), Vector256.Create(0.5f));
            return Vector256.ConvertToInt32(whole + (up & Vector256.CopySign(Vector256<float>.One, scaled)));
        }
    }

    /// <summary>The largest magnitude of a block; not finite if a value is not.</summary>
    private static float Largest(ReadOnlySpan<float> block)
    {
        Vector256<float> largest = Vector256<float>.Zero;
        for (int k = 0; k < BlockLength; k += Vector256<float>.Count)
            largest = Vector256.Max(largest, Vector256.Abs(Vector256.Create(block[k..])));
        float result = 0;
        for (int k = 0; k < Vector256<float>.Count; k++)
            result = MathF.Max(result, largest[k]);
        return result;
    }

    /// <summary>Q4_0 and Q5_0: the value of largest magnitude becomes the lowest code.</summary>
    private static void Signed(ReadOnlySpan<float> values, Span<byte> block, int bits)
    {
        int middle = 1 << (bits - 1);
        float largest = Largest(values);
        int first = values.IndexOfAny(largest, -largest);
        float d = values[first] / -middle;
        float inverse = Inverse(d);
        WriteHalf(block, 0, d);
        Span<byte> codes = stackalloc byte[BlockLength];
        for (int k = 0; k < BlockLength; k++)
            codes[k] = (byte)Math.Min((int)(values[k] * inverse + (middle + 0.5f)), 2 * middle - 1);
        WriteCodes(codes, block[2..], bits);
    }

    /// <summary>Q4_1 and Q5_1: the codes span the range from minimum to maximum.</summary>
    private static void Ranged(ReadOnlySpan<float> values, Span<byte> block, int bits)
    {
        int top = (1 << bits) - 1;
        float min = values[0];
        float max = values[0];
        foreach (float value in values)
        {
            min = value < min ? value : min;
            max = value > max ? value : max;
        }
        float d = (max - min) / top;
        float inverse = Inverse(d);
        WriteHalf(block, 0, d);
        WriteHalf(block, 2, min);
        Span<byte> codes = stackalloc byte[BlockLength];
        for (int k = 0; k < BlockLength; k++)
            codes[k] = (byte)Math.Min((int)((values[k] - min) * inverse + 0.5f), top);
        WriteCodes(codes, block[4..], bits);
    }

    /// <summary>Four bits of value k in the low nibble of byte k and of value k + 16 in its high one; fifth bits before them.</summary>
    private static void WriteCodes(ReadOnlySpan<byte> codes, Span<byte> to, int bits)
    {
        if (bits == 5)
        {
            uint high = 0;
            for (int k = 0; k < BlockLength; k++)
                high |= (uint)(codes[k] >> 4) << k;
            BinaryPrimitives.WriteUInt32LittleEndian(to, high);
            to = to[4..];
        }
        for (int k = 0; k < BlockLength / 2; k++)
            to[k] = (byte)(codes[k] & 15 | (codes[k + 16] & 15) << 4);
    }

    /// <summary>1/d, or 0 where the block is all zeros or so small that its scale is stored as zero anyway.</summary>
    private static float Inverse(float d)
    {
        float inverse = d == 0 ? 0 : 1 / d;
        return float.IsFinite(inverse) ? inverse : 0;
    }

    private static void WriteHalf(Span<byte> block, int at, float value) => BinaryPrimitives.WriteHalfLittleEndian(block[at..], (Half)value);

    private static ushort ToBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)(bits >> 16 | 0x40);
        // Ties go to the even upper half.
        return (ushort)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
}
