using VlmSdk.Execution;
using VlmSdk.Vision;

namespace VlmSdk;

/// <summary>
/// A picture the model has looked at: its tokens stand in a KV cache, so any number of questions can be asked without
/// encoding it again. Made by <see cref="VlmModel"/>, owned by the caller; dispose it when done. Queries on one image may
/// run from several threads.
/// </summary>
public sealed class EncodedImage : IDisposable
{
    internal EncodedImage(VlmModel model, KvCache cache, CoordinateMap map, TimeSpan encodeTime, TimeSpan prefillTime)
    {
        Model = model;
        Cache = cache;
        Map = map;
        EncodeTime = encodeTime;
        PrefillTime = prefillTime;
    }

    internal VlmModel Model { get; }

    internal KvCache Cache { get; }

    /// <summary>The way from network pixels back to source pixels.</summary>
    public CoordinateMap Map { get; }

    /// <summary>Columns of the source picture.</summary>
    public int Width => Map.SourceWidth;

    /// <summary>Rows of the source picture.</summary>
    public int Height => Map.SourceHeight;

    /// <summary>Picture tokens the decoder holds.</summary>
    public int Tokens => Cache.Length;

    /// <summary>Time the vision encoder and projector took.</summary>
    public TimeSpan EncodeTime { get; }

    /// <summary>Time the decoder took to read the picture tokens.</summary>
    public TimeSpan PrefillTime { get; }

    internal bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        Cache.Dispose();
    }
}
