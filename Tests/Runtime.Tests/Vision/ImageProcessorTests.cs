using VlmSdk.Vision;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>The processor's grids against resize, placement and look-up done one pixel at a time.</summary>
public sealed class ImageProcessorTests
{
    private static readonly float[] Mean = [0.48f, 0.46f, 0.41f], Deviation = [0.27f, 0.26f, 0.28f];

    [Test]
    public void A_grid_is_resize_placement_and_lookup(
        [Values] FitKind fit, [Values] PatchLayout layout, [Values] PixelFormat format, [Values("50x31", "31x50", "1x40", "16x24", "300x2")] string size)
    {
        int[] n = [.. size.Split('x').Select(int.Parse)];
        var spec = new PatchGridSpec
        {
            Width = 24,
            Height = 16,
            Fit = fit,
            Layout = layout,
            PatchSize = 8,
            Fill = (10, 20, 30),
            Lookup = PixelNormalization.MeanDeviation(Mean, Deviation),
        };
        PixelBuffer source = Pictures.Noise(n[0], n[1], format, padding: 3);
        using PatchGrid grid = ImageProcessor.Process(source, spec);

        CoordinateMap map = grid.Map;
        PixelBuffer resized = ImageResizeReference.Resize(source, map.ResizedWidth, map.ResizedHeight, spec.Filter);
        byte[] fill = [spec.Fill.R, spec.Fill.G, spec.Fill.B];
        for (int y = 0; y < spec.Height; y++)
            for (int x = 0; x < spec.Width; x++)
                for (int c = 0; c < 3; c++)
                {
                    (int column, int row) = (x - map.OffsetX, y - map.OffsetY);
                    bool inside = column >= 0 && column < map.ResizedWidth && row >= 0 && row < map.ResizedHeight;
                    byte value = inside ? resized.Row(row)[3 * column + c] : fill[c];
                    int at = layout == PatchLayout.Planar
                        ? (c * spec.Height + y) * spec.Width + x
                        : (y / 8 * 3 + x / 8) * 192 + c * 64 + y % 8 * 8 + x % 8;
                    if (grid.Values.Floats[at] != spec.Lookup.Span[c * 256 + value])
                        Assert.Fail($"x {x} y {y} c {c}: {grid.Values.Floats[at]}, not {spec.Lookup.Span[c * 256 + value]}");
                }
    }

    [Test]
    public void Specifications_that_describe_no_grid_are_refused()
    {
        float[] lookup = PixelNormalization.Linear(1, 0);
        PixelBuffer source = Pictures.Noise(4, 4, PixelFormat.Rgb8);
        void Refused(PatchGridSpec spec, string says) =>
            Assert.That(() => ImageProcessor.Process(source, spec), Throws.TypeOf<ImageException>().With.Message.Contains(says));

        Refused(new PatchGridSpec { Width = 0, Height = 4, Lookup = lookup }, "0 x 4");
        Refused(new PatchGridSpec { Width = 100_000, Height = 100_000, Lookup = lookup }, "2 GiB");
        Refused(new PatchGridSpec { Width = 10, Height = 16, PatchSize = 8, Layout = PatchLayout.PatchMajor, Lookup = lookup }, "multiples");
        Refused(new PatchGridSpec { Width = 8, Height = 8, Lookup = new float[256] }, "768");
        Assert.That(() => ImageProcessor.Process(source, new PatchGridSpec { Width = 8, Height = 8, Lookup = lookup }, new float[5]),
            Throws.TypeOf<ImageException>().With.Message.Contains("192"));
    }

    [Test]
    public void A_large_picture_needs_little_working_memory()
    {
        var source = new PixelBuffer(4000, 3000, PixelFormat.Rgb8, new byte[4000 * 3000 * 3]);
        var spec = new PatchGridSpec { Width = 448, Height = 448, Fit = FitKind.Crop, Lookup = PixelNormalization.Linear(1f / 255, 0) };
        var destination = new float[spec.Count];
        ImageProcessor.Process(source, spec, destination);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ImageProcessor.Process(source, spec, destination);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }
}
