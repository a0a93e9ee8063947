namespace VlmSdk.Vision;

/// <summary>How a picture is brought to the network's size.</summary>
public enum FitKind
{
    /// <summary>Both sides scaled to the target, the aspect ratio changes.</summary>
    Stretch,
    /// <summary>The whole picture scaled to fit inside, centred, the rest filled.</summary>
    Letterbox,
    /// <summary>Scaled so that the target is covered, the centre kept.</summary>
    Crop,
}

/// <summary>Resampling kernels with Pillow's definitions.</summary>
public enum ResizeFilter
{
    /// <summary>Support 0.5.</summary>
    Box,
    /// <summary>Triangle, support 1.</summary>
    Bilinear,
    /// <summary>Cubic with a = -0.5, support 2.</summary>
    Bicubic,
    /// <summary>Windowed sinc, support 3.</summary>
    Lanczos,
}

/// <summary>Order of the numbers of a <see cref="PatchGrid"/>.</summary>
public enum PatchLayout
{
    /// <summary>[3, H, W]: for encoders that begin with a convolution stem.</summary>
    Planar,
    /// <summary>[patches, 3 * P * P], inside a patch channel, row, column: for linear patch embeddings.</summary>
    PatchMajor,
}

/// <summary>
/// Everything that turns a picture into a network's input. The CPU image processor and the capture
/// shaders both work from this record, so that they give the same numbers.
/// </summary>
public sealed record PatchGridSpec
{
    /// <summary>Columns of the network picture; a multiple of <see cref="PatchSize"/> when patch-major.</summary>
    public required int Width { get; init; }

    /// <summary>Rows of the network picture; a multiple of <see cref="PatchSize"/> when patch-major.</summary>
    public required int Height { get; init; }

    /// <summary>How the picture is fitted.</summary>
    public FitKind Fit { get; init; } = FitKind.Letterbox;

    /// <summary>Resampling kernel.</summary>
    public ResizeFilter Filter { get; init; } = ResizeFilter.Bicubic;

    /// <summary>Bytes (R, G, B) of the letterbox bars, before normalisation.</summary>
    public (byte R, byte G, byte B) Fill { get; init; } = (127, 127, 127);

    /// <summary>Order of the numbers.</summary>
    public PatchLayout Layout { get; init; } = PatchLayout.Planar;

    /// <summary>Side of a square patch in pixels; 1 for planar grids.</summary>
    public int PatchSize { get; init; } = 1;

    /// <summary>What a channel's byte becomes: 3 x 256 numbers, red first. See <see cref="PixelNormalization"/>.</summary>
    public required ReadOnlyMemory<float> Lookup { get; init; }

    /// <summary>Whether another specification gives the same numbers for every picture.</summary>
    public bool GivesSameAs(PatchGridSpec other) =>
        this with { Lookup = default } == other with { Lookup = default } && Lookup.Span.SequenceEqual(other.Lookup.Span);

    /// <summary>Numbers in one grid.</summary>
    public int Count => checked(3 * Width * Height);

    /// <summary>Shape of the grid: [3, H, W] or [patches, 3 P P].</summary>
    public Tensors.Shape Shape => Layout == PatchLayout.Planar
        ? new(3, Height, Width)
        : new(Height / PatchSize * (Width / PatchSize), 3 * PatchSize * PatchSize);

    /// <summary>Refuses a specification that describes no grid.</summary>
    /// <exception cref="ImageException">A side, the patch size or the table is wrong; the message says which and what is accepted.</exception>
    public void Check()
    {
        if (Width < 1 || Height < 1 || 3L * Width * Height * sizeof(float) > int.MaxValue)
            throw new ImageException($"A patch grid of {Width} x {Height} pixels is not possible; both sides must be at least 1 and the grid below 2 GiB.");
        if (PatchSize < 1 || (Layout == PatchLayout.PatchMajor && (Width % PatchSize != 0 || Height % PatchSize != 0)))
            throw new ImageException($"Patches of {PatchSize} pixels do not tile {Width} x {Height}; both sides must be multiples of the patch size.");
        if (Lookup.Length != 3 * 256)
            throw new ImageException($"The look-up table holds {Lookup.Length} numbers; it needs 768, 256 for each of red, green and blue.");
    }
}

/// <summary>Tables for <see cref="PatchGridSpec.Lookup"/>.</summary>
public static class PixelNormalization
{
    /// <summary>byte * scale + offset in float32, the same for the three channels.</summary>
    public static float[] Linear(float scale, float offset)
    {
        var table = new float[3 * 256];
        for (int i = 0; i < table.Length; i++)
            table[i] = i % 256 * scale + offset;
        return table;
    }

    /// <summary>(float32(byte * (1 / 255)) - mean) / deviation per channel, as Hugging Face's slow processors round it.</summary>
    public static float[] MeanDeviation(ReadOnlySpan<float> mean, ReadOnlySpan<float> deviation)
    {
        var table = new float[3 * 256];
        for (int c = 0; c < 3; c++)
            for (int v = 0; v < 256; v++)
                table[c * 256 + v] = ((float)(v * (1.0 / 255)) - mean[c]) / deviation[c];
        return table;
    }
}
