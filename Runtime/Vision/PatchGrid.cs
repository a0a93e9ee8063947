using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>
/// A frame's form on its way into a vision encoder, in host memory. A grid that came from a capture borrows a slot of
/// the capture's ring: dispose it when the encoder has read it, so that the slot can take another frame.
/// </summary>
public sealed class PatchGrid : IDisposable
{
    private readonly Action? _release;
    private int _released;

    /// <summary>Wraps numbers already in place.</summary>
    /// <param name="spec">How they were made.</param>
    /// <param name="map">Where the source picture lies in them.</param>
    /// <param name="values">F32 of <see cref="PatchGridSpec.Shape"/>.</param>
    /// <param name="release">Called once on disposal; null when the memory is the grid's own.</param>
    public PatchGrid(PatchGridSpec spec, CoordinateMap map, HostTensor values, Action? release = null)
    {
        if (values.Type != DType.F32 || values.Shape != spec.Shape)
            throw new ShapeMismatchException($"A patch grid of this specification is F32{spec.Shape}, not {values.Type}{values.Shape}.");
        Spec = spec;
        Map = map;
        Values = values;
        _release = release;
    }

    /// <summary>How the numbers were made.</summary>
    public PatchGridSpec Spec { get; }

    /// <summary>The way back to source pixels.</summary>
    public CoordinateMap Map { get; }

    /// <summary>The numbers, F32 of <see cref="PatchGridSpec.Shape"/>.</summary>
    public HostTensor Values { get; }

    /// <summary>Whether the grid was given back, so that its numbers may be another frame's.</summary>
    internal bool IsDisposed => Volatile.Read(ref _released) != 0;

    /// <summary>
    /// Makes a disposed grid usable again. Only for a frame source that lends the same memory many times and pools its
    /// grids: whoever disposed the grid must not touch it any more.
    /// </summary>
    /// <exception cref="InvalidOperationException">The grid has not been disposed.</exception>
    public void Renew()
    {
        if (Interlocked.Exchange(ref _released, 0) == 0)
            throw new InvalidOperationException("The patch grid is still in use; only a disposed one can be lent again.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
            _release?.Invoke();
    }
}
