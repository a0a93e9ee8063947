using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Benchmarks;

/// <summary>The embedded Scout as a caller meets it, and the loading of models.</summary>
internal static class ModelBenchmarks
{
    internal static void EndToEnd(Report report) => EndToEndAsync(report).GetAwaiter().GetResult();

    private static async Task EndToEndAsync(Report report)
    {
        using var executor = new NativeExecutor();
        await using VlmModel model = await VlmModel.LoadAsync("scout", new VlmModelOptions { Executor = executor }).ConfigureAwait(false);
        PixelBuffer picture = Picture(1280, 720);
        int rounds = report.Quick ? 9 : 41;
        double[] encode = new double[rounds], prefill = new double[rounds], prompt = new double[rounds], token = new double[rounds], call = new double[rounds];
        for (int i = -3; i < rounds; i++)
        {
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            using EncodedImage view = await model.EncodeAsync(picture).ConfigureAwait(false);
            QueryStatistics cost = (await model.AskAsync(view, "how many objects are there ?").ConfigureAwait(false)).Statistics;
            double all = System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (i < 0)
                continue;
            (encode[i], prefill[i], prompt[i]) = (view.EncodeTime.TotalMilliseconds, view.PrefillTime.TotalMilliseconds, cost.Prefill.TotalMilliseconds);
            (token[i], call[i]) = (cost.Decode.TotalMilliseconds / Math.Max(1, cost.AnswerTokens), all);
        }
        Times e = Times.Of(encode);
        report.Add(new Result("end-to-end", $"embedded Scout, a picture of 1280 x 720 and one question; medians of {rounds}", executor.Threads, executor.Isa, e.Spread,
        [
            new("encode", e.Median, "ms"), new("encode best", e.Best, "ms"), new("picture prefill", Times.Of(prefill).Median, "ms"),
            new("prompt prefill", Times.Of(prompt).Median, "ms"), new("decode per token", Times.Of(token).Median, "ms"),
            new("decode per token best", Times.Of(token).Best, "ms"), new("picture and question in all", Times.Of(call).Median, "ms"),
            new("encode share", Times.Of([.. encode.Zip(call, (a, b) => a / b * 100)]).Median, "%"),
        ]));
    }

    internal static void Load(Report report)
    {
        string folder = Directory.CreateTempSubdirectory("vlmsdk-bench-").FullName;
        try
        {
            string scout = Path.Combine(folder, "scout.gguf"), llama = Path.Combine(folder, "llama.gguf");
            ScoutCheckpoint checkpoint = ScoutCheckpoint.Load("scout");
            ScoutCheckpoint.Write(scout, checkpoint.Config, checkpoint.Tensors.ToDictionary(t => t.Key, t => Dequantizer.ToFloats(t.Value)));
            var writer = new GgufWriter();
            WeightBinding weights = DecodeBenchmarks.Weights(DecodeBenchmarks.Config(report.Quick), DType.Q8_0);
            foreach (string name in weights.Names)
                writer.AddTensor(name, weights.Get(name));
            writer.Write(llama);
            Reading(report, "load-parse", "header of a Llama GGUF parsed and checked", llama, () => GgufFile.Open(llama).Dispose(), 31);
            Reading(report, "load-tensors", "every tensor of a Llama GGUF read into memory", llama, () =>
            {
                using GgufFile file = GgufFile.Open(llama);
                foreach (string name in file.Tensors.Keys)
                    file.Read(name);
            }, 9);
            Reading(report, "load-scout", "VlmModel.LoadAsync of a Scout file: read, checked, packed for the native kernels", scout, () =>
            {
                using var executor = new NativeExecutor();
                VlmModel model = VlmModel.LoadAsync(scout, new VlmModelOptions { Executor = executor }).GetAwaiter().GetResult();
                model.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }, 15);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The file lies in the system's cache, so the limit is a copy out of it.
    private static void Reading(Report report, string name, string note, string path, Action work, int rounds)
    {
        long size = new FileInfo(path).Length;
        var buffer = new byte[size];
        work();
        GC.Collect();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        work();
        double allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Harness.Measure(report, new Benchmark(name, work, () =>
        {
            using FileStream file = File.OpenRead(path);
            file.ReadExactly(buffer);
        }, $"{note}; allocates {allocated / 1e6:0.00} MB, {allocated / size:0.000} of the file; limit: the file's bytes read into memory at hand", rounds)
        {
            Bytes = size,
        });
    }

    /// <summary>Two plain shapes before a graded ground.</summary>
    private static PixelBuffer Picture(int width, int height)
    {
        byte[] rgba = new byte[4 * width * height];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                bool red = x > width / 5 && x < width * 2 / 5 && y > height / 3 && y < height * 2 / 3;
                int dx = x - width * 3 / 4, dy = y - height / 2;
                bool blue = dx * dx + dy * dy < height * height / 36;
                byte grey = (byte)(90 + 80 * y / height);
                (byte r, byte g, byte b) = red ? ((byte)200, (byte)30, (byte)30) : blue ? ((byte)30, (byte)50, (byte)200) : (grey, grey, grey);
                ReadOnlySpan<byte> pixel = [r, g, b, 255];
                pixel.CopyTo(rgba.AsSpan(4 * (y * width + x)));
            }
        return new PixelBuffer(width, height, PixelFormat.Rgba8, rgba);
    }
}
