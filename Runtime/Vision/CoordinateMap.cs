namespace VlmSdk.Vision;

/// <summary>
/// Where a source picture lies in the network picture, in whole pixels after rounding: the way back from boxes in
/// network units to source pixels. Source pixels (0..SourceWidth) were resized to Resized x Resized, then placed with
/// their top left corner at (OffsetX, OffsetY), negative when cropped.
/// </summary>
/// <param name="SourceWidth">Columns of the source picture.</param>
/// <param name="SourceHeight">Rows of the source picture.</param>
/// <param name="TargetWidth">Columns of the network picture.</param>
/// <param name="TargetHeight">Rows of the network picture.</param>
/// <param name="ResizedWidth">Columns of the resized source.</param>
/// <param name="ResizedHeight">Rows of the resized source.</param>
/// <param name="OffsetX">Left edge of the resized source in the network picture.</param>
/// <param name="OffsetY">Top edge of the resized source in the network picture.</param>
public readonly record struct CoordinateMap(
    int SourceWidth, int SourceHeight, int TargetWidth, int TargetHeight, int ResizedWidth, int ResizedHeight, int OffsetX, int OffsetY)
{
    /// <summary>The map of a picture of this size under a specification. Resized sides are at least 1.</summary>
    /// <exception cref="ImageException">A source side is not positive.</exception>
    public static CoordinateMap Create(PatchGridSpec spec, int sourceWidth, int sourceHeight)
    {
        if (sourceWidth < 1 || sourceHeight < 1)
            throw new ImageException($"A picture of {sourceWidth} x {sourceHeight} pixels holds nothing; both sides must be at least 1.");
        (int w, int h) = (spec.Width, spec.Height);
        if (spec.Fit != FitKind.Stretch)
        {
            // Compare w / sourceWidth with h / sourceHeight without division.
            long byWidth = (long)spec.Width * sourceHeight, byHeight = (long)spec.Height * sourceWidth;
            bool widthRules = spec.Fit == FitKind.Letterbox ? byWidth <= byHeight : byWidth >= byHeight;
            if (widthRules)
                h = Math.Max(1, (int)(byWidth / sourceWidth));
            else
                w = Math.Max(1, (int)(byHeight / sourceHeight));
        }
        return new CoordinateMap(sourceWidth, sourceHeight, spec.Width, spec.Height, w, h, Half(spec.Width - w), Half(spec.Height - h));
    }

    /// <summary>A horizontal position in the network picture (pixels) to source pixels, clamped to the picture.</summary>
    public double SourceX(double x) => Math.Clamp((x - OffsetX) * SourceWidth / ResizedWidth, 0, SourceWidth);

    /// <summary>A vertical position in the network picture (pixels) to source pixels, clamped to the picture.</summary>
    public double SourceY(double y) => Math.Clamp((y - OffsetY) * SourceHeight / ResizedHeight, 0, SourceHeight);

    /// <summary>A horizontal position in source pixels to the network picture (pixels).</summary>
    public double TargetX(double x) => x * ResizedWidth / SourceWidth + OffsetX;

    /// <summary>A vertical position in source pixels to the network picture (pixels).</summary>
    public double TargetY(double y) => y * ResizedHeight / SourceHeight + OffsetY;

    // Bars and crops round towards the top left: (T - side) // 2 for bars, -(side - T) // 2 for crops.
    private static int Half(int room) => room >= 0 ? room / 2 : -(-room / 2);
}
