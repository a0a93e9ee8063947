using System.Buffers.Binary;
using Silk.NET.Vulkan;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>Deterministic pixels in every format, and what a model must see of them, by the rules of RenderTarget.</summary>
internal static class TestPictures
{
    /// <summary>Edges, gradients and noise as raw texels. Half floats include negative, huge and not-a-number values.</summary>
    internal static byte[] Texels(Format format, int width, int height)
    {
        var random = new Random(width * 31 + height);
        bool half = format == Format.R16G16B16A16Sfloat;
        var pixels = new byte[width * height * (half ? 8 : 4)];
        for (int i = 0; i < width * height; i++)
        {
            (int x, int y) = (i % width, i / width);
            if (half)
            {
                for (int c = 0; c < 4; c++)
                {
                    double light = (x / 16 + y / 16) % 3 == 0 ? random.NextDouble() * 1.5 - 0.1 : (double)((c + 1) * x) / (3 * width);
                    Half value = random.Next(97) switch { 0 => Half.NaN, 1 => Half.PositiveInfinity, 2 => (Half)(-3), _ => (Half)light };
                    BinaryPrimitives.WriteHalfLittleEndian(pixels.AsSpan(i * 8 + c * 2), value);
                }
                continue;
            }
            uint noise = (uint)random.Next(int.MinValue, int.MaxValue);
            uint smooth = (uint)(x * 255 / width) | (uint)(y * 255 / height) << 12 | (uint)((x + y) % 256) << 22;
            BinaryPrimitives.WriteUInt32LittleEndian(pixels.AsSpan(i * 4), (x / 16 + y / 16) % 3 == 0 ? noise : smooth);
        }
        return pixels;
    }

    /// <summary>The display-encoded bytes of texels.</summary>
    internal static PixelBuffer Decode(Format format, int width, int height, byte[] texels, float exposure = 1)
    {
        switch (format)
        {
            case Format.R8G8B8A8Unorm or Format.R8G8B8A8Srgb:
                return new PixelBuffer(width, height, PixelFormat.Rgba8, texels);
            case Format.B8G8R8A8Unorm or Format.B8G8R8A8Srgb:
                return new PixelBuffer(width, height, PixelFormat.Bgra8, texels);
        }
        var rgb = new byte[width * height * 3];
        for (int i = 0; i < width * height; i++)
            for (int c = 0; c < 3; c++)
                if (format == Format.R16G16B16A16Sfloat)
                {
                    rgb[3 * i + c] = Encode(exposure * (double)BinaryPrimitives.ReadHalfLittleEndian(texels.AsSpan(i * 8 + c * 2)));
                }
                else
                {
                    int shift = format == Format.A2B10G10R10UnormPack32 ? 10 * c : 20 - 10 * c;
                    uint level = BinaryPrimitives.ReadUInt32LittleEndian(texels.AsSpan(i * 4)) >> shift & 1023;
                    rgb[3 * i + c] = (byte)Math.Round(level * 255 / 1023.0, MidpointRounding.AwayFromZero);
                }
        return new PixelBuffer(width, height, PixelFormat.Rgb8, rgb);
    }

    /// <summary>round(255 * sRGB-encode(clamp(light))).</summary>
    internal static byte Encode(double light)
    {
        light = light > 0 ? Math.Min(light, 1) : 0;
        double encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * Math.Pow(light, 1 / 2.4) - 0.055;
        return (byte)Math.Round(255 * encoded, MidpointRounding.AwayFromZero);
    }
}
