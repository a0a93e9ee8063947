using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>Counts of the work a model has done since it was loaded; tests read what a query really ran.</summary>
/// <param name="Encodes">Runs of the vision encoder.</param>
/// <param name="PicturePrefills">Times the decoder read picture tokens.</param>
/// <param name="PromptPrefills">Times it read a prompt.</param>
/// <param name="DecodeSteps">Single-token steps.</param>
public readonly record struct WorkCounts(long Encodes, long PicturePrefills, long PromptPrefills, long DecodeSteps);

/// <summary>
/// What <see cref="VlmModel"/> asks of a loaded model, whatever its family. One call at a time, off the caller's thread; the
/// model's gate sees to both. Views come from this runtime's own Encode, texts are not empty.
/// </summary>
internal interface IVlmRuntime : IDisposable
{
    /// <summary>What the model can do.</summary>
    VlmCapabilities Capabilities { get; }

    /// <summary>The work done so far; may be read from any thread.</summary>
    WorkCounts Work { get; }

    /// <summary>The input the model wants for pictures of one size.</summary>
    /// <exception cref="UnsupportedQueryException">Its picture rule cannot be stated as a grid specification.</exception>
    PatchGridSpec GridFor(int width, int height);

    /// <summary>Looks at a picture.</summary>
    EncodedView Encode(PixelBuffer picture, CancellationToken cancellationToken);

    /// <summary>Looks at a grid made by <see cref="GridFor"/>, and disposes it once read.</summary>
    EncodedView Encode(PatchGrid grid, CancellationToken cancellationToken);

    /// <summary>Writes a description piece by piece.</summary>
    void Describe(EncodedView view, DescribeOptions options, Action<string> write, CancellationToken cancellationToken);

    /// <summary>Answers a question.</summary>
    Answer Ask(EncodedView view, string question, AskOptions options, CancellationToken cancellationToken);

    /// <summary>Finds a phrase.</summary>
    GroundingResult Ground(EncodedView view, string phrase, GroundOptions options, CancellationToken cancellationToken);

    /// <summary>Finds a phrase and the pixels that belong to it.</summary>
    GroundingResult Segment(EncodedView view, string phrase, GroundOptions options, CancellationToken cancellationToken);

    /// <summary>Lists every object.</summary>
    IReadOnlyList<Detection> Detect(EncodedView view, CancellationToken cancellationToken);
}

/// <summary>A picture a runtime has looked at.</summary>
/// <param name="State">What the runtime keeps of it.</param>
/// <param name="Width">Columns of the source picture.</param>
/// <param name="Height">Rows of the source picture.</param>
/// <param name="Map">Where the source lies in the network picture.</param>
/// <param name="Tokens">Rows it takes in the decoder.</param>
/// <param name="EncodeTime">Time of the vision encoder and projector.</param>
/// <param name="PrefillTime">Time the decoder took to read it.</param>
internal sealed record EncodedView(
    IDisposable State, int Width, int Height, CoordinateMap Map, int Tokens, TimeSpan EncodeTime, TimeSpan PrefillTime);
