using System.Runtime.CompilerServices;
using System.Threading.Channels;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk;

/// <summary>What a model can do.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Describes">It writes descriptions.</param>
/// <param name="Answers">It answers questions.</param>
/// <param name="Grounds">It finds phrases and gives boxes.</param>
/// <param name="Vocabulary">All words it knows when it is a closed set; null when any text will do.</param>
public sealed record VlmCapabilities(string Name, bool Describes, bool Answers, bool Grounds, IReadOnlyList<string>? Vocabulary);

/// <summary>
/// A vision-language model, loaded and ready. All calls are asynchronous and run on the thread pool, one at a time in the
/// order in which they came; none blocks its caller. Thread-safe. Dispose it last: pending calls end with
/// <see cref="ObjectDisposedException"/> or <see cref="OperationCanceledException"/>.
/// </summary>
public sealed class VlmModel : IAsyncDisposable
{
    private readonly ScoutRuntime _runtime;
    private readonly IExecutor _executor;
    private readonly VlmModelOptions _options;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private int _disposed;

    private VlmModel(string name, ScoutCheckpoint checkpoint, VlmModelOptions options)
    {
        _options = options;
        _executor = options.Executor ?? Backends.Create(options.Backend);
        try
        {
            _runtime = new ScoutRuntime(checkpoint.Config, new WeightBinding(checkpoint.Source, checkpoint.Tensors), _executor);
        }
        catch when (options.Executor is null)
        {
            _executor.Dispose();
            throw;
        }
        PatchGridSpec = ScoutProcessor.Spec(checkpoint.Config);
        Capabilities = new VlmCapabilities(name, true, true, true,
            ScoutVocabulary.Words.Where((_, id) => !ScoutVocabulary.IsControl(id) && !ScoutVocabulary.IsLocation(id)).ToArray());
    }

    /// <summary>What the model can do.</summary>
    public VlmCapabilities Capabilities { get; }

    /// <summary>The input the model wants; hand it to a capture, so that the capture makes it on the GPU.</summary>
    public PatchGridSpec PatchGridSpec { get; }

    /// <summary>Name of the executor that runs the model.</summary>
    public string ExecutorName => _executor.Name;

    /// <summary>The work done since loading.</summary>
    public WorkCounts Work => _runtime.Work;

    /// <summary>Loads a model.</summary>
    /// <param name="model">"scout" for the embedded default, a GGUF file, or a folder that holds one model.</param>
    /// <param name="options">How to load it; defaults when omitted.</param>
    /// <param name="cancellationToken">Ends the loading.</param>
    /// <exception cref="CheckpointException">No model is there, or it is malformed or of a kind this class does not run.</exception>
    /// <exception cref="DeviceUnavailableException">The backend cannot be made here.</exception>
    public static Task<VlmModel> LoadAsync(string model, VlmModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        options ??= new VlmModelOptions();
        return Task.Run(() =>
        {
            ScoutCheckpoint checkpoint = ScoutCheckpoint.Load(model);
            cancellationToken.ThrowIfCancellationRequested();
            return new VlmModel(model, checkpoint, options);
        }, cancellationToken);
    }

    /// <summary>Looks at a captured frame. Await it off the render thread; the ticket's ring slot is freed when its grid was read.</summary>
    /// <exception cref="CaptureException">The frame was dropped and none newer came, or the capture was detached.</exception>
    /// <exception cref="ShapeMismatchException">The capture makes another grid than <see cref="PatchGridSpec"/>.</exception>
    public async Task<EncodedImage> EncodeAsync(FrameTicket frame, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        PatchGrid grid = await frame.TakeAsync(cancellationToken).ConfigureAwait(false);
        return await EncodeAsync(grid, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks at a picture in host memory, such as a decoded file or a camera frame.</summary>
    public Task<EncodedImage> EncodeAsync(PixelBuffer picture, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ThrowIfDisposed();
        return RunAsync(token => Encode(ImageProcessor.Process(picture, PatchGridSpec), token), cancellationToken);
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
            ThrowIfDisposed();
            if (!grid.Spec.GivesSameAs(PatchGridSpec))
                throw new ShapeMismatchException(
                    $"The patch grid {grid.Spec.Shape} was made by another specification than {Capabilities.Name} needs ({PatchGridSpec.Shape}); " +
                    "make it with this model's PatchGridSpec.");
            return await RunAsync(token => Encode(grid, token), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Describes a picture, word by word as they are written; joined pieces are the text.</summary>
    public IAsyncEnumerable<string> DescribeAsync(EncodedImage view, CancellationToken cancellationToken = default) =>
        DescribeAsync(view, new DescribeOptions(), cancellationToken);

    /// <inheritdoc cref="DescribeAsync(EncodedImage, CancellationToken)"/>
    public async IAsyncEnumerable<string> DescribeAsync(
        EncodedImage view, DescribeOptions options, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Check(view, options);
        // The writer never waits for the reader, so a slow reader does not hold the model; a reader who leaves stops it.
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<QueryStatistics> writing = RunAsync(token =>
        {
            var speller = new ScoutSpeller(sentences: true);
            QueryStatistics statistics = _runtime.Generate(view.Cache, ScoutPrompt.Describe(), AnswerForm.Text, options.MaxTokens,
                SamplerOf(options.Sampling), null, step =>
                {
                    if (step.Token != _runtime.Tokens.End && speller.Append(step.Token) is { Length: > 0 } piece)
                        pieces.Writer.TryWrite(piece);
                    return true;
                }, token);
            if (speller.Finish() is { Length: > 0 } rest)
                pieces.Writer.TryWrite(rest);
            return statistics;
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
        ScoutText text = Fold(question);
        int[] prompt = Prompt(ScoutPrompt.Ask(text));
        return RunAsync(token =>
        {
            double confidence = 1;
            var words = new List<int>();
            QueryStatistics statistics = _runtime.Generate(view.Cache, prompt, AnswerForm.Text, options.MaxTokens, SamplerOf(options.Sampling), null, step =>
            {
                if (step.Token != _runtime.Tokens.End)
                {
                    words.Add(step.Token);
                    confidence *= step.Probability;
                }
                return true;
            }, token);
            return new Answer(ScoutSpeller.Spell(words), words.Count == 0 ? 0 : (float)confidence, text.Unknown, text.Folded, statistics);
        }, cancellationToken);
    }

    /// <summary>Finds what a phrase names: boxes in source pixels with confidences, or <see cref="NotInView"/>.</summary>
    /// <exception cref="EmptyPromptException">The phrase is empty.</exception>
    /// <exception cref="PromptTooLongException">It is longer than the options allow or the model can read.</exception>
    public Task<GroundingResult> GroundAsync(EncodedImage view, string phrase, CancellationToken cancellationToken = default) =>
        GroundAsync(view, phrase, new GroundOptions(), cancellationToken);

    /// <inheritdoc cref="GroundAsync(EncodedImage, string, CancellationToken)"/>
    public Task<GroundingResult> GroundAsync(EncodedImage view, string phrase, GroundOptions options, CancellationToken cancellationToken = default)
    {
        Check(view, options);
        ScoutText text = Fold(phrase);
        int[] prompt = Prompt(ScoutPrompt.Ground(text));
        if (!ScoutPrompt.CanGround(text))
            return Task.FromResult<GroundingResult>(new NotInView
            {
                Phrase = phrase,
                Presence = 0,
                Detections = [],
                UnknownWords = text.Unknown,
                FoldedWords = text.Folded,
            });
        return RunAsync<GroundingResult>(token =>
        {
            float presence = 0;
            var reader = new DetectionReader(_runtime.Tokens, view.Map);
            QueryStatistics statistics = _runtime.Generate(view.Cache, prompt, AnswerForm.Grounding, ScoutRuntime.LongestAnswer, null, first =>
            {
                presence = first[_runtime.Tokens.InView];
                return presence >= options.Threshold ? _runtime.Tokens.InView : _runtime.Tokens.NotInView;
            }, step =>
            {
                reader.Read(step);
                return reader.Detections.Count < options.MaxDetections;
            }, token);
            return presence < options.Threshold
                ? new NotInView { Phrase = phrase, Presence = presence, Detections = [], UnknownWords = text.Unknown, FoldedWords = text.Folded, Statistics = statistics }
                : new Grounded
                {
                    Phrase = phrase,
                    Presence = presence,
                    UnknownWords = text.Unknown,
                    FoldedWords = text.Folded,
                    Statistics = statistics,
                    Detections = reader.Detections.Select(d => d with { Confidence = d.Confidence * presence }).ToArray(),
                };
        }, cancellationToken);
    }

    /// <summary>Lists every object the model sees, in the order it names them, each with its box. It was taught to go left to right.</summary>
    public Task<IReadOnlyList<Detection>> DetectAsync(EncodedImage view, CancellationToken cancellationToken = default)
    {
        Check(view);
        return RunAsync<IReadOnlyList<Detection>>(token =>
        {
            var reader = new DetectionReader(_runtime.Tokens, view.Map);
            _runtime.Generate(view.Cache, ScoutPrompt.Detect(), AnswerForm.Detections, ScoutRuntime.LongestAnswer, null, null, step =>
            {
                reader.Read(step);
                return true;
            }, token);
            return reader.Detections;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _closing.CancelAsync().ConfigureAwait(false);
        await _gate.WaitAsync().ConfigureAwait(false);
        _runtime.Dispose();
        if (_options.Executor is null)
            _executor.Dispose();
        _closing.Dispose();
        // The gate stays closed; whoever waits for it was cancelled by the closing token.
    }

    private EncodedImage Encode(PatchGrid grid, CancellationToken cancellationToken)
    {
        (KvCache cache, TimeSpan encode, TimeSpan prefill) = _runtime.Encode(grid, cancellationToken);
        return new EncodedImage(this, cache, grid.Map, encode, prefill);
    }

    /// <summary>Runs work on the thread pool, alone, until it is done, cancelled, or the model is disposed.</summary>
    private async Task<T> RunAsync<T>(Func<CancellationToken, T> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CancellationTokenSource linked;
        try
        {
            linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        }
        catch (ObjectDisposedException)
        {
            throw new ObjectDisposedException(nameof(VlmModel));
        }
        using (linked)
        {
            try
            {
                await _gate.WaitAsync(linked.Token).ConfigureAwait(false);
                try
                {
                    return await Task.Run(() => work(linked.Token), CancellationToken.None).ConfigureAwait(false);
                }
                finally
                {
                    _gate.Release();
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
            catch (OperationCanceledException) when (_disposed != 0)
            {
                throw new ObjectDisposedException(nameof(VlmModel), "The model was disposed while the call was waiting or running.");
            }
        }
    }

    private static Sampler? SamplerOf(SamplingOptions options) => options.Temperature == 0 ? null : new Sampler(options);

    private ScoutText Fold(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (string.IsNullOrWhiteSpace(text))
            throw new EmptyPromptException();
        if (text.Length > _options.LongestText)
            throw new PromptTooLongException(text.Length, _options.LongestText, "characters", "Shorten it, or raise VlmModelOptions.LongestText.");
        return ScoutPrompt.Fold(text);
    }

    private static int[] Prompt(int[] ids) => ids.Length <= ScoutRuntime.LongestPrompt
        ? ids
        : throw new PromptTooLongException(ids.Length, ScoutRuntime.LongestPrompt, "tokens", "Shorten it.");

    private void Check(EncodedImage view, object options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(view);
    }

    private void Check(EncodedImage view)
    {
        ArgumentNullException.ThrowIfNull(view);
        ThrowIfDisposed();
        ObjectDisposedException.ThrowIf(view.IsDisposed, view);
        if (view.Model != this)
            throw new ArgumentException("The image was encoded by another model; encode it with this one.", nameof(view));
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);
}
