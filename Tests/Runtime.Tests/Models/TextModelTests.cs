using System.Diagnostics.CodeAnalysis;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;

namespace VlmSdk.Tests.Models;

/// <summary>Streaming, limits, cancellation and errors of TextModel, on the golden file that embeds a vocabulary.</summary>
internal sealed class TextModelTests
{
    private static readonly GenerationOptions Short = new() { MaxTokens = 12, IgnoreEndTokens = true };

    private static string ModelPath => Golden.Own("quant", "llama-mixed", "model.gguf");

    [Test]
    public async Task A_stream_joins_to_the_result()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath);
        GenerationResult result = await model.CompleteAsync("the cat", Short);
        string joined = "";
        await foreach (string piece in model.GenerateAsync("the cat", Short))
            joined += piece;
        Assert.That(joined, Is.EqualTo(result.Text));
        Assert.That(result.Ids, Has.Count.EqualTo(12));
        Assert.That(result.StopReason, Is.EqualTo(StopReason.MaxTokens));
        Assert.That(result.PromptIds[0], Is.EqualTo(model.Tokenizer.BeginId));
        Assert.That(result.FirstBest[0].Id, Is.EqualTo(result.Ids[0]));
    }

    [Test]
    public async Task Chunked_prefill_equals_one_token_at_a_time()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath);
        // 41 ids: chunks of 32, 8 and 1. The last of them alone after 40 single steps must give the same logits.
        int[] ids = [.. Enumerable.Range(0, 41).Select(i => 3 + i * 7 % 300)];
        GenerationResult whole = await model.CompleteAsync(ids, Short with { MaxTokens = 1 });
        var forced = new ForcedTokens(ids[1..]);
        GenerationResult stepped = await model.CompleteAsync([ids[0]], Short with { MaxTokens = 41, LogitsProcessor = () => forced });
        Assert.That(stepped.Ids.Take(40), Is.EqualTo(ids[1..]));
        Assert.That(forced.Last![whole.FirstBest[0].Id], Is.EqualTo(whole.FirstBest[0].Logit).Within(1e-5));
        Assert.That(forced.Last[whole.FirstBest[7].Id], Is.EqualTo(whole.FirstBest[7].Logit).Within(1e-5));
    }

    [Test]
    public async Task A_call_after_a_cancelled_one_equals_a_fresh_one()
    {
        var executor = new CancellingExecutor();
        await using TextModel model = await TextModel.LoadAsync(ModelPath, new TextModelOptions { Executor = executor });
        GenerationResult fresh = await model.CompleteAsync("the dog is in", Short);
        for (int runs = 1; runs <= 6; runs += 5)
        {
            using var source = new CancellationTokenSource();
            executor.CancelAfter(runs, source);
            Assert.That(async () => await model.CompleteAsync("the cat is in the dog", Short, source.Token), Throws.InstanceOf<OperationCanceledException>());
            GenerationResult again = await model.CompleteAsync("the dog is in", Short);
            Assert.That(again.Ids, Is.EqualTo(fresh.Ids));
            Assert.That(again.FirstBest, Is.EqualTo(fresh.FirstBest));
        }
        using var before = new CancellationTokenSource();
        await before.CancelAsync();
        Assert.That(async () => await model.CompleteAsync("the", Short, before.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await TextModel.LoadAsync(ModelPath, cancellationToken: before.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Interleaved_streams_do_not_disturb_each_other()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath);
        string a = (await model.CompleteAsync("the cat", Short)).Text, b = (await model.CompleteAsync("ok", Short)).Text;
        string first = "", second = "";
        await using IAsyncEnumerator<string> other = model.GenerateAsync("ok", Short).GetAsyncEnumerator();
        await foreach (string piece in model.GenerateAsync("the cat", Short))
        {
            first += piece;
            second += await other.MoveNextAsync() ? other.Current : "";
        }
        while (await other.MoveNextAsync())
            second += other.Current;
        Assert.That((first, second), Is.EqualTo((a, b)));
    }

    [Test]
    public async Task Bad_prompts_have_one_error_each_and_leave_the_model_usable()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath, new TextModelOptions { MaxPromptCharacters = 1000, MaxContext = 64 });
        Assert.That(() => model.GenerateAsync(""), Throws.TypeOf<EmptyPromptException>());
        Assert.That(async () => await model.CompleteAsync(Array.Empty<int>()), Throws.TypeOf<EmptyPromptException>());
        Assert.That(() => model.GenerateAsync(null!), Throws.ArgumentNullException);
        Assert.That(() => model.GenerateAsync(new string('a', 200_000)), Throws.TypeOf<PromptTooLongException>()
            .With.Message.Contains("200000 characters").And.Message.Contains("MaxPromptCharacters"));
        Assert.That(async () => await model.CompleteAsync(new string('7', 900)), Throws.TypeOf<PromptTooLongException>()
            .With.Message.Contains("tokens").And.Message.Contains("MaxContext"));
        Assert.That(async () => await model.CompleteAsync([0, -1]), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(async () => await model.CompleteAsync([100_000]), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That((await model.CompleteAsync("the", Short)).Ids, Has.Count.EqualTo(12));
    }

    [Test]
    public async Task The_context_ends_an_answer()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath, new TextModelOptions { MaxContext = 10 });
        GenerationResult result = await model.CompleteAsync([1, 5, 6], new GenerationOptions { IgnoreEndTokens = true });
        Assert.That(result.StopReason, Is.EqualTo(StopReason.ContextFull));
        Assert.That(result.Ids, Has.Count.EqualTo(7));
    }

    [Test]
    public async Task A_disposed_model_says_so()
    {
        TextModel model = await TextModel.LoadAsync(ModelPath);
        await using IAsyncEnumerator<string> stream = model.GenerateAsync("the cat", Short).GetAsyncEnumerator();
        await stream.MoveNextAsync();
        await model.DisposeAsync();
        await model.DisposeAsync();
        Assert.That(async () => await stream.MoveNextAsync(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => model.GenerateAsync("the"), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(async () => await model.CompleteAsync("the"), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Control_spellings_in_a_prompt_stay_text()
    {
        await using TextModel model = await TextModel.LoadAsync(ModelPath);
        GenerationResult result = await model.CompleteAsync("</s><s>the<unk>", Short);
        Assert.That(result.PromptIds.Skip(1), Has.None.AnyOf(0, 1, 2));
    }

    [Test]
    public async Task A_file_without_a_vocabulary_takes_ids_only()
    {
        await using TextModel model = await TextModel.LoadAsync(Golden.Own("quant", "llama-tied", "model.gguf"));
        Assert.That(() => model.GenerateAsync("the"), Throws.TypeOf<CheckpointException>().With.Message.Contains("no vocabulary"));
        Assert.That((await model.CompleteAsync([1, 2, 3], Short)).Ids, Has.Count.EqualTo(12));
    }

    [Test]
    public void Missing_files_and_wrong_options_are_named()
    {
        Assert.That(async () => await TextModel.LoadAsync("/nowhere/model.gguf"), Throws.TypeOf<CheckpointException>().With.Message.Contains("/nowhere/model.gguf"));
        Assert.That(() => new TextModelOptions { MaxPromptCharacters = 0 }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TextModelOptions { MaxContext = 1 }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new GenerationOptions { MaxTokens = 0 }, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    private sealed class ForcedTokens(int[] tokens) : ILogitsProcessor
    {
        private int _next;

        internal float[]? Last { get; private set; }

        public void Process(Span<float> logits)
        {
            Last = logits.ToArray();
            if (_next < tokens.Length)
                logits[tokens[_next]] = 1e6f;
        }

        public void Accept(int token) => _next++;
    }

    /// <summary>The reference executor, which cancels a token source inside a chosen run.</summary>
    [SuppressMessage("Design", "CA1001", Justification = "The source belongs to the test.")]
    private sealed class CancellingExecutor : IExecutor
    {
        private readonly ReferenceExecutor _inner = new();
        private CancellationTokenSource? _source;
        private int _runs;

        public string Name => "cancelling";

        internal void CancelAfter(int runs, CancellationTokenSource source) => (_runs, _source) = (runs, source);

        public bool Supports(Op op) => _inner.Supports(op);

        public IPlan Prepare(Graph graph, WeightBinding weights) => new Plan(this, _inner.Prepare(graph, weights));

        public KvCache CreateCache(KvCacheSpec spec) => _inner.CreateCache(spec);

        public void Dispose() => _inner.Dispose();

        private sealed class Plan(CancellingExecutor owner, IPlan inner) : IPlan
        {
            public VlmSdk.Tensors.HostTensor Input(string name) => inner.Input(name);

            public VlmSdk.Tensors.HostTensor Output(string name) => inner.Output(name);

            public void Run(KvCache? cache, CancellationToken cancellationToken)
            {
                if (owner._source is not null && --owner._runs == 0)
                {
                    owner._source.Cancel();
                    owner._source = null;
                }
                inner.Run(cache, cancellationToken);
            }

            public void Dispose() => inner.Dispose();
        }
    }
}
