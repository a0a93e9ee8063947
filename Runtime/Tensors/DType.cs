namespace VlmSdk.Tensors;

/// <summary>
/// Element type of a tensor: plain numbers, or blocks of quantized numbers in the GGUF layouts
/// (spec sheet preprocess-tokenizers-quant, section 9).
/// </summary>
public enum DType
{
    /// <summary>32-bit IEEE float.</summary>
    F32,
    /// <summary>16-bit IEEE float.</summary>
    F16,
    /// <summary>Upper half of a 32-bit float.</summary>
    BF16,
    /// <summary>64-bit IEEE float.</summary>
    F64,
    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, no infinity.</summary>
    F8E4M3,
    /// <summary>8-bit float, 5 exponent and 2 mantissa bits.</summary>
    F8E5M2,
    /// <summary>Signed 8-bit integer.</summary>
    I8,
    /// <summary>Signed 16-bit integer.</summary>
    I16,
    /// <summary>Signed 32-bit integer.</summary>
    I32,
    /// <summary>Signed 64-bit integer.</summary>
    I64,
    /// <summary>Unsigned 8-bit integer.</summary>
    U8,
    /// <summary>Unsigned 16-bit integer.</summary>
    U16,
    /// <summary>Unsigned 32-bit integer.</summary>
    U32,
    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
    /// <summary>One byte, 0 or 1.</summary>
    Bool,
    /// <summary>Blocks of 32: half scale, 4-bit values, offset 8.</summary>
    Q4_0,
    /// <summary>Blocks of 32: half scale and minimum, 4-bit values.</summary>
    Q4_1,
    /// <summary>Blocks of 32: half scale, 5-bit values, offset 16.</summary>
    Q5_0,
    /// <summary>Blocks of 32: half scale and minimum, 5-bit values.</summary>
    Q5_1,
    /// <summary>Blocks of 32: half scale, signed 8-bit values.</summary>
    Q8_0,
    /// <summary>Blocks of 256: 2-bit values with 4-bit scales and minima.</summary>
    Q2_K,
    /// <summary>Blocks of 256: 3-bit values with 6-bit scales.</summary>
    Q3_K,
    /// <summary>Blocks of 256: 4-bit values with 6-bit scales and minima.</summary>
    Q4_K,
    /// <summary>Blocks of 256: 5-bit values with 6-bit scales and minima.</summary>
    Q5_K,
    /// <summary>Blocks of 256: 6-bit values with 8-bit scales.</summary>
    Q6_K,
    /// <summary>Blocks of 32: half scale, 4-bit indices into a fixed table.</summary>
    IQ4_NL,
    /// <summary>Blocks of 256: 4-bit indices into a fixed table with 6-bit scales.</summary>
    IQ4_XS,
}

/// <summary>Sizes of the element types.</summary>
public static class DTypes
{
    /// <summary>Elements in one block: 1 for plain types, 32 or 256 for quantized ones.</summary>
    public static int BlockLength(this DType type) => type switch
    {
        DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1 or DType.Q8_0 or DType.IQ4_NL => 32,
        DType.Q2_K or DType.Q3_K or DType.Q4_K or DType.Q5_K or DType.Q6_K or DType.IQ4_XS => 256,
        _ => 1,
    };

    /// <summary>Bytes of one block (of one element for plain types).</summary>
    public static int BlockBytes(this DType type) => type switch
    {
        DType.F64 or DType.I64 or DType.U64 => 8,
        DType.F32 or DType.I32 or DType.U32 => 4,
        DType.F16 or DType.BF16 or DType.I16 or DType.U16 => 2,
        DType.Q4_0 or DType.IQ4_NL => 18,
        DType.Q4_1 => 20,
        DType.Q5_0 => 22,
        DType.Q5_1 => 24,
        DType.Q8_0 => 34,
        DType.Q2_K => 84,
        DType.Q3_K => 110,
        DType.Q4_K => 144,
        DType.Q5_K => 176,
        DType.Q6_K => 210,
        DType.IQ4_XS => 136,
        _ => 1,
    };

    /// <summary>True for block-quantized types.</summary>
    public static bool IsQuantized(this DType type) => type.BlockLength() > 1;

    /// <summary>Bytes of a tensor of this type; the last axis must be a whole number of blocks.</summary>
    /// <exception cref="ShapeMismatchException">The last axis is not a multiple of the block length.</exception>
    /// <exception cref="OverflowException">The size does not fit 64 bits.</exception>
    public static long ByteCount(this DType type, Shape shape)
    {
        int block = type.BlockLength();
        if (block == 1)
            return checked(shape.Count * type.BlockBytes());
        if (shape.Rank == 0 || shape[^1] % block != 0)
            throw new ShapeMismatchException(
                $"{type} packs {block} elements a block, but the last axis of {shape} is not a multiple of it.");
        return checked(shape.Count / block * type.BlockBytes());
    }
}
