using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Siglip;
using VlmSdk.Queries;
using VlmSdk.Scheduling;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk;

/// <summary>Labels whose text embeddings are computed, so that a picture is compared with all of them at once.</summary>
/// <param name="Labels">The labels as they were given.</param>
/// <param name="Embeddings">F32 [labels, E], each of length 1.</param>
public sealed record LabelSet(IReadOnlyList<string> Labels, HostTensor Embeddings);

/// <summary>How well one label fits a picture.</summary>
/// <param name="Label">The label.</param>
/// <param name="Probability">That picture and label belong together, 0..1, on its own: the probabilities of a set do not sum to 1, and all may be small.</param>
/// <param name="Logit">The number before the sigmoid; compare these to find the best label.</param>
public readonly record struct LabelScore(string Label, float Probability, float Logit);

/// <summary>
/// Compares pictures with labels by a SigLIP model (Zhai et al. 2023). All calls are asynchronous and run on the thread pool,
/// one at a time. Thread-safe.
/// </summary>
public sealed class ZeroShotClassifier : IAsyncDisposable
{
    // Texts are embedded in groups of this size, so that one graph serves label sets of any size.
    private const int TextBatch = 8;

    private readonly SiglipConfig _config;
    private readonly ITokenizer _tokenizer;
    private readonly ImageConvention _picture;
    private readonly IExecutor _executor;
    private readonly bool _ownsExecutor;
    private readonly IPlan _image, _text;
    private readonly float _scale, _bias;
    private readonly ModelGate _gate = new(typeof(ZeroShotClassifier));

    private ZeroShotClassifier(SiglipConfig config, ImageConvention picture, ITokenizer tokenizer, WeightBinding weights, IExecutor executor, bool ownsExecutor)
    {
        (_config, _picture, _tokenizer, _executor, _ownsExecutor) = (config, picture, tokenizer, executor, ownsExecutor);
        var g = new GraphBuilder();
        g.Output("embeddings", SiglipModel.ImageEmbeddings(g, config, g.Input("pixels", DType.F32, 1, 3, config.Vision.ImageSide, config.Vision.ImageSide)));
        _image = executor.Prepare(g.Build(), weights);
        g = new GraphBuilder();
        g.Output("embeddings", SiglipModel.TextEmbeddings(g, config, g.Input("ids", DType.I32, TextBatch, config.TextLength)));
        _text = executor.Prepare(g.Build(), weights);
        _scale = MathF.Exp(weights.Get("logit_scale").Floats[0]);
        _bias = weights.Get("logit_bias").Floats[0];
    }

    /// <summary>The input the model wants; hand it to a capture, so that the capture makes it on the GPU.</summary>
    /// <exception cref="UnsupportedQueryException">The files are big_vision's, whose picture rule a capture does not know; pass whole pictures instead.</exception>
    public PatchGridSpec PatchGridSpec => _picture.Grid(1, 1) ?? throw new UnsupportedQueryException(
        $"The picture rule '{_picture.Name}' has a step that capture grids do not know; classify whole pictures (PixelBuffer) instead.");

    /// <summary>Loads a SigLIP folder.</summary>
    /// <param name="folder">A published folder with weights, <c>config.json</c> and the tokenizer, or the weights' file in it.</param>
    /// <param name="options">How to load it; defaults when omitted.</param>
    /// <param name="cancellationToken">Ends the loading.</param>
    /// <exception cref="CheckpointException">No SigLIP model is there, or its files are malformed or disagree.</exception>
    /// <exception cref="DeviceUnavailableException">The backend cannot be made here.</exception>
    public static Task<ZeroShotClassifier> LoadAsync(string folder, VlmModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        options ??= new VlmModelOptions();
        return Task.Run(() =>
        {
            using ModelFiles files = ModelFiles.Open(folder);
            ModelFamily family = ModelRegistry.Find(files);
            ModelDescription description = family.Describe(files);
            if (description.Config is not SiglipConfig config)
                throw new CheckpointException(folder, null, $"is a {family.Name} model; labels are compared with pictures by SigLIP models. Load it with VlmModel.");
            ITokenizer tokenizer = TokenizerFile.Load(files.Folder);
            if (tokenizer.VocabularySize > config.VocabularySize || tokenizer.FindId(SiglipText.End) is null)
                throw new CheckpointException(folder, null, $"the tokenizer has {tokenizer.VocabularySize} tokens and the text encoder {config.VocabularySize}, " +
                    $"and its texts must end in '{SiglipText.End}'. Use the tokenizer that belongs to the model.");
            cancellationToken.ThrowIfCancellationRequested();
            ImageConvention picture = VlmRuntimes.SiglipPicture(files, config.Vision.ImageSide);
            return Backends.Use(options, executor => new ZeroShotClassifier(
                config, picture, tokenizer, VlmRuntimes.Read(folder, description, executor, options, cancellationToken), executor, options.Executor is null));
        }, cancellationToken);
    }

    /// <summary>Embeds labels, to be used for any number of pictures.</summary>
    /// <param name="labels">One or more, such as "a red crate".</param>
    /// <param name="template">The sentence that "{label}" is replaced in; null for the one SigLIP is usually given.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ArgumentException">There are no labels, one is empty, or the template has no place for it.</exception>
    public Task<LabelSet> EmbedLabelsAsync(IReadOnlyList<string> labels, string? template = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(labels);
        template ??= SiglipText.Template;
        if (labels.Count == 0 || labels.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("Give one label or more, none of them empty.", nameof(labels));
        if (!template.Contains("{label}", StringComparison.Ordinal))
            throw new ArgumentException($"The template '{template}' has no {{label}} in it.", nameof(template));
        _gate.ThrowIfClosed();
        return _gate.RunAsync(token =>
        {
            int width = _config.ProjectionSize, row = _config.TextLength;
            int[] ids = SiglipText.Ids(_config, _tokenizer, [.. labels.Select(l => template.Replace("{label}", l, StringComparison.Ordinal))]);
            var embeddings = new HostTensor(DType.F32, new Shape(labels.Count, width));
            for (int from = 0; from < labels.Count; from += TextBatch)
            {
                int count = Math.Min(TextBatch, labels.Count - from);
                _text.Input("ids").Ints.Clear();
                ids.AsSpan(from * row, count * row).CopyTo(_text.Input("ids").Ints);
                _text.Run(null, token);
                _text.Output("embeddings").Floats[..(count * width)].CopyTo(embeddings.Floats[(from * width)..]);
            }
            return new LabelSet([.. labels], embeddings);
        }, cancellationToken);
    }

    /// <summary>How well each label fits a picture, in the set's order.</summary>
    /// <exception cref="ArgumentException">The labels were embedded by a model of another width.</exception>
    public Task<IReadOnlyList<LabelScore>> ClassifyAsync(PixelBuffer picture, LabelSet labels, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(picture);
        Check(labels);
        return _gate.RunAsync(token =>
        {
            using PatchGrid grid = _picture.Process(picture);
            return Score(grid, labels, token);
        }, cancellationToken);
    }

    /// <summary>How well each label fits a captured frame, in the set's order. The grid is disposed, whatever the outcome.</summary>
    /// <exception cref="ArgumentException">The labels were embedded by a model of another width.</exception>
    /// <exception cref="ShapeMismatchException">The grid was made by another specification than <see cref="PatchGridSpec"/>.</exception>
    public async Task<IReadOnlyList<LabelScore>> ClassifyAsync(PatchGrid grid, LabelSet labels, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(grid);
        using (grid)
        {
            Check(labels);
            if (!grid.Spec.GivesSameAs(PatchGridSpec))
                throw new ShapeMismatchException($"The patch grid {grid.Spec.Shape} was made by another specification than the model needs ({PatchGridSpec.Shape}); make it with PatchGridSpec.");
            return await _gate.RunAsync(token => Score(grid, labels, token), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _gate.CloseAsync(() =>
    {
        _image.Dispose();
        _text.Dispose();
        if (_ownsExecutor)
            _executor.Dispose();
    });

    private void Check(LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        _gate.ThrowIfClosed();
        if (labels.Embeddings.Shape != new Shape(labels.Labels.Count, _config.ProjectionSize))
            throw new ArgumentException(
                $"The labels' embeddings are {labels.Embeddings.Shape}; this model's are [{labels.Labels.Count}, {_config.ProjectionSize}]. Embed them with this model.", nameof(labels));
    }

    private IReadOnlyList<LabelScore> Score(PatchGrid grid, LabelSet labels, CancellationToken cancellationToken)
    {
        grid.Values.Data.CopyTo(_image.Input("pixels").Data);
        _image.Run(null, cancellationToken);
        Span<float> image = _image.Output("embeddings").Floats;
        var scores = new LabelScore[labels.Labels.Count];
        for (int i = 0; i < scores.Length; i++)
        {
            Span<float> label = labels.Embeddings.Floats.Slice(i * image.Length, image.Length);
            float product = 0;
            for (int e = 0; e < image.Length; e++)
                product += label[e] * image[e];
            float logit = product * _scale + _bias;
            scores[i] = new LabelScore(labels.Labels[i], 1 / (1 + MathF.Exp(-logit)), logit);
        }
        return scores;
    }
}
