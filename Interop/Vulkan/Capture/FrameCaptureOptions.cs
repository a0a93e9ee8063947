using VlmSdk.Models.Scout;
using VlmSdk.Vision;

namespace VlmSdk.Vulkan;

/// <summary>Arithmetic of the resize inside a capture.</summary>
public enum CapturePrecision
{
    /// <summary>Pillow's integers with whole bytes between the passes: the same numbers as the CPU image processor.</summary>
    Exact,
    /// <summary>32-bit floats throughout, and interpolation in the look-up table. Differs by about one level in a hundred bytes.</summary>
    Float,
}

/// <summary>What a <see cref="FrameCapture"/> makes of each frame.</summary>
public sealed record FrameCaptureOptions
{
    /// <summary>
    /// The grid to make; by default what the embedded Scout model reads: 256 x 256, letterboxed with grey 128, bilinear,
    /// planar, byte / 64 - 2.
    /// </summary>
    public PatchGridSpec Grid { get; init; } = ScoutProcessor.Default;

    /// <summary>Arithmetic of the resize.</summary>
    public CapturePrecision Precision { get; init; } = CapturePrecision.Exact;
}

/// <summary>What became of the frames of a <see cref="FrameCapture"/> so far.</summary>
/// <param name="Captured">Frames submitted to the GPU.</param>
/// <param name="Dropped">Frames not submitted because every ring slot was in flight or lent out.</param>
/// <param name="Superseded">Captured frames that a newer one replaced before anybody took them.</param>
/// <param name="Delivered">Grids handed out by <see cref="FrameCapture.TakeAsync"/>.</param>
public readonly record struct FrameCaptureCounters(long Captured, long Dropped, long Superseded, long Delivered);
