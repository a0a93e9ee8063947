using VlmSdk.Models.Scout;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Queries;

/// <summary>A Scout of a few thousand random weights in a file, so that the whole way runs on the Reference executor.</summary>
internal static class TinyScout
{
    internal static string Write(string folder, int seed = 1, DType scheme = DType.F32)
    {
        var random = new Random(seed);
        Dictionary<string, HostTensor> weights = ScoutCheckpoint.Shapes(ScoutConfig.Tiny).ToDictionary(w => w.Name, w =>
        {
            var tensor = new HostTensor(DType.F32, w.Shape);
            float size = w.Shape.Rank == 1 ? 0.3f : 1.2f / MathF.Sqrt((float)w.Shape.Count / w.Shape[0]);
            foreach (ref float v in tensor.Floats)
                v = (random.NextSingle() * 2 - 1) * size + (w.Shape.Rank == 1 && w.Name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
            return tensor;
        });
        string path = Path.Combine(folder, $"tiny-{seed}-{scheme}.gguf");
        ScoutCheckpoint.Write(path, ScoutConfig.Tiny, weights, scheme);
        return path;
    }

    internal static PixelBuffer Picture(int seed, int width = 96, int height = 54)
    {
        var bytes = new byte[width * height * 3];
        new Random(seed).NextBytes(bytes);
        return new PixelBuffer(width, height, PixelFormat.Rgb8, bytes);
    }
}
