using VlmSdk.Vision;

namespace VlmSdk.Models.Scout;

/// <summary>What Scout's encoder wants to see: the whole frame letterboxed into a square, as planar byte / 64 - 2.</summary>
public static class ScoutProcessor
{
    /// <summary>
    /// The input of a model of these sizes: [3, S, S], Pillow's bilinear filter, bars of mid grey, which the
    /// normalisation turns into zeros.
    /// </summary>
    public static PatchGridSpec Spec(ScoutConfig config) => new()
    {
        Width = config.ImageSide,
        Height = config.ImageSide,
        Fit = FitKind.Letterbox,
        Filter = ResizeFilter.Bilinear,
        Fill = (128, 128, 128),
        Layout = PatchLayout.Planar,
        Lookup = PixelNormalization.Linear(1 / 64f, -2),
    };

    /// <summary>The input of the shipped model.</summary>
    public static PatchGridSpec Default { get; } = Spec(ScoutConfig.Default);
}
