using VlmSdk.Queries;
using VlmSdk.Vision;

namespace VlmSdk;

/// <summary>
/// A picture the model has looked at, so that any number of questions can be asked without encoding it again. Made by
/// <see cref="VlmModel"/>, owned by the caller; dispose it when done. Queries on one image may run from several threads.
/// </summary>
public sealed class EncodedImage : IDisposable
{
    internal EncodedImage(VlmModel model, EncodedView view) => (Model, View) = (model, view);

    internal VlmModel Model { get; }

    internal EncodedView View { get; }

    /// <summary>The way from network pixels back to source pixels.</summary>
    public CoordinateMap Map => View.Map;

    /// <summary>Columns of the source picture.</summary>
    public int Width => View.Width;

    /// <summary>Rows of the source picture.</summary>
    public int Height => View.Height;

    /// <summary>Picture tokens the decoder reads.</summary>
    public int Tokens => View.Tokens;

    /// <summary>Time the vision encoder and projector took.</summary>
    public TimeSpan EncodeTime => View.EncodeTime;

    /// <summary>Time the decoder took to read the picture tokens; zero for models that read them with each prompt.</summary>
    public TimeSpan PrefillTime => View.PrefillTime;

    internal bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        View.State.Dispose();
    }
}
