using System.Text.Json;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>What the weight tests share: finding files, and holding a reader to a file's verdict.</summary>
internal static class WeightGoldens
{
    /// <summary>Names below the quant goldens, in order.</summary>
    internal static IEnumerable<string> Files(string folder, string pattern)
    {
        string top = Golden.At("quant", folder);
        return Directory.Exists(top)
            ? Directory.GetFiles(top, pattern).Order(StringComparer.Ordinal).Select(f => $"{folder}/{Path.GetFileName(f)}")
            : [];
    }

    /// <summary>Opens a file whose .json says accept or refuse, and checks exception, message and allocation.</summary>
    internal static void CheckVerdict(string path, Func<string, IWeightSource> open)
    {
        JsonElement verdict = Golden.Json(Path.ChangeExtension(path, ".json"));
        if (verdict.GetProperty("expect").GetString() == "accept")
        {
            using IWeightSource sound = open(path);
            foreach (string name in sound.Tensors.Keys)
                Assert.That(sound.Read(name).Data.Length, Is.EqualTo(sound.Tensors[name].ByteCount));
            return;
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException e = Assert.Throws<CheckpointException>(() => open(path).Dispose())!;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.That(e.File, Is.EqualTo(path));
        Assert.That(e.Message, Does.StartWith(path + ": ").And.EndWith("."), "the message names the file and ends with the remedy");
        Assert.That(e.Message, Has.Length.LessThan(path.Length + 700));
        Assert.That(allocated, Is.LessThan(4 * new FileInfo(path).Length + (1 << 20)));
    }
}
