using System.Buffers.Binary;
using System.Text;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Each built-in limit holds at the limit and one beyond it, and the densest files stay inside the memory promise.</summary>
public sealed class LimitTests
{
    [TestCase(64, true)]
    [TestCase(65, false)]
    public void Gguf_tensor_name_bytes(int bytes, bool fits) =>
        Check(Gguf(1, 0, w => Tensor(w, new string('n', bytes), [1], 0), dataBytes: 4), fits);

    [TestCase(65_535, true)]
    [TestCase(65_536, false)]
    public void Gguf_key_bytes(int bytes, bool fits) => Check(Gguf(0, 1, w => Key(w, new string('k', bytes))), fits);

    [TestCase(4, true)]
    [TestCase(5, false)]
    public void Gguf_axes(int rank, bool fits) =>
        Check(Gguf(1, 0, w => Tensor(w, "t", [.. Enumerable.Repeat(1UL, rank)], 0), dataBytes: 4), fits);

    [TestCase(2147483647UL, true)]
    [TestCase(2147483648UL, false)]
    public void Gguf_axis_length(ulong axis, bool fits) => Check(Gguf(1, 0, w => Tensor(w, "t", [axis, 0], 0), dataBytes: 1), fits);

    [TestCase(65_536, true)]
    [TestCase(65_537, false)]
    public void Gguf_tensors(int count, bool fits) => Check(Gguf(count, 0, w =>
    {
        for (int i = 0; i < count; i++)
            Tensor(w, $"{i}", [0], 0);
    }, dataBytes: 1), fits);

    [TestCase(65_536, true)]
    [TestCase(65_537, false)]
    public void Gguf_keys(int count, bool fits) => Check(Gguf(0, count, w =>
    {
        for (int i = 0; i < count; i++)
            Key(w, $"{i}");
    }), fits);

    [TestCase(16 << 20, true)]
    [TestCase((16 << 20) + 1, false)]
    public void Gguf_string_bytes(int bytes, bool fits) => Check(Gguf(0, 1, w =>
    {
        Text(w, "k");
        w.Write((uint)GgufValueType.String);
        w.Write((ulong)bytes);
        w.Write(new byte[bytes]);
    }), fits);

    [TestCase(16 << 20, true)]
    [TestCase((16 << 20) + 1, false)]
    public void Gguf_array_items(int items, bool fits) => Check(Gguf(0, 1, w =>
    {
        Text(w, "k");
        w.Write((uint)GgufValueType.Array);
        w.Write((uint)GgufValueType.UInt8);
        w.Write((ulong)items);
        w.Write(new byte[items]);
    }), fits);

    [TestCase(1u, true)]
    [TestCase(65_536u, true)]
    [TestCase(131_072u, false)]
    [TestCase(48u, false)]
    public void Gguf_alignment(uint alignment, bool fits) => Check(Gguf(0, 1, w =>
    {
        Text(w, GgufTypes.AlignmentKey);
        w.Write((uint)GgufValueType.UInt32);
        w.Write(alignment);
    }), fits);

    [TestCase(65_536, true)]
    [TestCase(65_537, false)]
    public void Gguf_zeros_after_the_last_tensor(int bytes, bool fits)
    {
        var header = new GgufWriter().AddTensor("t", new HostTensor(DType.F32, new Shape(8)));
        using var stream = new MemoryStream();
        header.Write(stream);
        stream.Write(new byte[bytes]);
        Check(stream.ToArray(), fits);
    }

    [TestCase(8, true)]
    [TestCase(9, false)]
    public void Safetensors_axes(int rank, bool fits) => CheckSafetensors(
        $"{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{string.Join(',', Enumerable.Repeat(1, rank))}],\"data_offsets\":[0,1]}}}}", 1, fits);

    [TestCase(65_536, true)]
    [TestCase(65_537, false)]
    public void Safetensors_metadata_entries(int count, bool fits) => CheckSafetensors(
        $"{{\"__metadata__\":{{{string.Join(',', Enumerable.Range(0, count).Select(i => $"\"{i}\":\"\""))}}}}}", 0, fits);

    [TestCase(100_000_000UL)]
    [TestCase(100_000_001UL)]
    public void Safetensors_header_bytes(ulong announced)
    {
        byte[] bytes = new byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, announced);
        string message = Assert.Throws<CheckpointException>(() => SafetensorsFile.Parse("mem", bytes))!.Message;
        Assert.That(message, announced == SafetensorsFile.MaxHeaderBytes ? Does.Contain("56 follow") : Does.Contain("at most 100000000"));
    }

    [TestCase(32, true)]
    [TestCase(33, false)]
    public void Index_depth(int depth, bool fits)
    {
        // Two levels are the objects around the value.
        byte[] json = Encoding.UTF8.GetBytes(
            $"{{\"metadata\":{{\"x\":{new string('[', depth - 2)}{new string(']', depth - 2)}}},\"weight_map\":{{\"a\":\"m.safetensors\"}}}}");
        if (fits)
            Assert.That(SafetensorsIndex.Parse("mem", json).ShardNames, Has.Count.EqualTo(1));
        else
            Assert.Throws<CheckpointException>(() => SafetensorsIndex.Parse("mem", json));
    }

    [Test]
    public void A_header_of_many_small_tensors_stays_inside_the_memory_promise()
    {
        // Short names and shapes are the densest way to ask for objects; the first megabyte is for tables and rounding.
        string entries = string.Join(',', Enumerable.Range(0, 50_000).Select(i => $"\"{i:x}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"));
        byte[] file = Safetensors($"{{{entries}}}", 0);
        AssertCheap(file.Length, () => SafetensorsFile.Parse("mem", file));
    }

    [Test]
    public void A_header_of_empty_entries_stays_inside_the_memory_promise()
    {
        byte[] file = Safetensors($"{{{string.Join(',', Enumerable.Repeat("\"\":{}", 200_000))}}}", 0);
        AssertCheap(file.Length, () => Assert.Throws<CheckpointException>(() => SafetensorsFile.Parse("mem", file)));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    public void Many_short_strings_stay_inside_the_memory_promise(int length)
    {
        const int Count = 300_000;
        byte[] file = Gguf(0, 1, w =>
        {
            Text(w, "k");
            w.Write((uint)GgufValueType.Array);
            w.Write((uint)GgufValueType.String);
            w.Write((ulong)Count);
            for (int i = 0; i < Count; i++)
                Text(w, new string('x', length));
        });
        AssertCheap(file.Length, () => GgufFile.Parse("mem", file));
    }

    [Test]
    public void A_long_index_stays_inside_the_memory_promise()
    {
        string entries = string.Join(',', Enumerable.Range(0, 50_000).Select(i => $"\"{i:x}\":\"m.safetensors\""));
        byte[] json = Encoding.UTF8.GetBytes($"{{\"weight_map\":{{{entries}}}}}");
        AssertCheap(json.Length, () => SafetensorsIndex.Parse("mem", json));
    }

    private static void AssertCheap(long inputBytes, Action parse)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        parse();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 * inputBytes + (1 << 20)), $"for {inputBytes} bytes");
    }

    private static void Check(byte[] file, bool fits)
    {
        if (fits)
            Assert.DoesNotThrow(() => GgufFile.Parse("mem", file));
        else
            Assert.That(Assert.Throws<CheckpointException>(() => GgufFile.Parse("mem", file))!.Message, Does.StartWith("mem: "));
    }

    private static void CheckSafetensors(string header, int dataBytes, bool fits)
    {
        byte[] file = Safetensors(header, dataBytes);
        if (fits)
            Assert.DoesNotThrow(() => SafetensorsFile.Parse("mem", file));
        else
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Parse("mem", file));
    }

    private static byte[] Safetensors(string header, int dataBytes)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((ulong)utf8.Length), .. utf8, .. new byte[dataBytes]];
    }

    private static byte[] Gguf(int tensors, int keys, Action<BinaryWriter> body, int dataBytes = 0)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors);
        writer.Write((ulong)keys);
        body(writer);
        writer.Flush();
        if (tensors > 0)
            stream.Write(new byte[(32 - stream.Length % 32) % 32 + (dataBytes + 31) / 32 * 32]);
        return stream.ToArray();
    }

    private static void Key(BinaryWriter writer, string key)
    {
        Text(writer, key);
        writer.Write((uint)GgufValueType.UInt8);
        writer.Write((byte)1);
    }

    private static void Tensor(BinaryWriter writer, string name, ulong[] axes, ulong offset)
    {
        Text(writer, name);
        writer.Write((uint)axes.Length);
        foreach (ulong axis in axes)
            writer.Write(axis);
        writer.Write(0u);
        writer.Write(offset);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)utf8.Length);
        writer.Write(utf8);
    }
}
