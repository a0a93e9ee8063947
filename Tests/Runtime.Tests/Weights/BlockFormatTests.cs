using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Block formats held to the quant goldens, to the bit.</summary>
public sealed class BlockFormatTests
{
    private static IEnumerable<string> Formats => Golden.Cases("quant", "io.safetensors").Select(f => Path.GetFileName(f)!)
        .Where(f => Enum.TryParse(f, out DType type) && type.IsQuantized());

    [TestCaseSource(nameof(Formats))]
    public void Blocks_read_exactly(string format)
    {
        using SafetensorsFile io = Open(format);
        if (io.Tensors.ContainsKey("in.blocks"))
            Check(io, format, "in.blocks", "out.dequant");
        if (io.Tensors.ContainsKey("out.bytes"))
            Check(io, format, "out.bytes", "out.dequant");
        if (io.Tensors.ContainsKey("in.random_blocks"))
            Check(io, format, "in.random_blocks", "out.random_dequant");
    }

    [TestCaseSource(nameof(Formats))]
    public void Rows_times_a_vector_agree(string format)
    {
        using SafetensorsFile io = Open(format);
        double tolerance = Golden.Json(Golden.At("quant", format, "case.json")).GetProperty("tolerance_matvec_relative").GetDouble();
        HostTensor x = io.Read("in.x");
        HostTensor expected = io.Read("out.matvec");
        HostTensor stored = io.Read(io.Tensors.ContainsKey("in.blocks") ? "in.blocks" : "out.bytes");
        HostTensor rows = Dequantizer.ToFloats(Typed(format, stored));
        int width = rows.Shape[^1];
        for (int row = 0; row < rows.Shape[0]; row++)
        {
            double sum = 0, size = 0;
            for (int i = 0; i < width; i++)
            {
                double product = (double)rows.Floats[row * width + i] * x.Floats[i % x.Floats.Length];
                sum += product;
                size += Math.Abs(product);
            }
            Assert.That(sum, Is.EqualTo((double)expected.Floats[row]).Within(tolerance * Math.Max(size, 1e-30)), $"row {row}");
        }
    }

    [Test]
    public void Sixteen_bit_codes_read_exactly()
    {
        using SafetensorsFile io = Open("half");
        byte[] codes = io.Read("in.codes").Data.ToArray();
        foreach ((DType type, string name) in new[] { (DType.F16, "out.f16_of_codes"), (DType.BF16, "out.bf16_of_codes") })
        {
            var values = new float[codes.Length / 2];
            Dequantizer.ToFloats(type, codes, values);
            AssertSameBits(values, io.Read(name).Floats, name);
        }
    }

    [Test]
    public void A_wrong_number_of_values_is_refused() =>
        Assert.Throws<ShapeMismatchException>(() => Dequantizer.ToFloats(DType.Q8_0, new byte[34], new float[31]));

    internal static SafetensorsFile Open(string name)
    {
        string path = Golden.At("quant", name, "io.safetensors");
        if (!File.Exists(path))
            Assert.Ignore($"The golden set holds no {name}.");
        return SafetensorsFile.Open(path);
    }

    /// <summary>Values equal to the bit, NaN by class.</summary>
    internal static void AssertSameBits(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, string what)
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), what);
        for (int i = 0; i < actual.Length; i++)
            if (!(float.IsNaN(actual[i]) && float.IsNaN(expected[i])) && BitConverter.SingleToUInt32Bits(actual[i]) != BitConverter.SingleToUInt32Bits(expected[i]))
                Assert.Fail($"{what}[{i}] is {actual[i]:R}, expected {expected[i]:R}");
    }

    private static void Check(SafetensorsFile io, string format, string blocks, string values)
    {
        HostTensor floats = Dequantizer.ToFloats(Typed(format, io.Read(blocks)));
        AssertSameBits(floats.Floats, io.Read(values).Floats, $"{format} {values}");
    }

    private static HostTensor Typed(string format, HostTensor bytes)
    {
        DType type = Enum.Parse<DType>(format);
        int rowBytes = bytes.Shape[^1];
        return new HostTensor(type, bytes.Shape.With(^1, rowBytes / type.BlockBytes() * type.BlockLength()), bytes.Data);
    }
}
