using System.Text;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>
/// Sound files put together here, byte by byte, from the sheet: both versions, every alignment, keys in any order, every value
/// and element type, empty arrays and tensors, with and without the last padding.
/// </summary>
public sealed class GgufRandomTests
{
    private const int Arrays = 9;

    private static readonly DType[] Types = [.. Enum.GetValues<DType>().Where(t => GgufTypes.TryGetNumber(t, out _))];

    [Test]
    public void Random_sound_files_read_as_written([Range(0, 9)] int block)
    {
        for (int seed = 50 * block; seed < 50 * (block + 1); seed++)
            Check(new Random(seed), $"file {seed}");
    }

    private static void Check(Random random, string name)
    {
        uint alignment = random.Next(3) == 0 ? 32 : 1u << random.Next(17);
        var keys = Enumerable.Range(0, random.Next(12)).Select(i => (Key: $"k{i}.{new string('x', random.Next(40))}\u00E9", Value: Value(random))).ToList();
        if (alignment != 32)
            keys.Insert(random.Next(keys.Count + 1), (GgufTypes.AlignmentKey, Bytes(w => w.Write(4), w => w.Write(alignment))));
        (string Name, HostTensor Tensor)[] tensors = [.. Enumerable.Range(0, random.Next(8)).Select(i => ($"t{i}.weight", Tensor(random)))];

        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(random.Next(2, 4));
        writer.Write((ulong)tensors.Length);
        writer.Write((ulong)keys.Count);
        foreach ((string key, byte[] value) in keys)
        {
            writer.Write(Text(key));
            writer.Write(value);
        }
        long offset = 0;
        foreach ((string tensor, HostTensor t) in tensors)
        {
            writer.Write(Text(tensor));
            writer.Write(t.Shape.Rank);
            foreach (int axis in t.Shape.Axes.ToArray().Reverse())
                writer.Write((ulong)axis);
            writer.Write(GgufTypes.TryGetNumber(t.Type, out uint number) ? number : uint.MaxValue);
            writer.Write((ulong)offset);
            offset = (offset + t.Data.Length + alignment - 1) / alignment * alignment;
        }
        writer.Flush();
        foreach ((_, HostTensor t) in tensors)
        {
            stream.SetLength(stream.Position = (stream.Length + alignment - 1) / alignment * alignment);
            stream.Write(t.Data.Span);
        }
        if (random.Next(2) == 0)
            stream.SetLength((stream.Length + alignment - 1) / alignment * alignment);

        using GgufFile file = GgufFile.Parse(name, stream.ToArray());
        Assert.That(file.Alignment, Is.EqualTo(alignment), name);
        Assert.That(file.Metadata.Entries.Keys, Is.EqualTo(keys.Select(k => k.Key)), name);
        foreach ((string key, byte[] value) in keys)
            Assert.That(Written(file.Metadata[key]), Is.EqualTo(value), $"{name}, {key}");
        Assert.That(file.Tensors.Keys, Is.EqualTo(tensors.Select(t => t.Name)), name);
        foreach ((string tensor, HostTensor t) in tensors)
        {
            HostTensor read = file.Read(tensor);
            Assert.That((read.Type, read.Shape), Is.EqualTo((t.Type, t.Shape)), $"{name}, {tensor}");
            Assert.That(read.Data.Span.SequenceEqual(t.Data.Span), $"{name}, {tensor}");
        }
    }

    private static HostTensor Tensor(Random random)
    {
        DType type = Types[random.Next(Types.Length)];
        int[] shape = [.. Enumerable.Range(0, random.Next(type.IsQuantized() ? 1 : 0, 5)).Select(_ => random.Next(8) == 0 ? 0 : random.Next(1, 5))];
        if (type.IsQuantized())
            shape[^1] *= type.BlockLength();
        var tensor = new HostTensor(type, new Shape(shape));
        random.NextBytes(tensor.Data.Span);
        return tensor;
    }

    // Type and value as a file holds them.
    private static byte[] Value(Random random)
    {
        int type = random.Next(13), item;
        if (type != Arrays)
            return Bytes(w => w.Write(type), w => w.Write(Scalar(random, type)));
        do
            item = random.Next(13);
        while (item == Arrays);
        int count = random.Next(4) == 0 ? 0 : random.Next(20);
        return Bytes(w => w.Write(Arrays), w => w.Write(item), w => w.Write((ulong)count), w =>
        {
            for (int i = 0; i < count; i++)
                w.Write(Scalar(random, item));
        });
    }

    private static byte[] Scalar(Random random, int type)
    {
        if (type == 8)
            return Text(new string('\u00FC', random.Next(6)) + (random.Next(4) == 0 ? "\0" : ""));
        byte[] raw = new byte[type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 4 or 5 or 6 => 4, _ => 8 }];
        random.NextBytes(raw);
        if (type == 7)
            raw[0] &= 1;
        return raw;
    }

    private static byte[] Written(GgufValue value)
    {
        var one = new GgufWriter().Add("k", value);
        using var stream = new MemoryStream();
        one.Write(stream);
        int start = 4 + 4 + 8 + 8 + 8 + 1;
        // The writer pads behind the only value.
        byte[] file = stream.ToArray();
        GgufFile read = GgufFile.Parse("again", file);
        Assert.That(read.Metadata["k"].ToString(), Is.EqualTo(value.ToString()));
        int length = value.Type == GgufValueType.Array ? 16 + Size(value.Items) : 4 + Size(value.Items);
        return file.AsSpan(start, length).ToArray();
    }

    private static int Size(System.Collections.IEnumerable items) => items.Cast<object>()
        .Sum(i => i is string text ? 8 + Encoding.UTF8.GetByteCount(text) : i is bool ? 1 : System.Runtime.InteropServices.Marshal.SizeOf(i));

    private static byte[] Text(string text) => Bytes(w => w.Write((ulong)Encoding.UTF8.GetByteCount(text)), w => w.Write(Encoding.UTF8.GetBytes(text)));

    private static byte[] Bytes(params Action<BinaryWriter>[] parts)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        foreach (Action<BinaryWriter> part in parts)
            part(writer);
        writer.Flush();
        return stream.ToArray();
    }
}
