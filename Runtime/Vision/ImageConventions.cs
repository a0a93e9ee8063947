using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>
/// The picture rules of the published systems, one small function each. Default sides are the published ones; other
/// sides follow the same arithmetic. Where a library's port differs from the original code, both are here.
/// </summary>
public static class ImageConventions
{
    private static readonly float[] Clip = PixelNormalization.MeanDeviation(
        [0.48145466f, 0.4578275f, 0.40821073f], [0.26862954f, 0.26130258f, 0.27577711f]);

    private static readonly float[] Half = PixelNormalization.MeanDeviation([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]);

    private static readonly float[] Unit = PixelNormalization.MeanDeviation([0, 0, 0], [1, 1, 1]);

    private static readonly (byte, byte, byte) Grey = (127, 127, 127), ClipMean = (122, 116, 104);

    /// <summary>CLIP and LLaVA-1.5 in Hugging Face's default: shorter side to S, centre crop.</summary>
    public static ImageConvention ClipCrop(int side = 336) =>
        new() { Name = "clip-crop", Place = (w, h) => Cropped(w, h, side, ShortSide(w, h, side), floor: true), Lookup = Clip };

    /// <summary>OpenFlamingo (open_clip): as CLIP, the crop offset rounded half to even.</summary>
    public static ImageConvention OpenFlamingo(int side = 224) =>
        new() { Name = "openflamingo", Place = (w, h) => Cropped(w, h, side, ShortSide(w, h, side), floor: false), Lookup = Clip };

    /// <summary>LLaVA-1.5 original: padded to a square of CLIP's mean colour, then S x S.</summary>
    public static ImageConvention LlavaPad(int side = 336) =>
        new() { Name = "llava-pad", PadToSquare = true, Fill = ClipMean, Place = (w, h) => Stretched(w, h, side, side), Lookup = Clip };

    /// <summary>SigLIP and PaliGemma in Hugging Face: straight to S x S.</summary>
    public static ImageConvention Siglip(int side = 384) =>
        new() { Name = "siglip", Place = (w, h) => Stretched(w, h, side, side), Lookup = Half };

    /// <summary>SigLIP and PaliGemma in their original code: bilinear without antialias, truncated.</summary>
    public static ImageConvention SiglipJax(int side = 224) =>
        new() { Name = "siglip-jax", Method = ResizeMethod.TruncatedBilinear, Place = (w, h) => Stretched(w, h, side, side), Lookup = Half };

    /// <summary>Qwen-VL: straight to S x S.</summary>
    public static ImageConvention QwenVl(int side = 448) =>
        new() { Name = "qwen-vl", Place = (w, h) => Stretched(w, h, side, side), Lookup = Clip };

    /// <summary>CogVLM: straight to S x S.</summary>
    public static ImageConvention CogVlm(int side = 490) =>
        new() { Name = "cogvlm", Place = (w, h) => Stretched(w, h, side, side), Lookup = Clip };

    /// <summary>Idefics: white behind alpha, straight to S x S.</summary>
    public static ImageConvention Idefics(int side = 224) =>
        new() { Name = "idefics", Alpha = AlphaRule.WhiteComposite, Place = (w, h) => Stretched(w, h, side, side), Lookup = Clip };

    /// <summary>Pixtral in Hugging Face: longer side at most S, sides rounded down, then up to a multiple of the patch.</summary>
    public static ImageConvention PixtralHf(int side = 1024, int patch = 16) =>
        new() { Name = "pixtral-hf", Alpha = AlphaRule.WhitePaste, Place = (w, h) => Tiled(w, h, side, patch, Math.Floor), Lookup = Clip };

    /// <summary>Pixtral in Mistral's own code: sides rounded half to even, OpenCV's cubic.</summary>
    public static ImageConvention PixtralMistral(int side = 1024, int patch = 16) => new()
    {
        Name = "pixtral-mistral",
        Alpha = AlphaRule.WhitePaste,
        Method = ResizeMethod.OpenCvCubic,
        Place = (w, h) => Tiled(w, h, side, patch, Math.Round),
        Lookup = Clip,
    };

    /// <summary>DeepSeek-VL 1.3B original: longer side to T in a grey square, numbers 0..1.</summary>
    public static ImageConvention DeepSeekVl(int side = 384) =>
        new() { Name = "deepseek-vl", Fill = Grey, Place = (w, h) => Barred(w, h, side, hf: false), Lookup = Unit };

    /// <summary>DeepSeek-VL 1.3B in Hugging Face: another order of the arithmetic, normalised to -1..1.</summary>
    public static ImageConvention DeepSeekVlHf(int side = 384) =>
        new() { Name = "deepseek-vl-hf", Fill = Grey, Place = (w, h) => Barred(w, h, side, hf: true), Lookup = Half };

    /// <summary>DeepSeek-VL 7B original, the picture both encoders start from: bars of CLIP's mean colour, numbers 0..1.</summary>
    public static ImageConvention DeepSeekVlHybrid(int side = 1024) =>
        new() { Name = "deepseek-vl-hybrid", Fill = ClipMean, Place = (w, h) => Barred(w, h, side, hf: false), Lookup = Unit };

    /// <summary>DeepSeek-VL 7B in Hugging Face, the high picture: grey bars, CLIP statistics.</summary>
    public static ImageConvention DeepSeekVlHybridHf(int side = 1024) =>
        new() { Name = "deepseek-vl-hybrid-hf", Fill = Grey, Place = (w, h) => Barred(w, h, side, hf: true), Lookup = Clip };

    /// <summary>Janus original: as DeepSeek-VL 1.3B, normalised to -1..1.</summary>
    public static ImageConvention Janus(int side = 384) =>
        new() { Name = "janus", Fill = Grey, Place = (w, h) => Barred(w, h, side, hf: false), Lookup = Half };

    /// <summary>Janus in Hugging Face.</summary>
    public static ImageConvention JanusHf(int side = 384) =>
        new() { Name = "janus-hf", Fill = Grey, Place = (w, h) => Barred(w, h, side, hf: true), Lookup = Half };

    /// <summary>Chameleon in Hugging Face: shorter side to S, Lanczos, centre crop, byte * 0.0078 - 1.</summary>
    public static ImageConvention ChameleonHf(int side = 512) => new()
    {
        Name = "chameleon-hf",
        Alpha = AlphaRule.WhiteFloat,
        Filter = ResizeFilter.Lanczos,
        Place = (w, h) => Cropped(w, h, side, ShortSide(w, h, side), floor: true),
        Lookup = PixelNormalization.Linear(0.0078f, -1),
    };

    /// <summary>Chameleon in Meta's own code: both sides rounded half to even, -1..1.</summary>
    public static ImageConvention ChameleonMeta(int side = 512) => new()
    {
        Name = "chameleon-meta",
        Alpha = AlphaRule.WhiteFloat,
        Filter = ResizeFilter.Lanczos,
        Place = (w, h) =>
        {
            double scale = (double)side / Math.Min(w, h);
            return Cropped(w, h, side, ((int)Math.Round(scale * w), (int)Math.Round(scale * h)), floor: true);
        },
        Lookup = Half,
    };

    /// <summary>
    /// The two inputs of DeepSeek-VL 7B's encoders, original code: the high one normalised with CLIP's statistics, the low
    /// one resized to 3/8 of the side in float with antialias, then to -1..1. F32 [3, T, T] and [3, 3T/8, 3T/8].
    /// </summary>
    /// <exception cref="ImageException">The side is impossible.</exception>
    public static (HostTensor High, HostTensor Low) DeepSeekVlHybridInputs(PixelBuffer picture, int side = 1024)
    {
        using PatchGrid unit = DeepSeekVlHybrid(side).Process(picture);
        using PatchGrid high = (DeepSeekVlHybrid(side) with { Lookup = Clip }).Process(picture);
        HostTensor low = FloatResize.AntialiasBilinear(unit.Values, LowSide(side), LowSide(side));
        foreach (ref float value in low.Floats)
            value = (value - 0.5f) / 0.5f;
        return (high.Values, low);
    }

    /// <summary>
    /// The same two inputs as Hugging Face makes them: the low one is the padded high picture resized as bytes, bilinear.
    /// </summary>
    /// <exception cref="ImageException">The side is impossible.</exception>
    public static (HostTensor High, HostTensor Low) DeepSeekVlHybridHfInputs(PixelBuffer picture, int side = 1024)
    {
        using PatchGrid high = DeepSeekVlHybridHf(side).Process(picture);
        using PatchGrid low = DeepSeekVlHybridHfLow(side).Process(DeepSeekVlHybridHf(side).Resize(picture));
        return (high.Values, low.Values);
    }

    /// <summary>The step from the padded high picture of <see cref="DeepSeekVlHybridHf"/> to the low one.</summary>
    public static ImageConvention DeepSeekVlHybridHfLow(int side = 1024) => new()
    {
        Name = "deepseek-vl-hybrid-hf-low",
        Filter = ResizeFilter.Bilinear,
        Place = (w, h) => Stretched(w, h, LowSide(side), LowSide(side)),
        Lookup = Half,
    };

    private static int LowSide(int side) => Math.Max(1, side * 3 / 8);

    private static (int Width, int Height) ShortSide(int w, int h, int side) =>
        w <= h ? (side, (int)((long)side * h / w)) : ((int)((long)side * w / h), side);

    private static CoordinateMap Stretched(int w, int h, int width, int height) => new(w, h, width, height, width, height, 0, 0);

    private static CoordinateMap Cropped(int w, int h, int side, (int Width, int Height) size, bool floor) =>
        new(w, h, side, side, size.Width, size.Height, -CropOffset(size.Width - side, floor), -CropOffset(size.Height - side, floor));

    private static int CropOffset(int room, bool floor) => floor ? room / 2 : (int)Math.Round(room / 2.0);

    private static CoordinateMap Tiled(int w, int h, int side, int patch, Func<double, double> round)
    {
        double ratio = Math.Max((double)w / side, (double)h / side);
        int Side(int length)
        {
            // An extreme aspect can round to nothing; one pixel is kept.
            int shrunk = ratio > 1 ? Math.Max(1, (int)round(length / ratio)) : length;
            return (shrunk + patch - 1) / patch * patch;
        }
        return Stretched(w, h, Side(w), Side(h));
    }

    private static CoordinateMap Barred(int w, int h, int side, bool hf)
    {
        double length = Math.Max(w, h);
        // The orders of the arithmetic matter: they differ by a pixel for some sizes.
        int Side(int s) => Math.Max(hf ? (int)(s * (side / length)) : (int)(s / length * side), 14);
        (int width, int height) = (Side(w), Side(h));
        // In double arithmetic the longer side may come out one short of T; it is centred on the T x T square all the same.
        return new CoordinateMap(w, h, side, side, width, height, (side - width) / 2, (side - height) / 2);
    }
}
