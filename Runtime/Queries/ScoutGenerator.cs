using System.Diagnostics;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>
/// Scout's graphs, prepared once, and the loop that writes an answer. One call at a time (the model's gate sees to it).
/// </summary>
internal sealed class ScoutGenerator : IDisposable
{
    /// <summary>Longest prompt and longest answer in tokens.</summary>
    internal const int LongestPrompt = 128, LongestAnswer = 256;

    // Prompts are read in chunks of this size, the last one padded: one graph serves every prompt.
    private const int Chunk = 16;

    // Location tokens: the expected value is taken this near the likeliest bin (recipe section 9).
    private const int ExpectationReach = 6, ConfidenceReach = 2;

    private readonly ScoutConfig _config;
    private readonly IPlan _encode, _prefix, _chunk, _step;
    private readonly KvCacheSpec _imageSpec;
    private readonly KvCache _work;
    private readonly IExecutor _executor;
    private readonly float[] _probabilities;
    private long _encodes, _picturePrefills, _promptPrefills, _decodeSteps;

    internal ScoutGenerator(ScoutConfig config, WeightBinding weights, IExecutor executor)
    {
        _config = config;
        _executor = executor;
        _encode = executor.Prepare(ScoutGraphs.Encode(config), weights);
        _prefix = executor.Prepare(ScoutGraphs.Prefix(config), weights);
        _chunk = executor.Prepare(ScoutGraphs.Text(config, Chunk), weights);
        _step = executor.Prepare(ScoutGraphs.Text(config, 1), weights);
        _imageSpec = new KvCacheSpec(config.DecoderLayers, config.DecoderWidth / config.HeadWidth, config.HeadWidth, config.PictureTokens);
        _work = executor.CreateCache(_imageSpec with { Capacity = config.PictureTokens + LongestPrompt + Chunk + LongestAnswer });
        _probabilities = new float[config.VocabularySize];
        Tokens = new AnswerTokens(
            Id("<eos>"), Id("<ref>"), Id("</ref>"), Id("<box>"), Id("</box>"), Id("<InView>"), Id("<NotInView>"),
            config.LocationBase, config.LocationBins, IsWord);
        static int Id(string word) => ScoutVocabulary.Id(word);
    }

    internal AnswerTokens Tokens { get; }

    internal WorkCounts Work => new(
        Interlocked.Read(ref _encodes), Interlocked.Read(ref _picturePrefills), Interlocked.Read(ref _promptPrefills), Interlocked.Read(ref _decodeSteps));

    /// <summary>Encodes a picture and lets the decoder read it: a cache of the picture tokens, and the two times.</summary>
    internal (KvCache Cache, TimeSpan Encode, TimeSpan Prefill) Encode(PatchGrid grid, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        grid.Values.Data.CopyTo(_encode.Input("pixels").Data);
        grid.Dispose();
        _encode.Run(null, cancellationToken);
        Interlocked.Increment(ref _encodes);
        long encoded = Stopwatch.GetTimestamp();
        KvCache cache = _executor.CreateCache(_imageSpec);
        try
        {
            _encode.Output("picture").Data.CopyTo(_prefix.Input("picture").Data);
            ChunkRunner.Positions(_prefix, 0);
            _prefix.Run(cache, cancellationToken);
        }
        catch
        {
            cache.Dispose();
            throw;
        }
        Interlocked.Increment(ref _picturePrefills);
        return (cache, Stopwatch.GetElapsedTime(start, encoded), Stopwatch.GetElapsedTime(encoded));
    }

    /// <summary>One answer token with what its probability says.</summary>
    /// <param name="Token">The token.</param>
    /// <param name="Probability">Its probability among the allowed tokens.</param>
    /// <param name="Place">For a location: the expected place in 0..1 of the network picture's side.</param>
    internal readonly record struct Step(int Token, float Probability, double Place);

    /// <summary>
    /// Reads a prompt behind a picture and writes the answer, token by token. <paramref name="onToken"/> may end it early
    /// by returning false; <paramref name="firstChoice"/> may replace the first token, given its probabilities.
    /// </summary>
    internal QueryStatistics Generate(KvCache picture, int[] prompt, AnswerForm form, int maxTokens, Sampler? sampler,
        Func<ReadOnlySpan<float>, int?>? firstChoice, Func<Step, bool> onToken, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        _work.CopyFrom(picture);
        Span<float> logits = Prefill(prompt, cancellationToken);
        long prefilled = Stopwatch.GetTimestamp();
        var grammar = new AnswerGrammar(Tokens, form, _config.VocabularySize, Math.Min(maxTokens, LongestAnswer));
        int written = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Step step = Choose(logits, grammar, sampler);
            if (written == 0 && firstChoice?.Invoke(_probabilities) is { } forced)
                step = new Step(forced, _probabilities[forced], 0);
            grammar.Accept(step.Token);
            written++;
            bool goOn = onToken(step);
            if (grammar.IsDone || !goOn)
                return new QueryStatistics(prompt.Length, written, Stopwatch.GetElapsedTime(start, prefilled), Stopwatch.GetElapsedTime(prefilled));
            logits = DecodeStep(step.Token, cancellationToken);
        }
    }

    public void Dispose()
    {
        _encode.Dispose();
        _prefix.Dispose();
        _chunk.Dispose();
        _step.Dispose();
        _work.Dispose();
    }

    private Step Choose(Span<float> logits, AnswerGrammar grammar, Sampler? sampler)
    {
        grammar.Process(logits);
        Logits.Softmax(logits, _probabilities);
        if (!grammar.ExpectsLocation)
        {
            int token = sampler?.Next(logits) ?? Logits.ArgMax(logits);
            return new Step(token, _probabilities[token], 0);
        }
        ReadOnlySpan<float> bins = _probabilities.AsSpan(_config.LocationBase, _config.LocationBins);
        int best = Logits.ArgMax(bins);
        double mass = 0, moment = 0, near = 0;
        for (int k = Math.Max(0, best - ExpectationReach); k < Math.Min(bins.Length, best + ExpectationReach + 1); k++)
        {
            mass += bins[k];
            moment += bins[k] * (k + 0.5);
            if (Math.Abs(k - best) <= ConfidenceReach)
                near += bins[k];
        }
        double expected = moment / mass;
        int chosen = _config.LocationBase + Math.Clamp((int)expected, 0, bins.Length - 1);
        if (!grammar.Allows(chosen))
            chosen = _config.LocationBase + best;
        return new Step(chosen, (float)near, expected / bins.Length);
    }

    private Span<float> Prefill(int[] prompt, CancellationToken cancellationToken)
    {
        int done = 0;
        while (true)
        {
            int count = Math.Min(Chunk, prompt.Length - done), before = _work.Length;
            Span<int> ids = _chunk.Input("tokens").Ints;
            ids.Clear();
            prompt.AsSpan(done, count).CopyTo(ids);
            ChunkRunner.Positions(_chunk, before);
            _chunk.Run(_work, cancellationToken);
            // The padding came behind the prompt, so no token of it looked there; its keys are dropped.
            _work.Truncate(before + count);
            done += count;
            if (done == prompt.Length)
            {
                Interlocked.Increment(ref _promptPrefills);
                return _chunk.Output("logits").Floats.Slice((count - 1) * _config.VocabularySize, _config.VocabularySize);
            }
        }
    }

    private Span<float> DecodeStep(int token, CancellationToken cancellationToken)
    {
        _step.Input("tokens").Ints[0] = token;
        ChunkRunner.Positions(_step, _work.Length);
        _step.Run(_work, cancellationToken);
        Interlocked.Increment(ref _decodeSteps);
        return _step.Output("logits").Floats;
    }

    private static bool IsWord(int id) =>
        !ScoutVocabulary.IsControl(id) && !ScoutVocabulary.IsLocation(id) && ScoutVocabulary.Words[id][0] != '<';
}
