using System.Diagnostics;
using System.Text;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Models;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>
/// The queries of published models whose decoder reads picture rows in its prompt. Where each token sees only those before it, what
/// precedes the question is read once per picture and shared by all its questions.
/// </summary>
internal sealed class PrefixRuntime : IVlmRuntime
{
    // Room for a dozen boxes with masks and labels.
    private const int LongestBoxes = 300;

    private readonly IPrefixModel _model;
    private readonly ITokenizer _tokenizer;
    private readonly PrefixGenerator _generator;
    private readonly PaliGemmaGrounding? _grounding;
    private readonly int[] _endIds;

    /// <summary>Prepares a model on an executor, which stays the caller's; boxes only with <paramref name="grounding"/>.</summary>
    internal PrefixRuntime(VlmCapabilities capabilities, IPrefixModel model, ITokenizer tokenizer, WeightBinding weights, IExecutor executor, PaliGemmaGrounding? grounding)
    {
        (Capabilities, _model, _tokenizer, _grounding) = (capabilities, model, tokenizer, grounding);
        _generator = new PrefixGenerator(model, Math.Min(model.Decoder.Words, tokenizer.VocabularySize), weights, executor);
        _endIds = [.. model.EndTokens.Select(t => tokenizer.FindId(t)).OfType<int>()];
    }

    public VlmCapabilities Capabilities { get; }

    public WorkCounts Work => _generator.Work;

    public PatchGridSpec GridFor(int width, int height)
    {
        if (width != 0)
            return _model.Picture.Grid(width, height) ?? throw new UnsupportedQueryException(
                $"The picture rule '{_model.Picture.Name}' of {Capabilities.Name} has a step that capture grids do not know; encode whole pictures (PixelBuffer) instead.");
        (PatchGridSpec wide, PatchGridSpec high) = (GridFor(640, 360), GridFor(360, 640));
        return wide.GivesSameAs(high) ? wide : throw new UnsupportedQueryException(
            $"The input of {Capabilities.Name} depends on the picture's size; ask PatchGridSpecFor(width, height).");
    }

    public EncodedView Encode(PixelBuffer picture, CancellationToken cancellationToken)
    {
        using PatchGrid grid = _model.Picture.Process(picture);
        return Encode(grid, picture.Width, picture.Height, cancellationToken);
    }

    public EncodedView Encode(PatchGrid grid, CancellationToken cancellationToken) =>
        Encode(grid, grid.Map.SourceWidth, grid.Map.SourceHeight, cancellationToken);

    public void Describe(EncodedView view, DescribeOptions options, Action<string> write, CancellationToken cancellationToken) =>
        Generate(view, PromptTask.Describe, "", options.Sampling, options.MaxTokens, null, (_, _, piece) => write(piece), cancellationToken);

    public Answer Ask(EncodedView view, string question, AskOptions options, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        double confidence = 1;
        QueryStatistics statistics = Generate(view, PromptTask.Answer, question, options.Sampling, options.MaxTokens, null, (_, probability, piece) =>
        {
            text.Append(piece);
            confidence *= probability;
        }, cancellationToken);
        return new Answer(text.ToString(), (float)confidence, [], [], statistics);
    }

    public GroundingResult Ground(EncodedView view, string phrase, GroundOptions options, CancellationToken cancellationToken) =>
        _grounding is null ? throw Cannot("give boxes") : Find(_grounding, view, phrase, PromptTask.Detect, options, cancellationToken);

    public GroundingResult Segment(EncodedView view, string phrase, GroundOptions options, CancellationToken cancellationToken) =>
        _grounding is not { Segments: true } ? throw Cannot("give masks") : Find(_grounding, view, phrase, PromptTask.Segment, options, cancellationToken);

    public IReadOnlyList<Detection> Detect(EncodedView view, CancellationToken cancellationToken) => throw Cannot("list all objects");

    public void Dispose()
    {
        _generator.Dispose();
        _grounding?.Dispose();
    }

    private EncodedView Encode(PatchGrid grid, int width, int height, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        CoordinateMap map = grid.Map;
        HostTensor rows = _generator.Rows(grid, cancellationToken);
        grid.Dispose();
        long encoded = Stopwatch.GetTimestamp();
        int[] ids = _model.PictureIds(_tokenizer, map);
        if (_model.PromptSeesItself)
            return new EncodedView(new PictureRows(rows, ids, [], null), width, height, map, ids.Length, Stopwatch.GetElapsedTime(start, encoded), TimeSpan.Zero);
        // Everything up to the picture's end is the same for every question of a task; most families use it for all tasks.
        IReadOnlyList<PromptPart> parts = _model.Prompt(PromptTask.Answer, "");
        int end = parts.ToList().FindIndex(p => p is PromptPart.Picture) + 1;
        int[] prefix = PromptPart.Ids([.. parts.Take(end)], _tokenizer, [ids]);
        KvCache cache = _generator.CreateCache(prefix.Length);
        try
        {
            _generator.Prefill(cache, prefix, rows, cancellationToken);
        }
        catch
        {
            cache.Dispose();
            throw;
        }
        return new EncodedView(new PictureRows(rows, ids, prefix, cache), width, height, map, ids.Length, Stopwatch.GetElapsedTime(start, encoded), Stopwatch.GetElapsedTime(encoded));
    }

    private GroundingResult Find(
        PaliGemmaGrounding grounding, EncodedView view, string phrase, PromptTask task, GroundOptions options, CancellationToken cancellationToken)
    {
        LocationGrammar grammar = grounding.Grammar(options, task == PromptTask.Segment, LongestBoxes);
        var ids = new List<int>();
        var probabilities = new List<float>();
        QueryStatistics statistics = Generate(view, task, phrase, new SamplingOptions(), LongestBoxes, grammar, (id, probability, _) =>
        {
            if (id < 0)
                return;
            ids.Add(id);
            probabilities.Add(probability);
        }, cancellationToken);
        return GroundingResult.Of(phrase, grammar.Presence, grounding.Read(ids, probabilities, view, cancellationToken), statistics);
    }

    private QueryStatistics Generate(EncodedView view, PromptTask task, string text, SamplingOptions sampling, int maxTokens, ILogitsProcessor? grammar,
        Action<int, float, string> onToken, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var picture = (PictureRows)view.State;
        int[] prompt = PromptPart.Ids(_model.Prompt(task, text), _tokenizer, [picture.Ids]);
        int context = _model.Decoder.ContextLength;
        if (prompt.Length >= context)
            throw new PromptTooLongException(prompt.Length, context - 1, "tokens", "Shorten it, or use a model with a longer context.");
        using KvCache cache = _generator.CreateCache(Math.Min(context, prompt.Length + maxTokens));
        Span<float> logits = Read(cache, picture, prompt, cancellationToken);
        long prefilled = Stopwatch.GetTimestamp();

        var sampler = new Sampler(sampling);
        StoppingState stopping = new StoppingRule { EndIds = _endIds, MaxTokens = maxTokens }.Begin();
        var detokenizer = new StreamingDetokenizer(_tokenizer);
        var probabilities = new float[logits.Length];
        bool begun = false;
        int written = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            grammar?.Process(logits);
            Logits.Softmax(logits, probabilities);
            int id = sampler.Next(logits);
            grammar?.Accept(id);
            StopReason reason = stopping.AcceptToken(id);
            bool full = cache.Length + 1 >= context;
            if (reason != StopReason.EndToken)
            {
                written++;
                onToken(id, probabilities[id], Trimmed(detokenizer.Append(id)));
            }
            if (reason != StopReason.None || full)
            {
                if (detokenizer.Flush() is { Length: > 0 } rest)
                    onToken(-1, 1, Trimmed(rest));
                return new QueryStatistics(prompt.Length - picture.Ids.Length, written, Stopwatch.GetElapsedTime(start, prefilled), Stopwatch.GetElapsedTime(prefilled));
            }
            logits = _generator.Append(cache, new ReadOnlySpan<int>(in id), cancellationToken);
        }

        // Answers begin behind a template that some vocabularies end with a space of the answer's own.
        string Trimmed(string piece)
        {
            if (!begun)
                piece = piece.TrimStart();
            begun |= piece.Length > 0;
            return piece;
        }
    }

    private Span<float> Read(KvCache cache, PictureRows picture, int[] prompt, CancellationToken cancellationToken)
    {
        int[] known = picture.PrefixIds;
        if (picture.Prefix is null || known.Length >= prompt.Length || !prompt.AsSpan().StartsWith(known))
            return _generator.Prefill(cache, prompt, picture.Rows, cancellationToken);
        cache.CopyFrom(picture.Prefix);
        return _generator.Append(cache, prompt.AsSpan(known.Length), cancellationToken);
    }

    private UnsupportedQueryException Cannot(string what) => new(
        $"{Capabilities.Name} cannot {what}; it can: {Capabilities.Abilities}. Use a model whose capabilities name it.");

    /// <summary>A picture's rows, its ids in a prompt, and the cache of what precedes every question.</summary>
    private sealed record PictureRows(HostTensor Rows, int[] Ids, int[] PrefixIds, KvCache? Prefix) : IDisposable
    {
        public void Dispose() => Prefix?.Dispose();
    }
}
