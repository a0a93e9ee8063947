using System.Runtime.CompilerServices;
using System.Text;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Weights;

namespace VlmSdk;

/// <summary>
/// A text model from a GGUF file of the Llama architecture, with the vocabulary the file embeds. Thread-safe: calls take
/// turns, token by token. Every call starts from nothing, so a call after a cancelled one gives what a fresh model would.
/// </summary>
public sealed class TextModel : IAsyncDisposable
{
    private readonly LlamaRunner _runner;
    private readonly ITokenizer? _tokenizer;
    private readonly IExecutor? _ownExecutor;
    private readonly TextModelOptions _options;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile bool _disposed;

    private TextModel(string source, LlamaConfig config, ITokenizer? tokenizer, WeightBinding weights, TextModelOptions options)
    {
        Source = source;
        Config = config;
        _tokenizer = tokenizer;
        _options = options;
        _ownExecutor = options.Executor is null ? new ReferenceExecutor() : null;
        _runner = new LlamaRunner(config, options.Executor ?? _ownExecutor!, weights);
    }

    /// <summary>Path of the file.</summary>
    public string Source { get; }

    /// <summary>Sizes of the decoder.</summary>
    public LlamaConfig Config { get; }

    /// <summary>Most tokens of prompt and answer together.</summary>
    public int ContextLength => Math.Min(Config.ContextLength, _options.MaxContext);

    /// <summary>The embedded vocabulary.</summary>
    /// <exception cref="CheckpointException">The file embeds none.</exception>
    public ITokenizer Tokenizer => _tokenizer ?? throw new CheckpointException(Source, "tokenizer.ggml.model",
        "the file embeds no vocabulary. Pass token ids instead of text, or convert the model with its vocabulary.");

    /// <summary>Opens and checks a file and reads its weights as they are stored; quantized ones stay quantized.</summary>
    /// <param name="path">A GGUF file of the Llama architecture.</param>
    /// <param name="options">Executor and limits.</param>
    /// <param name="cancellationToken">Stops between tensors.</param>
    /// <exception cref="CheckpointException">The file is missing, malformed, of another architecture or incomplete.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Task<TextModel> LoadAsync(string path, TextModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Task.Run(() => Load(path, options ?? new TextModelOptions(), cancellationToken), cancellationToken);
    }

    /// <summary>Generates text piece by piece; the pieces joined are the answer, and none breaks a character.</summary>
    /// <param name="prompt">Plain text: spellings of control tokens in it stay text.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="cancellationToken">Stops between operations, also inside the prompt.</param>
    /// <exception cref="EmptyPromptException">The prompt is empty.</exception>
    /// <exception cref="PromptTooLongException">The prompt exceeds the options' characters or the context.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="ModelOutputException">The model's logits cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IAsyncEnumerable<string> GenerateAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckPrompt(prompt);
        return StreamAsync(prompt, options ?? new GenerationOptions(), cancellationToken);
    }

    /// <summary>Generates the whole answer to a text; see <see cref="GenerateAsync"/> for parameters and errors.</summary>
    public async Task<GenerationResult> CompleteAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckPrompt(prompt);
        int[] ids = await Task.Run(() => PromptIds(prompt), cancellationToken).ConfigureAwait(false);
        return await CompleteAsync(ids, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Generates the whole answer to ids, which are taken as they are; works without an embedded vocabulary.</summary>
    /// <exception cref="EmptyPromptException">There are no ids.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">The ids exceed the context.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="ModelOutputException">The model's logits cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<GenerationResult> CompleteAsync(IReadOnlyList<int> promptIds, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckIds(promptIds);
        using var answer = new Answer(this, [.. promptIds], options ?? new GenerationOptions());
        var text = new StringBuilder();
        while (await NextAsync(answer, cancellationToken).ConfigureAwait(false) is { } piece)
            text.Append(piece);
        return answer.Result(text.ToString());
    }

    /// <summary>
    /// Waits for the token in progress and releases plans and, when it is the model's own, the executor. Calls not yet
    /// at their end throw <see cref="ObjectDisposedException"/> at their next token.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            _runner.Dispose();
            _ownExecutor?.Dispose();
        }
        finally
        {
            // The turn itself lives on, so that a call waiting for it finds the model disposed.
            _turn.Release();
        }
    }

    private static TextModel Load(string path, TextModelOptions options, CancellationToken cancellationToken)
    {
        using GgufFile file = GgufFile.Open(path);
        LlamaConfig config = LlamaConfig.FromGguf(file);
        ITokenizer? tokenizer = GgufTokenizer.IsPresent(file) ? GgufTokenizer.Load(file) : null;
        if (tokenizer is not null && tokenizer.VocabularySize != config.VocabularySize)
            throw new CheckpointException(path, "token_embd.weight",
                $"has {config.VocabularySize} rows, but the vocabulary has {tokenizer.VocabularySize} tokens. Both must come from one model.");
        WeightSpec[] needed = [.. LlamaMapping.Tensors(config)];
        IReadOnlyDictionary<string, HostTensor> tensors = CheckpointMapping.Read(file, name => name, needed, cancellationToken: cancellationToken);
        return new TextModel(path, config, tokenizer, new WeightBinding(path, tensors, CheckpointMapping.Matrices(needed)), options);
    }

    private async IAsyncEnumerable<string> StreamAsync(string prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int[] ids = await Task.Run(() => PromptIds(prompt), cancellationToken).ConfigureAwait(false);
        CheckIds(ids);
        using var answer = new Answer(this, ids, options);
        while (await NextAsync(answer, cancellationToken).ConfigureAwait(false) is { } piece)
            if (piece.Length > 0)
                yield return piece;
    }

    private async Task<string?> NextAsync(Answer answer, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return await Task.Run(() => answer.Next(cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private int[] PromptIds(string prompt)
    {
        int[] ids = Tokenizer.Encode(prompt);
        return Tokenizer.AddsBegin && Tokenizer.BeginId is { } begin ? [begin, .. ids] : ids;
    }

    private void CheckPrompt(string prompt)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(prompt);
        _ = Tokenizer;
        if (prompt.Length == 0)
            throw new EmptyPromptException();
        if (prompt.Length > _options.MaxPromptCharacters)
            throw new PromptTooLongException(prompt.Length, _options.MaxPromptCharacters, "characters",
                $"Shorten it, or raise {nameof(TextModelOptions)}.{nameof(TextModelOptions.MaxPromptCharacters)}.");
    }

    private void CheckIds(IReadOnlyList<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Count == 0)
            throw new EmptyPromptException();
        if (ids.Count >= ContextLength)
            throw new PromptTooLongException(ids.Count, ContextLength - 1, "tokens",
                Config.ContextLength <= _options.MaxContext ? "Shorten it, or use a model with a longer context."
                    : $"Shorten it, or raise {nameof(TextModelOptions)}.{nameof(TextModelOptions.MaxContext)}.");
        foreach (int id in ids)
            if ((uint)id >= (uint)Config.VocabularySize)
                throw new ArgumentOutOfRangeException(nameof(ids), id, $"Token ids run from 0 to {Config.VocabularySize - 1}.");
    }

    /// <summary>One answer in the making; its tokens are made inside the model's turn.</summary>
    private sealed class Answer : IDisposable
    {
        private readonly TextModel _model;
        private readonly int[] _prompt;
        private readonly Sampler _sampler;
        private readonly StoppingState _stopping;
        private readonly ILogitsProcessor? _policy;
        private readonly StreamingDetokenizer? _text;
        private readonly List<int> _ids = [];
        private readonly int _capacity;
        private KvCache? _cache;
        private ScoredToken[] _firstBest = [];
        private StopReason _reason;

        internal Answer(TextModel model, int[] prompt, GenerationOptions options)
        {
            _model = model;
            _prompt = prompt;
            _sampler = new Sampler(options.Sampling);
            _stopping = new StoppingRule
            {
                EndIds = options.IgnoreEndTokens ? [] : model._tokenizer?.EndIds.ToArray() ?? [],
                MaxTokens = options.MaxTokens,
                StopStrings = options.StopStrings,
            }.Begin();
            _policy = options.LogitsProcessor?.Invoke();
            _text = model._tokenizer is null ? null : new StreamingDetokenizer(model._tokenizer);
            _capacity = (int)Math.Min(model.ContextLength, (long)prompt.Length + options.MaxTokens);
        }

        /// <summary>The text one more token makes visible, or null when the answer has ended.</summary>
        internal string? Next(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_reason != StopReason.None)
                return null;
            Span<float> logits = Run(cancellationToken);
            if (_ids.Count == 0)
                _firstBest = Logits.Top(logits, 8);
            _policy?.Process(logits);
            int id = _sampler.Next(logits);
            _reason = _stopping.AcceptToken(id);
            if (_reason == StopReason.EndToken)
                return Rest();
            _policy?.Accept(id);
            _ids.Add(id);
            string piece = _text is null ? "" : _stopping.AcceptText(_text.Append(id));
            if (_stopping.Reason == StopReason.StopString)
            {
                _reason = StopReason.StopString;
                return piece;
            }
            if (_reason == StopReason.None && _prompt.Length + _ids.Count >= _model.ContextLength)
                _reason = StopReason.ContextFull;
            return _reason == StopReason.None ? piece : piece + Rest();
        }

        public void Dispose() => _cache?.Dispose();

        internal GenerationResult Result(string text) => new()
        {
            PromptIds = _prompt,
            Ids = _ids,
            Text = text,
            FirstBest = _firstBest,
            StopReason = _reason,
        };

        private Span<float> Run(CancellationToken cancellationToken)
        {
            if (_ids.Count == 0)
                return _model._runner.Append(_cache = _model._runner.CreateCache(_capacity), _prompt, cancellationToken);
            int last = _ids[^1];
            return _model._runner.Append(_cache!, new ReadOnlySpan<int>(in last), cancellationToken);
        }

        // What the detokenizer and the stop strings still hold back.
        private string Rest()
        {
            string piece = _text is null ? "" : _stopping.AcceptText(_text.Flush());
            if (_stopping.Reason == StopReason.StopString)
                _reason = StopReason.StopString;
            return piece + _stopping.Flush();
        }
    }
}
