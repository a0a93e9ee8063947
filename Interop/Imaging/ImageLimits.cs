namespace VlmSdk.Imaging;

/// <summary>
/// What <see cref="ImageFile"/> accepts. Everything is checked against the file's header before a pixel is decoded, so
/// that a small file cannot ask for a large memory. Immutable; share freely.
/// </summary>
public sealed record ImageLimits
{
    /// <summary>The limits used when none are given.</summary>
    public static ImageLimits Default { get; } = new();

    /// <summary>Largest encoded file in bytes; 10 MiB.</summary>
    public long EncodedBytes { get; init; } = 10L << 20;

    /// <summary>Most pixels, width times height; 40 million.</summary>
    public long Pixels { get; init; } = 40_000_000;

    /// <summary>Longest side in pixels; 16,384.</summary>
    public int Side { get; init; } = 16_384;

    /// <summary>Longer side over shorter side at most; 200.</summary>
    public int Aspect { get; init; } = 200;

    /// <summary>Most scans of a progressive JPEG; 100. Each scan costs a walk over the whole picture, however few bytes it has.</summary>
    public int Scans { get; init; } = 100;
}
