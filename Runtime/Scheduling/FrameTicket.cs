using VlmSdk.Vision;

namespace VlmSdk.Scheduling;

/// <summary>Something that turns frames into patch grids in the background, such as a Vulkan capture.</summary>
public interface IFrameSource
{
    /// <summary>
    /// Waits, off the caller's thread, for the grid of a submitted frame, or of a newer one when it was superseded
    /// (newest frame wins). The caller disposes the grid.
    /// </summary>
    /// <exception cref="CaptureException">The frame was dropped and none newer came, or the source was detached.</exception>
    /// <exception cref="DeviceLostException">The device was lost before the frame was ready.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the frame stays available.</exception>
    ValueTask<PatchGrid> TakeAsync(FrameTicket ticket, CancellationToken cancellationToken = default);
}

/// <summary>
/// The receipt of a submitted frame. A value: keeping or dropping it holds no resources. Await the frame's grid with
/// <see cref="TakeAsync"/>, once.
/// </summary>
/// <param name="Source">Who is making the grid.</param>
/// <param name="Frame">Number of the frame at its source, from 1 on; ascending.</param>
/// <param name="Dropped">True when no ring slot was free, so this frame itself will never be delivered.</param>
public readonly record struct FrameTicket(IFrameSource Source, long Frame, bool Dropped = false)
{
    /// <inheritdoc cref="IFrameSource.TakeAsync"/>
    /// <exception cref="InvalidOperationException">The ticket is the default value: no frame was submitted for it.</exception>
    public ValueTask<PatchGrid> TakeAsync(CancellationToken cancellationToken = default) => Source is null
        ? throw new InvalidOperationException("This ticket belongs to no frame. Use the one that Submit returned.")
        : Source.TakeAsync(this, cancellationToken);
}
