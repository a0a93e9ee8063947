using System.Text;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Sharded checkpoints: goldens, links, folders.</summary>
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
    public void The_links_of_a_download_cache_are_followed()
    {
        using var cache = new TemporaryFolder();
        Directory.CreateDirectory(cache.At("blobs"));
        string snapshot = Directory.CreateDirectory(cache.At(Path.Combine("snapshots", "5f3a"))).FullName;
        var a = new Dictionary<string, HostTensor> { ["a"] = HostTensor.From(new Shape(2), [1f, 2f]) };
        SafetensorsWriter.Write(cache.At(Path.Combine("blobs", "c0ffee")), a);
        File.WriteAllText(cache.At(Path.Combine("blobs", "1dea")), "{\"weight_map\":{\"a\":\"m.safetensors\"}}");
        string shard = Path.Combine(snapshot, "m.safetensors");
        File.CreateSymbolicLink(shard, Path.Combine("..", "..", "blobs", "c0ffee"));
        Check();
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.safetensors.index.json"), Path.Combine("..", "..", "blobs", "1dea"));
        Check();
        foreach (string target in new[] { "gone", shard })
        {
            File.Delete(shard);
            File.CreateSymbolicLink(shard, target);
            Assert.That(() => ShardedSafetensors.Open(snapshot).Dispose(), Throws.TypeOf<CheckpointException>().With.Message.Contains(shard));
        }

        void Check()
        {
            using ShardedSafetensors file = ShardedSafetensors.Open(snapshot);
            Assert.That(file.Read("a").Floats.ToArray(), Is.EqualTo(new[] { 1f, 2f }));
            Assert.That(file.ShardOf("a"), Is.EqualTo("m.safetensors"));
        }
    }

    [TestCase("../outside.safetensors")]
    [TestCase("sub/m.safetensors")]
    [TestCase("..\\\\outside.safetensors")]
    [TestCase("/outside.safetensors")]
    [TestCase("C:outside.safetensors")]
    [TestCase("..")]
    public void The_names_of_an_index_may_not_leave_the_folder(string name)
    {
        using var outer = new TemporaryFolder();
        string folder = Directory.CreateDirectory(outer.At("model")).FullName;
        Directory.CreateDirectory(Path.Combine(folder, "sub"));
        var a = new Dictionary<string, HostTensor> { ["a"] = HostTensor.From(new Shape(2), [1f, 2f]) };
        SafetensorsWriter.Write(outer.At("outside.safetensors"), a);
        SafetensorsWriter.Write(Path.Combine(folder, "sub", "m.safetensors"), a);
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), $"{{\"weight_map\":{{\"a\":\"{name}\"}}}}");
        Assert.That(() => ShardedSafetensors.Open(folder).Dispose(), Throws.TypeOf<CheckpointException>().With.Message.Contains("plain file name"));
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
        // PyTorch's files are refused with what to do instead, whether the folder or they are named.
        File.WriteAllText(folder.At("pytorch_model.bin.index.json"), "{}");
        File.WriteAllText(folder.At("pytorch_model-00001-of-00002.bin"), "pickle");
        foreach (string name in new[] { "", "pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin" })
            Assert.That(() => WeightSource.Open(folder.At(name)), Throws.InstanceOf<CheckpointException>().With.Message.Contains("pytorch_model").And.Message.Contains("Convert the folder to safetensors"));
        // Archives of arrays stand in for a checkpoint where there is nothing else; one that lies beside is left out.
        File.WriteAllBytes(folder.At("beside.npz"), NpzBytes.Zip(false, ("x", NpzBytes.Array("<f4", "(1,)", new byte[4]))));
        File.WriteAllBytes(folder.At("m.npz"), NpzBytes.Zip(false, ("a", NpzBytes.Array("<f4", "(1,)", new byte[4]))));
        Assert.That(() => WeightSource.Open(folder.At("")), Throws.InstanceOf<CheckpointException>().With.Message.Contains("2 files *.npz"));
        using (IWeightSource npz = WeightSource.Open(folder.At(""), beside: "beside.npz"))
            Assert.That(npz.Tensors.Keys, Is.EqualTo(new[] { "a" }));
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
