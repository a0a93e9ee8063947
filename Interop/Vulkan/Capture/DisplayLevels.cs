namespace VlmSdk.Vulkan;

/// <summary>
/// Linear light as display-encoded levels: round(255 * sRGB-encode(clamp(exposure * light, 0, 1))), not-a-number is 0.
/// A shader finds the level of a texel by comparing it with thresholds, so that the arithmetic that decides runs here, in
/// double precision, and no device's rounding can change a byte.
/// </summary>
/// <remarks>
/// Thresholds are half floats, which is exact for RGBA16F. For light decoded from an 8-bit sRGB image they are as good:
/// two levels are never closer than several hundred half floats, and a decoded level lies in the middle.
/// </remarks>
internal static class DisplayLevels
{
    /// <summary>Thresholds, one for each level; the last is out of reach.</summary>
    internal const int Count = 256;

    private const float OutOfReach = float.MaxValue;
    private const int InfinityBits = 0x7C00;

    /// <summary>Writes for each level the smallest texel value whose level is above it, as far as finite values go.</summary>
    internal static void Thresholds(float exposure, Span<float> to)
    {
        int bits = 0;
        for (int level = 0; level < Count; level++)
        {
            // The bits of half floats from zero on rise with their value, and the thresholds rise with the level.
            int end = InfinityBits;
            while (bits < end)
            {
                int middle = (bits + end) / 2;
                if (Level(exposure * (double)BitConverter.UInt16BitsToHalf((ushort)middle)) > level)
                    end = middle;
                else
                    bits = middle + 1;
            }
            to[level] = bits < InfinityBits ? (float)BitConverter.UInt16BitsToHalf((ushort)bits) : OutOfReach;
        }
    }

    private static int Level(double light)
    {
        light = light > 0 ? Math.Min(light, 1) : 0;
        double encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * Math.Pow(light, 1 / 2.4) - 0.055;
        return (int)Math.Round(255 * encoded, MidpointRounding.AwayFromZero);
    }
}
