using VlmSdk.Vision;

namespace VlmSdk.Benchmarks;

/// <summary>The CPU image processor against copying the source's bytes and the grid's.</summary>
internal static class ImageBenchmarks
{
    internal static Benchmark Letterbox1080p() => Against("image-letterbox-1080p", 1920, 1080, FitKind.Letterbox);

    internal static Benchmark Crop4K() => Against("image-crop-4k", 3840, 2160, FitKind.Crop);

    private static Benchmark Against(string name, int width, int height, FitKind fit)
    {
        byte[] source = new byte[4 * width * height], copy = new byte[source.Length];
        new Random(1).NextBytes(source);
        var picture = new PixelBuffer(width, height, PixelFormat.Bgra8, source);
        var spec = new PatchGridSpec { Width = 448, Height = 448, Fit = fit, Lookup = PixelNormalization.Linear(2f / 255, -1) };
        float[] grid = new float[spec.Count], other = new float[spec.Count];
        return new Benchmark(
            name,
            () => ImageProcessor.Process(picture, spec, grid),
            () =>
            {
                source.CopyTo(copy, 0);
                grid.CopyTo(other, 0);
            },
            $"{width} x {height} BGRA to 448 x 448 planar floats, bicubic, one thread; limit: the same bytes copied");
    }
}
