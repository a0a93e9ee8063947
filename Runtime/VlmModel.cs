using System.Runtime.CompilerServices;
using System.Threading.Channels;
using VlmSdk.Execution;
using VlmSdk.Models;
using VlmSdk.Queries;
using VlmSdk.Scheduling;
using VlmSdk.Vision;

namespace VlmSdk;

/// <summary>What a model can do.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Abilities">What it can be asked.</param>
/// <param name="Vocabulary">All words it knows when it is a closed set; null when any text will do.</param>
public sealed record VlmCapabilities(string Name, ModelAbilities Abilities, IReadOnlyList<string>? Vocabulary)
{
    /// <summary>It writes descriptions.</summary>
    public bool Describes => Abilities.HasFlag(ModelAbilities.Describe);

    /// <summary>It answers questions.</summary>
    public bool Answers => Abilities.HasFlag(ModelAbilities.Answer);

    /// <summary>It finds phrases and gives boxes.</summary>
    public bool Grounds => Abilities.HasFlag(ModelAbilities.Ground);

    /// <summary>It lists all objects it sees.</summary>
    public bool Lists => Abilities.HasFlag(ModelAbilities.List);

    /// <summary>It finds phrases and gives boxes with masks.</summary>
    public bool Segments => Abilities.HasFlag(ModelAbilities.Segment);
}

/// <summary>
/// A vision-language model, loaded and ready. All calls are asynchronous and run on the thread pool, one at a time in the
/// order in which they came; none blocks its caller. Thread-safe. Dispose it last: pending calls end with
/// <see cref="ObjectDisposedException"/> or <see cref="OperationCanceledException"/>.
/// </summary>
public sealed class VlmModel : IAsyncDisposable
{
    private readonly IVlmRuntime _runtime;
    private readonly IExecutor _executor;
    private readonly VlmModelOptions _options;
    private readonly ModelGate _gate = new(typeof(VlmModel));

    private VlmModel(IVlmRuntime runtime, IExecutor executor, VlmModelOptions options) =>
        (_runtime, _executor, _options) = (runtime, executor, options);

    /// <summary>What the model can do.</summary>
    public VlmCapabilities Capabilities => _runtime.Capabilities;

    /// <summary>The input the model wants; hand it to a capture, so that the capture makes it on the GPU.</summary>
    /// <exception cref="UnsupportedQueryException">The input depends on the picture's size: see <see cref="PatchGridSpecFor"/>.</exception>
    public PatchGridSpec PatchGridSpec => _runtime.GridFor(0, 0);

    /// <summary>The input the model wants for pictures of one size, such as a render target's.</summary>
    /// <param name="width">Columns, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <exception cref="UnsupportedQueryException">The published rule has a step that grids do not know; pass whole pictures instead.</exception>
    public PatchGridSpec PatchGridSpecFor(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        return _runtime.GridFor(width, height);
    }

    /// <summary>Name of the executor that runs the model.</summary>
    public string ExecutorName => _executor.Name;

    /// <summary>The work done since loading.</summary>
    public WorkCounts Work => _runtime.Work;

    /// <summary>Loads a model.</summary>
    /// <param name="model">"scout" for the embedded default, a folder that holds one model, or its weights' file (GGUF, or safetensors or npz in such a folder).</param>
    /// <param name="options">How to load it; defaults when omitted.</param>
    /// <param name="cancellationToken">Ends the loading.</param>
    /// <exception cref="CheckpointException">No model is there, or it is malformed or of a kind this class does not run.</exception>
    /// <exception cref="DeviceUnavailableException">The backend cannot be made here.</exception>
    public static Task<VlmModel> LoadAsync(string model, VlmModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        options ??= new VlmModelOptions();
        return Task.Run(() => Backends.Use(options, executor =>
            new VlmModel(VlmRuntimes.Load(model, executor, options, cancellationToken), executor, options)), cancellationToken);
    }

    /// <summary>Looks at a captured frame. Await it off the render thread; the ticket's ring slot is freed when its grid was read.</summary>
    /// <exception cref="CaptureException">The frame was dropped and none newer came, or the capture was detached.</exception>
    /// <exception cref="ShapeMismatchException">The capture makes another grid than <see cref="PatchGridSpec"/>.</exception>
    public async Task<EncodedImage> EncodeAsync(FrameTicket frame, CancellationToken cancellationToken = default)
    {
        _gate.ThrowIfClosed();
        PatchGrid grid = await frame.TakeAsync(cancellationToken).ConfigureAwait(false);
        return await EncodeAsync(grid, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks at a picture in host memory, such as a decoded file or a camera frame.</summary>
    public Task<EncodedImage> EncodeAsync(PixelBuffer picture, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(picture);
        _gate.ThrowIfClosed();
        return _gate.RunAsync(token => new EncodedImage(this, _runtime.Encode(picture, token)), cancellationToken);
    }

    /// <summary>Looks at a patch grid made elsewhere and disposes it, whatever the outcome.</summary>
    /// <exception cref="ShapeMismatchException">The grid was made by another specification than <see cref="PatchGridSpec"/>.</exception>
    /// <exception cref="ObjectDisposedException">The grid was used before, or the model was disposed.</exception>
    public async Task<EncodedImage> EncodeAsync(PatchGrid grid, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(grid);
        ObjectDisposedException.ThrowIf(grid.IsDisposed, grid);
        using (grid)
        {
            _gate.ThrowIfClosed();
            PatchGridSpec wanted = _runtime.GridFor(grid.Map.SourceWidth, grid.Map.SourceHeight);
            if (!grid.Spec.GivesSameAs(wanted))
                throw new ShapeMismatchException(
                    $"The patch grid {grid.Spec.Shape} was made by another specification than {Capabilities.Name} needs ({wanted.Shape}); " +
                    "make it with this model's PatchGridSpec.");
            return await _gate.RunAsync(token => new EncodedImage(this, _runtime.Encode(grid, token)), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Describes a picture, word by word as they are written; joined pieces are the text.</summary>
    public IAsyncEnumerable<string> DescribeAsync(EncodedImage view, CancellationToken cancellationToken = default) =>
        DescribeAsync(view, new DescribeOptions(), cancellationToken);

    /// <inheritdoc cref="DescribeAsync(EncodedImage, CancellationToken)"/>
    public IAsyncEnumerable<string> DescribeAsync(EncodedImage view, DescribeOptions options, CancellationToken cancellationToken = default)
    {
        Check(view, options);
        return StreamAsync(view, options, cancellationToken);
    }

    private async IAsyncEnumerable<string> StreamAsync(
        EncodedImage view, DescribeOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // The writer never waits for the reader, so a slow reader does not hold the model; a reader who leaves stops it.
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<bool> writing = _gate.RunAsync(token =>
        {
            _runtime.Describe(view.View, options, piece => pieces.Writer.TryWrite(piece), token);
            return true;
        }, leave.Token);
        _ = writing.ContinueWith(t => pieces.Writer.TryComplete(t.Exception?.InnerException), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            await foreach (string piece in pieces.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return piece;
            await writing.ConfigureAwait(false);
        }
        finally
        {
            await leave.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Answers a question about a picture.</summary>
    /// <exception cref="EmptyPromptException">The question is empty.</exception>
    /// <exception cref="PromptTooLongException">It is longer than the options allow or the model can read.</exception>
    public Task<Answer> AskAsync(EncodedImage view, string question, CancellationToken cancellationToken = default) =>
        AskAsync(view, question, new AskOptions(), cancellationToken);

    /// <inheritdoc cref="AskAsync(EncodedImage, string, CancellationToken)"/>
    public Task<Answer> AskAsync(EncodedImage view, string question, AskOptions options, CancellationToken cancellationToken = default)
    {
        Check(view, options);
        CheckText(question);
        return _gate.RunAsync(token => _runtime.Ask(view.View, question, options, token), cancellationToken);
    }

    /// <summary>Finds what a phrase names: boxes in source pixels with confidences, or <see cref="NotInView"/>.</summary>
    /// <exception cref="UnsupportedQueryException">The model gives no boxes.</exception>
    /// <exception cref="EmptyPromptException">The phrase is empty.</exception>
    /// <exception cref="PromptTooLongException">It is longer than the options allow or the model can read.</exception>
    public Task<GroundingResult> GroundAsync(EncodedImage view, string phrase, CancellationToken cancellationToken = default) =>
        GroundAsync(view, phrase, new GroundOptions(), cancellationToken);

    /// <inheritdoc cref="GroundAsync(EncodedImage, string, CancellationToken)"/>
    public Task<GroundingResult> GroundAsync(EncodedImage view, string phrase, GroundOptions options, CancellationToken cancellationToken = default)
    {
        Check(view, options);
        CheckText(phrase);
        return _gate.RunAsync(token => _runtime.Ground(view.View, phrase, options, token), cancellationToken);
    }

    /// <summary>
    /// Finds what a phrase names as <see cref="GroundAsync(EncodedImage, string, CancellationToken)"/> does, with the pixels that belong
    /// to it: <see cref="Detection.Mask"/>. PaliGemma does so where its mask codec, vae-oid.npz, lies in the model's folder.
    /// </summary>
    /// <exception cref="UnsupportedQueryException">The model gives no masks.</exception>
    /// <exception cref="EmptyPromptException">The phrase is empty.</exception>
    /// <exception cref="PromptTooLongException">It is longer than the options allow or the model can read.</exception>
    public Task<GroundingResult> SegmentAsync(EncodedImage view, string phrase, CancellationToken cancellationToken = default) =>
        SegmentAsync(view, phrase, new GroundOptions(), cancellationToken);

    /// <inheritdoc cref="SegmentAsync(EncodedImage, string, CancellationToken)"/>
    public Task<GroundingResult> SegmentAsync(EncodedImage view, string phrase, GroundOptions options, CancellationToken cancellationToken = default)
    {
        Check(view, options);
        CheckText(phrase);
        return _gate.RunAsync(token => _runtime.Segment(view.View, phrase, options, token), cancellationToken);
    }

    /// <summary>
    /// Lists every object the model sees, in the order it names them, each with its box. Scout goes left to right; what it holds
    /// for unlikely (confidence below 0.3) and second names of an object are left out.
    /// </summary>
    /// <exception cref="UnsupportedQueryException">The model has no such list.</exception>
    public Task<IReadOnlyList<Detection>> DetectAsync(EncodedImage view, CancellationToken cancellationToken = default)
    {
        Check(view);
        return _gate.RunAsync(token => _runtime.Detect(view.View, token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _gate.CloseAsync(() =>
    {
        _runtime.Dispose();
        if (_options.Executor is null)
            _executor.Dispose();
    });

    private void CheckText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (string.IsNullOrWhiteSpace(text))
            throw new EmptyPromptException();
        if (text.Length > _options.LongestText)
            throw new PromptTooLongException(text.Length, _options.LongestText, "characters", "Shorten it, or raise VlmModelOptions.LongestText.");
    }

    private void Check(EncodedImage view, object options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(view);
    }

    private void Check(EncodedImage view)
    {
        ArgumentNullException.ThrowIfNull(view);
        _gate.ThrowIfClosed();
        ObjectDisposedException.ThrowIf(view.IsDisposed, view);
        if (view.Model != this)
            throw new ArgumentException("The image was encoded by another model; encode it with this one.", nameof(view));
    }
}
