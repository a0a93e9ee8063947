using System.Runtime.CompilerServices;
using Silk.NET.Vulkan;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>A captured grid equals the CPU path on the same texels, for every format, aspect, fit and layout.</summary>
[Category("CaptureFormats")]
internal sealed class FormatTests : GpuTests
{
    private static readonly (Format Format, bool Mutable)[] Formats =
    [
        (Format.R8G8B8A8Unorm, false), (Format.R8G8B8A8Srgb, false), (Format.R8G8B8A8Srgb, true), (Format.B8G8R8A8Unorm, false),
        (Format.B8G8R8A8Srgb, false), (Format.A2B10G10R10UnormPack32, false), (Format.A2R10G10B10UnormPack32, false), (Format.R16G16B16A16Sfloat, false),
    ];

    private static readonly (int Width, int Height, PatchGridSpec Spec)[] Pictures =
    [
        (480, 270, new FrameCaptureOptions().Grid),
        (120, 340, Spec(96, 64, FitKind.Letterbox, ResizeFilter.Bicubic, PatchLayout.PatchMajor, 16)),
        (333, 111, Spec(70, 84, FitKind.Crop, ResizeFilter.Lanczos, PatchLayout.PatchMajor, 14)),
        (50, 37, Spec(64, 96, FitKind.Stretch, ResizeFilter.Box, PatchLayout.Planar, 1)),
    ];

    private static IEnumerable<TestCaseData> Cases() =>
        from format in Formats
        from picture in Pictures
        select new TestCaseData(format.Format, format.Mutable, picture.Width, picture.Height, picture.Spec)
            .SetArgDisplayNames($"{format.Format}{(format.Mutable ? " mutable" : "")}", $"{picture.Width} x {picture.Height} {picture.Spec.Fit}");

    [TestCaseSource(nameof(Cases))]
    public async Task A_grid_equals_the_CPU_path(Format format, bool mutable, int width, int height, PatchGridSpec spec)
    {
        const float Exposure = 1.25f;
        using var target = new TestTarget(TestGpu.Device, format, width, height, mutable: mutable);
        byte[] texels = TestPictures.Texels(format, width, height);
        target.Upload(texels);
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(exposure: Exposure), new() { Grid = spec });

        using PatchGrid grid = await capture.Submit().TakeAsync();

        using PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(format, width, height, texels, Exposure), spec);
        Assert.That(grid.Map, Is.EqualTo(expected.Map));
        Assert.That(MostLevels(grid, expected), Is.Zero);
    }

    // The last ones bring the half float 1 to the first number of a level and to the last one below it.
    private static IEnumerable<float> Exposures()
    {
        foreach (float plain in new[] { 1, 0, 0.37f, 11.3f, 1e-6f, 3e38f })
            yield return plain;
        foreach (int level in new[] { 12, 77, 128, 201, 254 })
        {
            float below = 0, from = 1;
            for (float middle = 0.5f; middle > below && middle < from; middle = (below + from) / 2)
                (below, from) = TestPictures.Encode(middle) < level ? (middle, from) : (below, middle);
            yield return below;
            yield return from;
        }
    }

    [TestCaseSource(nameof(Exposures))]
    public async Task Every_half_float_gives_the_byte_of_the_formula(float exposure)
    {
        var texels = new byte[256 * 256 * 8];
        for (int i = 0; i < 65536; i++)
            for (int c = 0; c < 4; c++)
                System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(texels.AsSpan(8 * i + 2 * c), (ushort)(c == 0 ? i : c == 1 ? 65535 - i : i ^ 0x5555));
        using var target = new TestTarget(TestGpu.Device, Format.R16G16B16A16Sfloat, 256, 256);
        target.Upload(texels);
        PatchGridSpec spec = Spec(256, 256, FitKind.Stretch, ResizeFilter.Box, PatchLayout.Planar, 1) with { Lookup = PixelNormalization.Linear(1, 0) };
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(exposure: exposure), new() { Grid = spec });

        using PatchGrid grid = await capture.Submit().TakeAsync();

        using PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(target.Format, 256, 256, texels, exposure), spec);
        Assert.That(grid.Values.Floats.SequenceEqual(expected.Values.Floats));
    }

    [Test]
    public async Task A_target_of_any_size_equals_the_CPU_path(
        [Values(FitKind.Letterbox, FitKind.Crop, FitKind.Stretch)] FitKind fit, [Values("1x1", "1x700", "4096x3", "2x16384", "97x89")] string size)
    {
        (int width, int height) = (int.Parse(size.Split('x')[0]), int.Parse(size.Split('x')[1]));
        PatchGridSpec spec = Spec(64, 48, fit, ResizeFilter.Bilinear, PatchLayout.PatchMajor, 16);
        using var target = new TestTarget(TestGpu.Device, Format.R8G8B8A8Unorm, width, height);
        byte[] texels = TestPictures.Texels(target.Format, width, height);
        target.Upload(texels);
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(), new() { Grid = spec });
        using PatchGrid grid = await capture.Submit().TakeAsync();
        using PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(target.Format, width, height, texels), spec);
        Assert.That(grid.Map, Is.EqualTo(expected.Map));
        Assert.That(MostLevels(grid, expected), Is.Zero);
    }

    [TestCase(ImageUsageFlags.TransferSrcBit, ImageLayout.ColorAttachmentOptimal, false)]
    [TestCase(ImageUsageFlags.TransferSrcBit, ImageLayout.General, false)]
    [TestCase(ImageUsageFlags.TransferSrcBit, ImageLayout.TransferSrcOptimal, true)]
    [TestCase(ImageUsageFlags.SampledBit, ImageLayout.General, false)]
    [TestCase(ImageUsageFlags.SampledBit, ImageLayout.ShaderReadOnlyOptimal, true)]
    public async Task Any_usage_and_layout_gives_the_same_bytes(ImageUsageFlags usage, ImageLayout layout, bool leaveGeneral)
    {
        using var target = new TestTarget(TestGpu.Device, Format.B8G8R8A8Srgb, 200, 90, layout, usage | ImageUsageFlags.ColorAttachmentBit);
        byte[] texels = TestPictures.Texels(target.Format, 200, 90);
        target.Upload(texels);
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(leaveGeneral ? ImageLayout.General : null));
        using PatchGrid grid = await capture.Submit().TakeAsync();
        using PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(target.Format, 200, 90, texels), capture.Grid);
        Assert.That(MostLevels(grid, expected), Is.Zero);
    }

    [Test]
    public async Task An_sRGB_image_without_mutable_format_keeps_all_256_bytes()
    {
        var texels = new byte[256 * 4];
        for (int i = 0; i < 256; i++)
            (texels[4 * i], texels[4 * i + 1], texels[4 * i + 2]) = ((byte)i, (byte)(255 - i), (byte)(i ^ 0x55));
        using var target = new TestTarget(TestGpu.Device, Format.R8G8B8A8Srgb, 256, 1);
        target.Upload(texels);
        PatchGridSpec spec = Spec(256, 1, FitKind.Stretch, ResizeFilter.Box, PatchLayout.Planar, 1) with { Lookup = PixelNormalization.Linear(1, 0) };
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(), new() { Grid = spec });
        using PatchGrid grid = await capture.Submit().TakeAsync();
        for (int i = 0; i < 256; i++)
            for (int c = 0; c < 3; c++)
                Assert.That(grid.Values.Floats[c * 256 + i], Is.EqualTo((float)texels[4 * i + c]), $"byte {i}, channel {c}");
    }

    [TestCase(Format.R8G8B8A8Unorm)]
    [TestCase(Format.R16G16B16A16Sfloat)]
    public async Task Float_mode_stays_within_a_level(Format format)
    {
        using var target = new TestTarget(TestGpu.Device, format, 300, 210);
        byte[] texels = TestPictures.Texels(format, 300, 210);
        target.Upload(texels);
        using FrameCapture capture = FrameCapture.Attach(TestGpu.Device, target.Describe(), new() { Precision = CapturePrecision.Float });
        using PatchGrid grid = await capture.Submit().TakeAsync();
        using PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(format, 300, 210, texels), capture.Grid);
        // A byte is rounded once before the resize (half floats), once between the passes and once after.
        Assert.That(MostLevels(grid, expected), Is.LessThan(1.6));
    }

    [Test]
    public void Shader_sources_match_the_compiled_code()
    {
        string folder = ShaderFolder();
        string[] lines = File.ReadAllLines(Path.Combine(folder, "manifest.sha256"));
        Dictionary<string, string> listed = lines.Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToDictionary(p => p[1], p => p[0]);
        string[] files = [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)!).Where(f => Path.GetExtension(f) is ".comp" or ".glsl" or ".spv")];
        Assert.That(listed.Keys, Is.EquivalentTo(files), "run Interop/Vulkan/Shaders/compile.sh");
        foreach ((string name, string hash) in listed)
        {
            byte[] content = File.ReadAllBytes(Path.Combine(folder, name));
            Assert.That(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)), Is.EqualTo(hash), $"{name}: run Interop/Vulkan/Shaders/compile.sh");
        }
    }

    internal static PatchGridSpec Spec(int width, int height, FitKind fit, ResizeFilter filter, PatchLayout layout, int side) => new()
    {
        Width = width,
        Height = height,
        Fit = fit,
        Filter = filter,
        Layout = layout,
        PatchSize = side,
        Fill = (10, 200, 30),
        Lookup = PixelNormalization.Linear(1 / 64f, -2f),
    };

    private static string ShaderFolder([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "Interop", "Vulkan", "Shaders"));

    // Both lookups are byte / 64 - 2, so that a difference of 1/64 is one level.
    private static double MostLevels(PatchGrid a, PatchGrid b)
    {
        double most = 0;
        ReadOnlySpan<float> left = a.Values.Floats, right = b.Values.Floats;
        for (int i = 0; i < left.Length; i++)
            most = Math.Max(most, Math.Abs(left[i] - right[i]) * 64);
        return most;
    }
}
