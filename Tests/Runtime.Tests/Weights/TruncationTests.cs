using System.Text;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Cut, grown and exchanged files are refused before any tensor is used; files that change while open are noticed.</summary>
public sealed class TruncationTests
{
    private static IEnumerable<string> Safetensors => WeightGoldens.Files("valid/safetensors", "*.safetensors");

    private static IEnumerable<string> Gguf => WeightGoldens.Files("valid/gguf", "*.gguf");

    [TestCaseSource(nameof(Safetensors))]
    public void Every_prefix_of_a_safetensors_file_is_refused(string name)
    {
        byte[] bytes = File.ReadAllBytes(Golden.At("quant", name));
        for (int length = 0; length < bytes.Length; length++)
            AssertRefused(() => SafetensorsFile.Parse("cut", bytes.AsMemory(0, length)), length);
        AssertRefused(() => SafetensorsFile.Parse("grown", (byte[])[.. bytes, 0]), bytes.Length + 1);
    }

    [TestCaseSource(nameof(Gguf))]
    public void Every_prefix_of_a_gguf_file_is_refused(string name)
    {
        byte[] bytes = File.ReadAllBytes(Golden.At("quant", name));
        GgufFile whole = GgufFile.Parse("whole", bytes);
        // Where data end, a file without its last padding is whole; so is one with some more zeros.
        long end = whole.Tensors.Count == 0 ? HeaderEnd(whole) : whole.Tensors.Values.Max(t => t.Offset + t.ByteCount);
        long padded = (end + whole.Alignment - 1) / whole.Alignment * whole.Alignment;
        for (int length = 0; length < bytes.Length; length++)
            if (length < padded && length != end)
                AssertRefused(() => GgufFile.Parse("cut", bytes.AsMemory(0, length)), length);
        AssertRefused(() => GgufFile.Parse("grown", (byte[])[.. bytes, 1]), bytes.Length + 1);
        Assert.DoesNotThrow(() => GgufFile.Parse("zeros", (byte[])[.. bytes, 0]));
    }

    [Test]
    public void Cut_or_exchanged_shards_are_refused()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder.At("m-1.safetensors"), [new("a", new HostTensor(DType.F32, new Shape(64)))]);
        SafetensorsWriter.Write(folder.At("m-2.safetensors"), [new("b", new HostTensor(DType.F32, new Shape(64)))]);
        string index = folder.At("model.safetensors.index.json");
        File.WriteAllText(index, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
        byte[] bytes = File.ReadAllBytes(folder.At("m-2.safetensors"));
        for (int length = 0; length < bytes.Length; length += 7)
        {
            File.WriteAllBytes(folder.At("m-2.safetensors"), bytes[..length]);
            Assert.That(Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(index).Dispose())!.Message, Does.Contain("m-2.safetensors"));
        }
        File.Copy(folder.At("m-1.safetensors"), folder.At("m-2.safetensors"), overwrite: true);
        Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(index).Dispose());
    }

    [TestCase(".safetensors", -1)]
    [TestCase(".safetensors", 1)]
    [TestCase(".gguf", -1)]
    [TestCase(".gguf", 1)]
    public void A_file_that_changes_while_open_is_noticed(string extension, int change)
    {
        using var folder = new TemporaryFolder();
        string path = folder.At("m" + extension);
        var tensor = new HostTensor(DType.F32, new Shape(1024));
        if (extension == ".gguf")
            new GgufWriter().AddTensor("a", tensor).Write(path);
        else
            SafetensorsWriter.Write(path, [new("a", tensor)]);
        using IWeightSource source = WeightSource.Open(path);
        Assert.That(source.Read("a").Data.Length, Is.EqualTo(4096));
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.SetLength(stream.Length + change);
        CheckpointException e = Assert.Throws<CheckpointException>(() => source.Read("a"))!;
        Assert.That(e.Message, Does.StartWith(path).And.Contain("when it was opened"));
    }

    [Test]
    public void A_missing_file_or_a_folder_is_named()
    {
        using var folder = new TemporaryFolder();
        foreach (string path in new[] { folder.At("none.gguf"), folder.At("none/m.gguf"), folder.At("") })
        {
            CheckpointException e = Assert.Throws<CheckpointException>(() => GgufFile.Open(path).Dispose())!;
            Assert.That(e.File, Is.EqualTo(path));
            Assert.That(e.Message, Does.Contain(path == folder.At("") ? "is a folder" : "no such file"));
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path).Dispose());
        }
        Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(folder.At("none.safetensors.index.json")).Dispose());
    }

    [Test]
    public void A_closed_file_says_so()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder.At("m.safetensors"), [new("a", new HostTensor(DType.F32, new Shape(1)))]);
        SafetensorsFile file = SafetensorsFile.Open(folder.At("m.safetensors"));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Read("a"));
    }

    [Test]
    public void A_tensor_beyond_two_gibibytes_is_found_by_position()
    {
        // A sparse file: only its header and last bytes take room on the disk.
        using var folder = new TemporaryFolder();
        string path = folder.At("large.safetensors");
        const long Large = 5L << 30;
        byte[] header = Encoding.UTF8.GetBytes($"{{\"large\":{{\"dtype\":\"U8\",\"shape\":[{1 << 20},{Large >> 20}],\"data_offsets\":[0,{Large}]}},\"small\":{{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[{Large},{Large + 3}]}}}}");
        using (FileStream stream = File.Create(path))
        {
            stream.Write(BitConverter.GetBytes((ulong)header.Length));
            stream.Write(header);
            stream.Position += Large;
            stream.Write([7, 8, 9]);
        }
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Read("small").Data.ToArray(), Is.EqualTo(new byte[] { 7, 8, 9 }));
        Assert.That(Assert.Throws<CheckpointException>(() => file.Read("large"))!.Entry, Is.EqualTo("large"));
    }

    /// <summary>Bytes of the header, before its padding, of a file that holds scalars and arrays of plain numbers and texts.</summary>
    private static long HeaderEnd(GgufFile file)
    {
        long end = 4 + 4 + 8 + 8;
        foreach ((string key, GgufValue value) in file.Metadata.Entries)
        {
            end += 8 + Encoding.UTF8.GetByteCount(key) + 4 + (value.ElementType is null ? 0 : 12);
            foreach (object item in value.Items)
                end += item is string text ? 8 + Encoding.UTF8.GetByteCount(text) : GgufTypes.SmallestBytes(value.ElementType ?? value.Type);
        }
        return end;
    }

    private static void AssertRefused(Action open, int length)
    {
        try
        {
            open();
        }
        catch (CheckpointException)
        {
            return;
        }
        Assert.Fail($"{length} bytes were accepted");
    }
}
