using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Quantizing held to the goldens byte for byte, and its refusals.</summary>
public sealed class QuantizerTests
{
    private static readonly DType[] Blocks = [DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1, DType.Q8_0];

    private static IEnumerable<string> Formats => Golden.Cases("quant", "io.safetensors").Select(f => Path.GetFileName(f)!)
        .Where(f => Enum.TryParse(f, out DType type) && Blocks.Contains(type));

    [TestCaseSource(nameof(Formats))]
    public void Rows_become_the_expected_bytes(string format)
    {
        using SafetensorsFile io = BlockFormatTests.Open(format);
        HostTensor quantized = Quantizer.Quantize(Enum.Parse<DType>(format), io.Read("in.rows"));
        HostTensor expected = io.Read("out.bytes");
        int rowBytes = expected.Shape[^1];
        for (int row = 0; row < expected.Shape[0]; row++)
            Assert.That(Convert.ToHexString(quantized.Data.Span.Slice(row * rowBytes, rowBytes)),
                Is.EqualTo(Convert.ToHexString(expected.Data.Span.Slice(row * rowBytes, rowBytes))), $"row {row}");
    }

    [TestCaseSource(nameof(Blocks))]
    public void Float_subnormals_become_zeros(DType type)
    {
        using SafetensorsFile io = BlockFormatTests.Open("float-subnormal");
        float[] actual = Dequantizer.ToFloats(Quantizer.Quantize(type, io.Read("in.rows"))).Floats.ToArray();
        // Signed zeros count as equal here: which sign the formula gives depends on the type.
        Assert.That(actual, Is.EqualTo(io.Read("out.dequant").Floats.ToArray()));
    }

    [Test]
    public void Rows_without_a_finite_scale_are_refused_by_number([ValueSource(nameof(Blocks))] DType type)
    {
        using SafetensorsFile io = BlockFormatTests.Open("refuse-quantize");
        HostTensor rows = io.Read("in.rows");
        int width = rows.Shape[^1];
        for (int row = 0; row < rows.Shape[0]; row++)
        {
            float[] values = new float[3 * width];
            rows.Floats.Slice(row * width, width).CopyTo(values.AsSpan(width));
            QuantizationException e = Assert.Throws<QuantizationException>(
                () => Quantizer.Quantize(type, HostTensor.From(new Shape(3, width), values)))!;
            Assert.That(e.Row, Is.EqualTo(1));
            Assert.That(e.Message, Does.Contain("Row 1").And.Contain(type.ToString()));
        }
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    public void A_value_that_is_not_finite_is_refused(float value)
    {
        float[] values = new float[32];
        values[17] = value;
        foreach (DType type in Blocks)
            Assert.Throws<QuantizationException>(() => Quantizer.Quantize(type, HostTensor.From(new Shape(1, 32), values)));
    }

    [TestCase(65519.9f, true)]
    [TestCase(65520f, false)]
    public void The_largest_scale_is_the_largest_half(float scale, bool fits)
    {
        float[] values = new float[32];
        values[0] = -8 * scale;
        void Quantize() => Quantizer.Quantize(DType.Q4_0, HostTensor.From(new Shape(1, 32), values));
        if (fits)
            Assert.DoesNotThrow(Quantize);
        else
            Assert.Throws<QuantizationException>(Quantize);
    }

    [Test]
    public void A_minimum_that_is_not_a_finite_half_is_refused()
    {
        float[] values = [.. Enumerable.Repeat(-70000f, 32)];
        Assert.Throws<QuantizationException>(() => Quantizer.Quantize(DType.Q4_1, HostTensor.From(new Shape(32), values)));
    }

    [Test]
    public void Sixteen_bit_floats_round_as_expected()
    {
        using SafetensorsFile io = BlockFormatTests.Open("half");
        HostTensor values = io.Read("in.values");
        foreach ((DType type, string name) in new[] { (DType.F16, "out.f16_bytes"), (DType.BF16, "out.bf16_bytes") })
        {
            HostTensor expected = new(type, values.Shape, io.Read(name).Data);
            BlockFormatTests.AssertSameBits(Dequantizer.ToFloats(Quantizer.Quantize(type, values)).Floats, Dequantizer.ToFloats(expected).Floats, name);
        }
    }

    [Test]
    public void Codes_of_random_blocks_and_of_ties_are_those_of_plain_loops()
    {
        var random = new Random(3);
        float[] values = new float[32];
        for (int round = 0; round < 20_000; round++)
        {
            // With a largest value of 127 and of -8 the scale is 1, so halves between the codes are common.
            float top = round % 2 == 0 ? 127 : -8;
            for (int k = 0; k < values.Length; k++)
                values[k] = round % 4 < 2 ? random.Next((int)(-2 * MathF.Abs(top)), (int)(2 * MathF.Abs(top)) + 1) / 2f : (random.NextSingle() - 0.5f) * MathF.ScaleB(1, random.Next(-30, 10));
            values[random.Next(32)] = top;
            HostTensor block = HostTensor.From(new Shape(32), values);
            ReadOnlySpan<byte> q8 = Quantizer.Quantize(DType.Q8_0, block).Data.Span, q4 = Quantizer.Quantize(DType.Q4_0, block).Data.Span;
            float largest = values.Max(MathF.Abs), extreme = values.First(v => MathF.Abs(v) == largest);
            float q8Inverse = 1 / (largest / 127), q4Inverse = 1 / (extreme / -8);
            for (int k = 0; k < 32; k++)
            {
                Assert.That((sbyte)q8[2 + k], Is.EqualTo((sbyte)MathF.Round(values[k] * q8Inverse, MidpointRounding.AwayFromZero)), $"{values[k]:R} of {largest:R}");
                Assert.That(q4[2 + k % 16] >> (k < 16 ? 0 : 4) & 15, Is.EqualTo(Math.Min((int)(values[k] * q4Inverse + 8.5f), 15)), $"{values[k]:R} of {extreme:R}");
            }
        }
    }

    [Test]
    public void Every_sixteen_bit_float_widens_as_the_framework_has_it([Values(0, 1, 3, 7)] int skipped)
    {
        ushort[] codes = [.. Enumerable.Range(skipped, 65_536 - skipped).Select(i => (ushort)i)];
        float[] halves = new float[codes.Length], brains = new float[codes.Length];
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(codes.AsSpan());
        Dequantizer.ToFloats(DType.F16, bytes, halves);
        Dequantizer.ToFloats(DType.BF16, bytes, brains);
        BlockFormatTests.AssertSameBits(halves, Array.ConvertAll(codes, c => (float)BitConverter.UInt16BitsToHalf(c)), "F16");
        BlockFormatTests.AssertSameBits(brains, Array.ConvertAll(codes, c => BitConverter.UInt32BitsToSingle((uint)c << 16)), "BF16");
    }

    [Test]
    public void Wrong_types_and_widths_are_refused()
    {
        var floats = new HostTensor(DType.F32, new Shape(2, 33));
        Assert.Throws<ShapeMismatchException>(() => Quantizer.Quantize(DType.Q8_0, floats));
        Assert.Throws<ArgumentException>(() => Quantizer.Quantize(DType.Q4_K, floats));
        Assert.Throws<ArgumentException>(() => Quantizer.Quantize(DType.Q8_0, new HostTensor(DType.I32, new Shape(32))));
    }
}
