using VlmSdk.Vision;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>Test pictures.</summary>
internal static class Pictures
{
    /// <summary>Noise from a fixed seed, with unused bytes at the end of each row when asked for.</summary>
    internal static PixelBuffer Noise(int width, int height, PixelFormat format, int padding = 0)
    {
        int stride = width * (format == PixelFormat.Rgb8 ? 3 : 4) + padding;
        var bytes = new byte[stride * height];
        new Random(width * 1000 + height).NextBytes(bytes);
        return new PixelBuffer(width, height, format, bytes, stride);
    }
}
