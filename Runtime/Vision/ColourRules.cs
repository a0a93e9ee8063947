namespace VlmSdk.Vision;

/// <summary>What becomes of a pixel's alpha. Each published system has its own rule; they differ by a grey level.</summary>
public enum AlphaRule
{
    /// <summary>Alpha is ignored: CLIP, SigLIP, PaliGemma, LLaVA, Qwen-VL, CogVLM, DeepSeek-VL, Janus, OpenFlamingo.</summary>
    Drop,
    /// <summary>Pasted onto white with one rounding: Pixtral.</summary>
    WhitePaste,
    /// <summary>Composited over white through Pillow's two-alpha formula: Idefics.</summary>
    WhiteComposite,
    /// <summary>Blended with white in float64 and truncated, when any pixel is not opaque: Chameleon.</summary>
    WhiteFloat,
}

/// <summary>The colour rules by which pictures with alpha become R, G, B, byte for byte as the named systems do it.</summary>
public static class ColourRules
{
    /// <summary>Applies a rule. An <see cref="PixelFormat.Rgb8"/> picture is returned as it is.</summary>
    /// <param name="picture">The picture; alpha is straight, not premultiplied.</param>
    /// <param name="rule">What becomes of alpha.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgb8"/> picture.</returns>
    public static PixelBuffer Apply(PixelBuffer picture, AlphaRule rule)
    {
        if (picture.Format == PixelFormat.Rgb8)
            return picture;
        if (rule == AlphaRule.WhiteFloat && IsOpaque(picture))
            rule = AlphaRule.Drop;

        var bytes = new byte[checked(3 * picture.Width * picture.Height)];
        (int red, int blue) = picture.Format == PixelFormat.Bgra8 ? (2, 0) : (0, 2);
        for (int y = 0, at = 0; y < picture.Height; y++)
        {
            ReadOnlySpan<byte> row = picture.Row(y);
            for (int i = 0; i < row.Length; i += 4, at += 3)
            {
                int alpha = row[i + 3];
                bytes[at] = Blend(row[i + red], alpha, rule);
                bytes[at + 1] = Blend(row[i + 1], alpha, rule);
                bytes[at + 2] = Blend(row[i + blue], alpha, rule);
            }
        }
        return new PixelBuffer(picture.Width, picture.Height, PixelFormat.Rgb8, bytes);
    }

    private static bool IsOpaque(PixelBuffer picture)
    {
        for (int y = 0; y < picture.Height; y++)
        {
            ReadOnlySpan<byte> row = picture.Row(y);
            for (int i = 3; i < row.Length; i += 4)
                if (row[i] != 255)
                    return false;
        }
        return true;
    }

    private static byte Blend(int colour, int alpha, AlphaRule rule)
    {
        switch (rule)
        {
            case AlphaRule.WhitePaste:
                int paste = colour * alpha + 255 * (255 - alpha) + 128;
                return (byte)(((paste >> 8) + paste) >> 8);
            case AlphaRule.WhiteComposite:
                if (alpha == 0)
                    return 255;
                // Weights carry 7 fraction bits, as in Pillow's alpha_composite over an opaque destination.
                int over = 255 * alpha + 255 * (255 - alpha);
                int weight = alpha * 255 * 255 * 128 / over;
                int mixed = colour * weight + 255 * (255 * 128 - weight) + (128 << 7);
                return (byte)((((mixed >> 8) + mixed) >> 8) >> 7);
            case AlphaRule.WhiteFloat:
                double share = alpha / 255.0;
                return (byte)((1 - share) * 255 + share * colour);
            default:
                return (byte)colour;
        }
    }
}
