using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>What the writers write, the strict readers read back; what they may not write, they refuse; no file is left half-written.</summary>
public sealed class WriterTests
{
    private static readonly int[] Ranks = [0, 1, 2, 3, 4];

    [Test]
    public void Safetensors_come_back_as_written()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        Dictionary<string, HostTensor> tensors = SafetensorsHeader.Types.Values
            .SelectMany(type => Ranks.Select(rank => Random(random, type, rank)))
            .Select((tensor, i) => (Name: $"t\"{i}é\n🙂", tensor)).ToDictionary(t => t.Name, t => t.tensor);
        tensors["empty"] = new HostTensor(DType.F32, new Shape(0, 7));
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["ключ\""] = "値\0" };
        SafetensorsWriter.Write(folder.At("m.safetensors"), tensors, metadata);
        using SafetensorsFile file = SafetensorsFile.Open(folder.At("m.safetensors"));
        Assert.That(file.Metadata, Is.EquivalentTo(metadata));
        AssertSame(file, tensors);
        foreach (TensorInfo info in file.Tensors.Values)
            Assert.That(info.Offset % info.Type.BlockBytes(), Is.Zero, "data are aligned");
    }

    [TestCase(1u)]
    [TestCase(32u)]
    [TestCase(64u)]
    [TestCase(65536u)]
    public void Gguf_comes_back_as_written(uint alignment)
    {
        using var folder = new TemporaryFolder();
        var random = new Random(2);
        var writer = new GgufWriter(alignment);
        writer.Add("u8", (byte)200).Add("i8", (sbyte)-100).Add("u16", (ushort)65535).Add("i16", (short)-3).Add("u32", uint.MaxValue)
            .Add("i32", int.MinValue).Add("u64", ulong.MaxValue).Add("i64", long.MinValue).Add("f32", 1.5f).Add("f64", 0.1).Add("bool", true)
            .Add("text", "grüße 図 🙂\0").AddArray<string>("texts", ["", "ä", "b"]).AddArray<float>("floats", [0.5f, float.NaN])
            .AddArray<int>("ints", [-7, 9]).AddArray("uints", new uint[] { 1 }).AddArray("bytes", new byte[] { 1, 255 }).AddArray<bool>("bools", [true, false])
            .AddArray<double>("none", []).Add("value", GgufValue.Of(7u));
        var tensors = new Dictionary<string, HostTensor>();
        foreach (DType type in Enum.GetValues<DType>().Where(t => GgufTypes.TryGetNumber(t, out _)))
            foreach (int rank in Ranks.Where(r => r > 0 || !type.IsQuantized()))
                tensors[$"{type}.{rank}"] = Random(random, type, rank);
        tensors["empty"] = new HostTensor(DType.Q8_0, new Shape(0, 32));
        foreach ((string name, HostTensor tensor) in tensors)
            writer.AddTensor(name, tensor);
        writer.Write(folder.At("m.gguf"));

        using GgufFile file = GgufFile.Open(folder.At("m.gguf"));
        GgufMetadata m = file.Metadata;
        Assert.That(file.Alignment, Is.EqualTo(alignment));
        Assert.That((m.GetUInt32("u32"), m.GetInt32("i32"), m.GetUInt64("u64"), m.GetFloat("f32"), m.GetBool("bool"), m.GetUInt32("value")),
            Is.EqualTo((uint.MaxValue, int.MinValue, ulong.MaxValue, 1.5f, true, 7u)));
        Assert.That(new[] { m["u8"].Value, m["i8"].Value, m["u16"].Value, m["i16"].Value, m["i64"].Value, m["f64"].Value },
            Is.EqualTo(new object[] { (byte)200, (sbyte)-100, (ushort)65535, (short)-3, long.MinValue, 0.1 }));
        Assert.That(m.GetString("text"), Is.EqualTo("grüße 図 🙂\0"));
        Assert.That(m.GetStrings("texts"), Is.EqualTo(new[] { "", "ä", "b" }));
        Assert.That(m.GetFloats("floats"), Is.EqualTo(new[] { 0.5f, float.NaN }));
        Assert.That(m.GetInts("ints").Concat(m.GetInts("uints")).Concat(m.GetInts("bytes")), Is.EqualTo(new[] { -7, 9, 1, 1, 255 }));
        Assert.That(m["bools"].Value, Is.EqualTo(new[] { true, false }));
        Assert.That((m["none"].Count, m["none"].ElementType), Is.EqualTo((0, GgufValueType.Float64)));
        AssertSame(file, tensors);
    }

    [Test]
    public void Getters_name_the_key_at_fault()
    {
        using var stream = new MemoryStream();
        new GgufWriter().Add("n", 1u).Add("text", "x").AddArray("big", new uint[] { uint.MaxValue }).Write(stream);
        GgufMetadata m = GgufFile.Parse("mem", stream.ToArray()).Metadata;
        foreach (Action wrong in new Action[] { () => m.GetInt32("n"), () => m.GetUInt64("n"), () => m.GetFloat("n"), () => m.GetString("n"),
            () => m.GetStrings("n"), () => m.GetInts("n"), () => m.GetFloats("n"), () => m.TryGetBool("n", out _) })
            Assert.That(Assert.Throws<CheckpointException>(wrong)!.Message, Does.StartWith("mem: 'n': ").And.Contain("UInt32"));
        Assert.That(Assert.Throws<CheckpointException>(() => m.GetUInt32("gone"))!.Entry, Is.EqualTo("gone"));
        Assert.That(Assert.Throws<CheckpointException>(() => m.GetInts("gone"))!.Entry, Is.EqualTo("gone"));
        Assert.That(Assert.Throws<CheckpointException>(() => m.GetInts("big"))!.Entry, Is.EqualTo("big"));
        Assert.That(m.TryGetString("gone", out _) || m.TryGetStrings("gone", out _) || m.TryGetFloats("gone", out _) || m.TryGetUInt64("gone", out _), Is.False);
        Assert.That(m.TryGetString("text", out string? text) ? text : "", Is.EqualTo("x"));
        Assert.That(m["text"].ToString(), Is.EqualTo("\"x\""));
        Assert.That(m["big"].ToString(), Is.EqualTo("[4294967295]"));
    }

    [Test]
    public void What_a_reader_would_refuse_is_not_written()
    {
        var one = new HostTensor(DType.F32, new Shape(1));
        var writer = new GgufWriter().Add("k", 1u).AddTensor("t", one).AddTensor(new string('n', 64), one).Add(new string('k', 65_535), 1u);
        foreach (Action wrong in new Action[] { () => writer.Add("k", 2u), () => writer.Add("", 2u), () => writer.Add("a\0", 2u),
            () => writer.Add(new string('k', 65_536), 2u), () => writer.Add("general.alignment", 32u), () => writer.Add("c", 'x'), () => writer.Add("s", "\ud800"),
            () => writer.AddTensor("t", one), () => writer.AddTensor(new string('n', 65), one), () => writer.AddTensor("u", new HostTensor(DType.U8, new Shape(1))),
            () => writer.AddTensor("r", new HostTensor(DType.F32, new Shape(1, 1, 1, 1, 1))), () => _ = new GgufWriter(3), () => _ = new GgufWriter(0), () => _ = new GgufWriter(131072),
            () => Save("__metadata__", one), () => Save("\ud800", one), () => Save("q", new HostTensor(DType.Q8_0, new Shape(32))),
            () => Save("r", new HostTensor(DType.F32, new Shape(1, 1, 1, 1, 1, 1, 1, 1, 1))) })
            Assert.That(() => wrong(), Throws.InstanceOf<ArgumentException>());
        using var stream = new MemoryStream();
        writer.Write(stream);
        Assert.That(GgufFile.Parse("mem", stream.ToArray()).Tensors, Has.Count.EqualTo(2));

        static void Save(string name, HostTensor tensor) =>
            SafetensorsWriter.Write(Path.Combine(Path.GetTempPath(), "never-written.safetensors"), [new(name, tensor)]);
    }

    [Test]
    public void A_failed_write_leaves_nothing_and_keeps_the_old_file()
    {
        using var folder = new TemporaryFolder();
        string path = folder.At("m.gguf");
        var writer = new GgufWriter().AddTensor("t", new HostTensor(DType.F32, new Shape(4)));
        writer.Write(path);
        byte[] old = File.ReadAllBytes(path);
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Write(folder.At("gone/a"), _ => { }));
        Assert.That(() => AtomicFile.Write("", _ => { }), Throws.ArgumentException);
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(old));
        Assert.That(Directory.GetFiles(folder.At("")), Is.EqualTo(new[] { path }));
        Assert.That(Assert.Throws<CheckpointException>(() => writer.Write(folder.At("gone/m.gguf")))!.File, Does.EndWith("m.gguf"));
    }

    private static void AssertSame(IWeightSource file, Dictionary<string, HostTensor> tensors)
    {
        Assert.That(file.Tensors.Keys, Is.EquivalentTo(tensors.Keys));
        foreach ((string name, HostTensor tensor) in tensors)
        {
            HostTensor read = file.Read(name);
            Assert.That((read.Type, read.Shape), Is.EqualTo((tensor.Type, tensor.Shape)), name);
            Assert.That(read.Data.Span.SequenceEqual(tensor.Data.Span), name);
        }
    }

    private static HostTensor Random(Random random, DType type, int rank)
    {
        int[] axes = [.. Enumerable.Range(0, rank).Select(_ => random.Next(1, 4))];
        if (type.IsQuantized())
            axes[^1] *= type.BlockLength();
        var tensor = new HostTensor(type, new Shape(axes));
        random.NextBytes(tensor.Data.Span);
        if (type == DType.Bool)
            foreach (ref byte b in tensor.Data.Span)
                b &= 1;
        return tensor;
    }
}
