using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>Which resizer a published system uses.</summary>
public enum ResizeMethod
{
    /// <summary>Pillow's, with <see cref="ImageConvention.Filter"/>, x first.</summary>
    Pillow,
    /// <summary>OpenCV's cubic on float32, neither antialiased nor clamped nor rounded.</summary>
    OpenCvCubic,
    /// <summary>big_vision's bilinear, not antialiased, truncated to bytes.</summary>
    TruncatedBilinear,
}

/// <summary>
/// How one published system turns a picture into its network's input: colour rule, padding, resize, crop or bars,
/// numbers. The instances are in <see cref="ImageConventions"/>. Immutable; safe to share between threads.
/// </summary>
public sealed record ImageConvention
{
    /// <summary>The name used in messages and tests.</summary>
    public required string Name { get; init; }

    /// <summary>Where a picture of (width, height) lies in the network picture; after padding, when it is padded first.</summary>
    public required Func<int, int, CoordinateMap> Place { get; init; }

    /// <summary>What becomes of alpha.</summary>
    public AlphaRule Alpha { get; init; } = AlphaRule.Drop;

    /// <summary>Whether the picture is first put in the middle of a square of its longer side, offset (long - short) / 2 rounded down.</summary>
    public bool PadToSquare { get; init; }

    /// <summary>Colour of bars and padding.</summary>
    public (byte R, byte G, byte B) Fill { get; init; }

    /// <summary>The resizer.</summary>
    public ResizeMethod Method { get; init; } = ResizeMethod.Pillow;

    /// <summary>Kernel of Pillow's resizer.</summary>
    public ResizeFilter Filter { get; init; } = ResizeFilter.Bicubic;

    /// <summary>What a byte becomes: 3 x 256 numbers, red first.</summary>
    public required ReadOnlyMemory<float> Lookup { get; init; }

    /// <summary>
    /// Where a picture of this size lies in the network picture. With <see cref="PadToSquare"/> the map's source is the
    /// padded square; <see cref="BoxRules.LlavaPaddedSquare"/> leads on to the picture.
    /// </summary>
    /// <exception cref="ImageException">A side is not positive.</exception>
    public CoordinateMap Map(int width, int height)
    {
        if (width < 1 || height < 1)
            throw new ImageException($"A picture of {width} x {height} pixels holds nothing; both sides must be at least 1.");
        int side = Math.Max(width, height);
        return PadToSquare ? Place(side, side) : Place(width, height);
    }

    /// <summary>
    /// The same rule as a grid specification, so that a capture can make the input of frames of one size; alpha is dropped, as
    /// frames have none. Null where no specification gives the same numbers: other resizers than Pillow's, padding before
    /// the resize, or rounding of its own.
    /// </summary>
    /// <exception cref="ImageException">A side is not positive.</exception>
    public PatchGridSpec? Grid(int width, int height)
    {
        CoordinateMap map = Map(width, height);
        if (Method != ResizeMethod.Pillow || (PadToSquare && width != height))
            return null;
        var spec = new PatchGridSpec { Width = map.TargetWidth, Height = map.TargetHeight, Filter = Filter, Fill = Fill, Lookup = Lookup };
        return Enum.GetValues<FitKind>().Select(fit => spec with { Fit = fit }).FirstOrDefault(s => CoordinateMap.Create(s, width, height) == map);
    }

    /// <summary>The network picture in bytes, just before normalisation. OpenCV's cubic is rounded and clamped for it.</summary>
    /// <returns>A packed <see cref="PixelFormat.Rgb8"/> picture.</returns>
    /// <exception cref="ImageException">The network picture would be impossibly large.</exception>
    public PixelBuffer Resize(PixelBuffer picture)
    {
        // Numbers equal to the bytes, patch by patch of one pixel: exactly the packed order.
        using PatchGrid grid = Process(picture, PixelNormalization.Linear(1, 0), PatchLayout.PatchMajor, 1);
        ReadOnlySpan<float> values = grid.Values.Floats;
        var bytes = new byte[values.Length];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)Math.Clamp(MathF.Round(values[i]), 0, 255);
        return new PixelBuffer(grid.Spec.Width, grid.Spec.Height, PixelFormat.Rgb8, bytes);
    }

    /// <summary>The network's input.</summary>
    /// <param name="picture">The upright source picture.</param>
    /// <param name="layout">Order of the numbers.</param>
    /// <param name="patchSize">Side of a patch for patch-major grids.</param>
    /// <exception cref="ImageException">The patches do not tile the network picture, or it would be impossibly large.</exception>
    public PatchGrid Process(PixelBuffer picture, PatchLayout layout = PatchLayout.Planar, int patchSize = 1) =>
        Process(picture, Lookup, layout, patchSize);

    private PatchGrid Process(PixelBuffer picture, ReadOnlyMemory<float> lookup, PatchLayout layout, int patchSize)
    {
        CoordinateMap map = Map(picture.Width, picture.Height);
        var spec = new PatchGridSpec
        {
            Width = map.TargetWidth,
            Height = map.TargetHeight,
            Fit = FitKind.Stretch,
            Filter = Filter,
            Fill = Fill,
            Layout = layout,
            PatchSize = patchSize,
            Lookup = lookup,
        };
        spec.Check();
        var values = new HostTensor(DType.F32, spec.Shape);
        // The resizer drops alpha by itself, so only the other rules need a copy.
        PixelBuffer source = Alpha == AlphaRule.Drop && Method == ResizeMethod.Pillow ? picture : ColourRules.Apply(picture, Alpha);
        switch (Method)
        {
            case ResizeMethod.OpenCvCubic:
                WriteFloats(FloatResize.OpenCvCubic(source, map.ResizedWidth, map.ResizedHeight), spec, values.Floats);
                break;
            case ResizeMethod.TruncatedBilinear:
                PixelBuffer bytes = FloatResize.TruncatedBilinear(source, map.ResizedWidth, map.ResizedHeight);
                var still = new CoordinateMap(bytes.Width, bytes.Height, spec.Width, spec.Height, bytes.Width, bytes.Height, map.OffsetX, map.OffsetY);
                ImageProcessor.Process(new ImageResize.BufferSource(bytes), spec, still, values.Floats);
                break;
            default:
                if (PadToSquare && source.Width != source.Height)
                    ImageProcessor.Process(new PaddedRows(source, Fill), spec, map, values.Floats);
                else
                    ImageProcessor.Process(new ImageResize.BufferSource(source), spec, map, values.Floats);
                break;
        }
        return new PatchGrid(spec, map, values);
    }

    // Values between and beyond the bytes go through the straight line that the table samples.
    private static void WriteFloats(ReadOnlySpan<float> pixels, PatchGridSpec spec, Span<float> destination)
    {
        ReadOnlySpan<float> lookup = spec.Lookup.Span;
        int side = spec.Layout == PatchLayout.Planar ? 1 : spec.PatchSize;
        for (int y = 0, from = 0; y < spec.Height; y++)
            for (int x = 0; x < spec.Width; x++)
                for (int c = 0; c < 3; c++, from++)
                {
                    float zero = lookup[c * 256], value = zero + pixels[from] * ((lookup[c * 256 + 255] - zero) / 255);
                    int to = spec.Layout == PatchLayout.Planar
                        ? (c * spec.Height + y) * spec.Width + x
                        : (y / side * (spec.Width / side) + x / side) * 3 * side * side + (c * side + y % side) * side + x % side;
                    destination[to] = value;
                }
    }
}
