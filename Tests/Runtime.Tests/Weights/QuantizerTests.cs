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
    public void Wrong_types_and_widths_are_refused()
    {
        var floats = new HostTensor(DType.F32, new Shape(2, 33));
        Assert.Throws<ShapeMismatchException>(() => Quantizer.Quantize(DType.Q8_0, floats));
        Assert.Throws<ArgumentException>(() => Quantizer.Quantize(DType.Q4_K, floats));
        Assert.Throws<ArgumentException>(() => Quantizer.Quantize(DType.Q8_0, new HostTensor(DType.I32, new Shape(32))));
    }
}
