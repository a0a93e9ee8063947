using System.Text;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Sharded checkpoints: goldens, links that leave the folder, folders.</summary>
public sealed class ShardedSafetensorsTests
{
    private static IEnumerable<string> Cases => Golden.Cases("quant/malformed/index").Select(f => Path.GetFileName(f)!);

    [TestCaseSource(nameof(Cases))]
    public void An_index_is_held_to_its_verdict(string name)
    {
        string folder = Golden.At("quant", "malformed", "index", name);
        string index = Path.Combine(folder, "model.safetensors.index.json");
        if (Golden.Json(Path.Combine(folder, "case.json")).GetProperty("expect").GetString() == "accept")
        {
            using ShardedSafetensors sound = ShardedSafetensors.Open(index);
            using ShardedSafetensors same = ShardedSafetensors.Open(folder);
            foreach (string tensor in sound.Tensors.Keys)
                Assert.That(sound.Read(tensor).Data.ToArray(), Is.EqualTo(same.Read(tensor).Data.ToArray()));
            return;
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException e = Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(index).Dispose())!;
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(e.File, Does.StartWith(folder));
        Assert.That(e.Message, Does.EndWith(".").And.Not.Contain("\0"));
    }

    [TestCase("{\"weight_map\":{\"a\":\"m.safetensors\"},\"extra\":1}")]
    [TestCase("{\"weight_map\":{},\"weight_map\":{}}")]
    [TestCase("{\"metadata\":{\"x\":{\"y\":1,\"y\":2}},\"weight_map\":{\"a\":\"m.safetensors\"}}")]
    [TestCase("{\"metadata\":{\"total_size\":-1},\"weight_map\":{\"a\":\"m.safetensors\"}}")]
    [TestCase("{\"metadata\":{\"total_size\":8.0},\"weight_map\":{\"a\":\"m.safetensors\"}}")]
    [TestCase("{\"weight_map\":{\"a\":\".safetensors\"}}")]
    [TestCase("{\"weight_map\":{\"a\":\"..safetensors\"}}")]
    [TestCase("{\"weight_map\":{\"a\":\"m.safetensors/\"}}")]
    [TestCase("{\"weight_map\":{\"a\":\"m.safetensors\"}} {}")]
    [TestCase("{\"weight_map\":{\"\\ud800\":\"m.safetensors\"}}")]
    [TestCase("[]")]
    [TestCase("")]
    public void A_broken_index_is_refused(string json) =>
        Assert.Throws<CheckpointException>(() => SafetensorsIndex.Parse("index", Encoding.UTF8.GetBytes(json)));

    [Test]
    public void The_number_of_shards_is_bounded()
    {
        static byte[] Index(int shards) => Encoding.UTF8.GetBytes(
            $"{{\"weight_map\":{{{string.Join(',', Enumerable.Range(0, shards).Select(i => $"\"t{i}\":\"m{i}.safetensors\""))}}}}}");
        Assert.That(SafetensorsIndex.Parse("index", Index(SafetensorsIndex.MaxShards)).ShardNames, Has.Count.EqualTo(SafetensorsIndex.MaxShards));
        Assert.Throws<CheckpointException>(() => SafetensorsIndex.Parse("index", Index(SafetensorsIndex.MaxShards + 1)));
    }

    [Test]
    public void A_link_may_not_leave_the_folder()
    {
        using var outer = new TemporaryFolder();
        string folder = Directory.CreateDirectory(outer.At("model")).FullName;
        var tensor = new Dictionary<string, HostTensor> { ["a"] = HostTensor.From(new Shape(2), [1f, 2f]) };
        SafetensorsWriter.Write(outer.At("outside.safetensors"), tensor);
        SafetensorsWriter.Write(Path.Combine(folder, "inside.safetensors"), tensor);
        string index = Path.Combine(folder, "model.safetensors.index.json");
        File.WriteAllText(index, "{\"weight_map\":{\"a\":\"m.safetensors\"}}");
        string link = Path.Combine(folder, "m.safetensors");

        File.CreateSymbolicLink(link, "inside.safetensors");
        using (ShardedSafetensors inside = ShardedSafetensors.Open(index))
            Assert.That(inside.ShardOf("a"), Is.EqualTo("m.safetensors"));
        File.Delete(link);
        File.CreateSymbolicLink(link, "../outside.safetensors");
        Assert.That(Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(index).Dispose())!.Message, Does.Contain("link"));
        File.Delete(link);
        File.CreateSymbolicLink(link, "m.safetensors");
        Assert.Throws<CheckpointException>(() => ShardedSafetensors.Open(index).Dispose());
    }

    [Test]
    public void Any_kind_of_checkpoint_opens_by_its_path()
    {
        using var folder = new TemporaryFolder();
        var tensor = new Dictionary<string, HostTensor> { ["a"] = HostTensor.From(new Shape(2), [1f, 2f]) };
        Assert.Throws<CheckpointException>(() => WeightSource.Open(folder.At("")));
        Assert.Throws<CheckpointException>(() => WeightSource.Open(folder.At("none.gguf")));
        File.WriteAllText(folder.At("notes.txt"), "text");
        Assert.Throws<CheckpointException>(() => WeightSource.Open(folder.At("notes.txt")));
        new GgufWriter().AddTensor("a", tensor["a"]).Write(folder.At("m.gguf"));
        Check(folder.At(""), typeof(GgufFile));
        SafetensorsWriter.Write(folder.At("m.safetensors"), tensor);
        Check(folder.At("m.gguf"), typeof(GgufFile));
        Check(folder.At("m.safetensors"), typeof(SafetensorsFile));
        Check(folder.At(""), typeof(ShardedSafetensors));
        File.WriteAllText(folder.At("model.safetensors.index.json"), "{\"weight_map\":{\"a\":\"m.safetensors\"}}");
        Check(folder.At("model.safetensors.index.json"), typeof(ShardedSafetensors));

        static void Check(string path, Type type)
        {
            using IWeightSource source = WeightSource.Open(path);
            Assert.That(source, Is.TypeOf(type));
            Assert.That(source.Read("a").Floats.ToArray(), Is.EqualTo(new[] { 1f, 2f }));
            Assert.That(Assert.Throws<CheckpointException>(() => source.Read("b"))!.Entry, Is.EqualTo("b"));
        }
    }
}
