// Long file: one fixture with one loaded model, and every promise of the public surface.

using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Scheduling;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Queries;

/// <summary>The public surface on a tiny random Scout: what runs, what is reused, what is refused, what survives a cancel.</summary>
public sealed class VlmModelTests
{
    private static readonly VlmModelOptions Reference = new() { Backend = Backend.Reference };
    private string _folder = "", _file = "";
    private VlmModel _vlm = null!;

    [OneTimeSetUp]
    public async Task Load()
    {
        _folder = Directory.CreateTempSubdirectory("vlmsdk").FullName;
        _file = TinyScout.Write(_folder);
        _vlm = await VlmModel.LoadAsync(_file, Reference);
    }

    [OneTimeTearDown]
    public async Task Unload()
    {
        await _vlm.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task A_second_question_runs_no_encoder_and_reads_no_picture()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        await _vlm.AskAsync(view, "how many cubes are there?");
        WorkCounts before = _vlm.Work;
        await _vlm.AskAsync(view, "what colour is the cone?");
        await _vlm.GroundAsync(view, "the red cube");
        WorkCounts after = _vlm.Work;
        Assert.Multiple(() =>
        {
            Assert.That(after.Encodes, Is.EqualTo(before.Encodes));
            Assert.That(after.PicturePrefills, Is.EqualTo(before.PicturePrefills));
            Assert.That(after.PromptPrefills, Is.EqualTo(before.PromptPrefills + 2));
        });
    }

    [Test]
    public async Task Answers_do_not_depend_on_what_was_asked_before()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(2));
        GroundingResult first = await _vlm.GroundAsync(view, "the red cube", new GroundOptions { Threshold = 0 });
        string described = await Describe(view);
        await _vlm.AskAsync(view, "how many objects are there?");
        using EncodedImage again = await _vlm.EncodeAsync(TinyScout.Picture(2));
        GroundingResult second = await _vlm.GroundAsync(again, "the red cube", new GroundOptions { Threshold = 0 });
        Assert.Multiple(async () =>
        {
            Same(second, first);
            Assert.That(await Describe(again), Is.EqualTo(described));
        });
    }

    [Test]
    public async Task Whoever_disposes_waits_until_it_is_done()
    {
        using var executor = new CancellingExecutor();
        using ManualResetEventSlim entered = new(), goOn = new();
        VlmModel vlm = await VlmModel.LoadAsync(_file, new VlmModelOptions { Executor = executor });
        executor.AtRun = token =>
        {
            entered.Set();
            goOn.Wait(CancellationToken.None);
            // The closing reaches the call's own token in the background.
            token.WaitHandle.WaitOne();
        };
        Task<EncodedImage> running = vlm.EncodeAsync(TinyScout.Picture(1));
        entered.Wait();
        Task first = vlm.DisposeAsync().AsTask(), second = vlm.DisposeAsync().AsTask();
        Assert.That(first.IsCompleted || second.IsCompleted, Is.False);
        goOn.Set();
        await Task.WhenAll(first, second);
        Assert.That(async () => await running, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task A_query_after_a_cancel_equals_a_fresh_one_bit_for_bit()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(3));
        GroundingResult expected = await _vlm.GroundAsync(view, "the blue ring", new GroundOptions { Threshold = 0 });
        // Stop in turn in the prompt's prefill and in each of the first steps; the shortest answer has ten.
        for (int runs = 1; runs <= 9; runs++)
        {
            using var executor = new CancellingExecutor();
            await using VlmModel vlm = await VlmModel.LoadAsync(_file, new VlmModelOptions { Executor = executor });
            using EncodedImage other = await vlm.EncodeAsync(TinyScout.Picture(3));
            using var cancel = new CancellationTokenSource();
            executor.CancelAfter(cancel, runs);
            Assert.That(async () => await vlm.GroundAsync(other, "the green cone", new GroundOptions { Threshold = 0 }, cancel.Token),
                Throws.InstanceOf<OperationCanceledException>());
            Same(await vlm.GroundAsync(other, "the blue ring", new GroundOptions { Threshold = 0 }), expected);
        }
    }

    [TestCase("ask")]
    [TestCase("describe")]
    [TestCase("detect")]
    public async Task A_cancel_of_any_query_leaves_no_trace(string query)
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(3));
        GroundingResult expected = await _vlm.GroundAsync(view, "the blue ring", new GroundOptions { Threshold = 0 });
        using var executor = new CancellingExecutor();
        await using VlmModel vlm = await VlmModel.LoadAsync(_file, new VlmModelOptions { Executor = executor });
        using EncodedImage other = await vlm.EncodeAsync(TinyScout.Picture(3));
        using var cancel = new CancellationTokenSource();
        executor.CancelAfter(cancel, runs: 1);
        Assert.That(async () =>
        {
            switch (query)
            {
                case "ask": await vlm.AskAsync(other, "what colour is the cone?", cancel.Token); break;
                case "detect": await vlm.DetectAsync(other, cancel.Token); break;
                default:
                    await foreach (string _ in vlm.DescribeAsync(other, cancel.Token))
                        Assert.Fail("a word after the cancel");
                    break;
            }
        }, Throws.InstanceOf<OperationCanceledException>());
        Same(await vlm.GroundAsync(other, "the blue ring", new GroundOptions { Threshold = 0 }), expected);
    }

    [Test]
    public async Task Confidence_is_what_the_token_probabilities_say()
    {
        using var executor = new CancellingExecutor();
        await using VlmModel vlm = await VlmModel.LoadAsync(_file, new VlmModelOptions { Executor = executor });
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(3));
        var logits = new List<float[]>();
        executor.AfterRun = plan => logits.Add(plan.Output("logits").Floats.ToArray());
        int words = ScoutVocabulary.Words.Count;
        AnswerTokens tokens = AnswerGrammarTests.Tokens;

        Answer answer = await vlm.AskAsync(view, "what colour is the cone?", new AskOptions { MaxTokens = 16 });
        var grammar = new AnswerGrammar(tokens, AnswerForm.Text, words, 16);
        double expected = 1;
        for (int i = 0; i < answer.Statistics.AnswerTokens; i++)
        {
            // The prompt is read in one chunk; its last token's row says what comes first.
            Span<float> row = i == 0 ? logits[0].AsSpan((answer.Statistics.PromptTokens - 1) * words, words) : logits[i];
            grammar.Process(row);
            int best = Logits.ArgMax(row);
            if (best != tokens.End)
                expected *= Logits.Probability(row, best);
            grammar.Accept(best);
        }
        Assert.That(answer.Confidence, Is.EqualTo(expected).Within(1e-4 * expected));
        Assert.That(expected, Is.Not.EqualTo(1).Within(1e-3), "a random model is not sure");

        logits.Clear();
        GroundingResult found = await vlm.GroundAsync(view, "the red cube", new GroundOptions { Threshold = 0 });
        int prompt = found.Statistics.PromptTokens - 1;
        double inView = Math.Exp(logits[0][prompt * words + tokens.InView]), notInView = Math.Exp(logits[0][prompt * words + tokens.NotInView]);
        Assert.That(found.Presence, Is.EqualTo(inView / (inView + notInView)).Within(1e-5));
        Assert.That(found.Detections.Select(d => d.Confidence), Has.All.LessThanOrEqualTo(found.Presence));
    }

    [Test]
    public async Task A_cancel_also_stops_the_encoder()
    {
        using var executor = new CancellingExecutor();
        await using VlmModel vlm = await VlmModel.LoadAsync(_file, new VlmModelOptions { Executor = executor });
        using var cancel = new CancellationTokenSource();
        executor.CancelAfter(cancel, runs: 1);
        Assert.That(async () => await vlm.EncodeAsync(TinyScout.Picture(1), cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(vlm.Work.Encodes, Is.EqualTo(0));
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.That(view.Tokens, Is.EqualTo(ScoutConfig.Tiny.PictureTokens));
    }

    [Test]
    public async Task Cancelled_before_the_start_does_no_work()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        WorkCounts before = _vlm.Work;
        var cancelled = new CancellationToken(canceled: true);
        Assert.Multiple(() =>
        {
            Assert.That(async () => await _vlm.EncodeAsync(TinyScout.Picture(1), cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(async () => await _vlm.AskAsync(view, "how many cubes are there?", cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(async () => await _vlm.GroundAsync(view, "the cube", cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(async () => await Describe(view, cancelled), Throws.InstanceOf<OperationCanceledException>());
        });
        Assert.That(_vlm.Work, Is.EqualTo(before));
    }

    [Test]
    public async Task A_reader_who_leaves_a_description_frees_the_model()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(4));
        await foreach (string _ in _vlm.DescribeAsync(view))
            break;
        Assert.That((await _vlm.AskAsync(view, "how many cubes are there?")).Text, Is.Not.Null);
    }

    [Test]
    public async Task Boxes_lie_inside_the_source_picture()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(5, 300, 80));
        GroundingResult result = await _vlm.GroundAsync(view, "the red cube", new GroundOptions { Threshold = 0 });
        Assert.That(result, Is.InstanceOf<Grounded>());
        Assert.That(result.Detections, Is.Not.Empty);
        foreach (Detection d in result.Detections)
            Assert.Multiple(() =>
            {
                Assert.That(d.Box.Left, Is.InRange(0, 300));
                Assert.That(d.Box.Right, Is.InRange(d.Box.Left, 300));
                Assert.That(d.Box.Top, Is.InRange(0, 80));
                Assert.That(d.Box.Bottom, Is.InRange(d.Box.Top, 80));
                Assert.That(d.Confidence, Is.InRange(0, 1));
            });
    }

    [Test]
    public async Task An_unknown_noun_is_not_in_view_and_named()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        GroundingResult result = await _vlm.GroundAsync(view, "the red giraffe");
        Assert.Multiple(() =>
        {
            Assert.That(result, Is.InstanceOf<NotInView>());
            Assert.That(result.UnknownWords, Is.EqualTo(new[] { "giraffe" }));
        });
    }

    [TestCase("")]
    [TestCase(" \t")]
    public async Task An_empty_prompt_is_refused(string prompt)
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.That(async () => await _vlm.AskAsync(view, prompt), Throws.InstanceOf<EmptyPromptException>());
        Assert.That(async () => await _vlm.GroundAsync(view, prompt), Throws.InstanceOf<EmptyPromptException>());
        Assert.That((await _vlm.AskAsync(view, "how many cubes?")).Text, Is.Not.Null, "the model must stay usable");
    }

    [Test]
    public async Task A_prompt_of_200000_characters_is_refused()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.That(async () => await _vlm.AskAsync(view, new string('x', 200_000)), Throws.InstanceOf<PromptTooLongException>().With.Message.Contains("200000"));
        string words = string.Concat(Enumerable.Repeat("red cube ", 200));
        Assert.That(async () => await _vlm.GroundAsync(view, words), Throws.InstanceOf<PromptTooLongException>());
    }

    [Test]
    public async Task A_disposed_model_or_view_says_so()
    {
        VlmModel vlm = await VlmModel.LoadAsync(_file, Reference);
        EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(1));
        EncodedImage closed = await vlm.EncodeAsync(TinyScout.Picture(1));
        closed.Dispose();
        Assert.That(async () => await vlm.AskAsync(closed, "how many cubes?"), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => vlm.DescribeAsync(closed), Throws.InstanceOf<ObjectDisposedException>());
        await vlm.DisposeAsync();
        await vlm.DisposeAsync();
        Assert.That(async () => await vlm.AskAsync(view, "how many cubes?"), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await vlm.EncodeAsync(TinyScout.Picture(1)), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Disposing_ends_what_is_waiting()
    {
        VlmModel vlm = await VlmModel.LoadAsync(_file, Reference);
        Task<EncodedImage>[] pending = Enumerable.Range(0, 8).Select(i => vlm.EncodeAsync(TinyScout.Picture(i))).ToArray();
        await vlm.DisposeAsync();
        foreach (Task<EncodedImage> task in pending)
        {
            // Each has ended: with a picture, or told that the model is gone.
            try
            {
                (await task).Dispose();
            }
            catch (ObjectDisposedException)
            {
            }
            Assert.That(task.IsCompleted);
        }
    }

    [Test]
    public async Task Parallel_questions_answer_as_serial_ones()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(6));
        string[] phrases = ["the red cube", "the cone", "the blue object", "the nearest ring"];
        var options = new GroundOptions { Threshold = 0 };
        var serial = new List<GroundingResult>();
        foreach (string phrase in phrases)
            serial.Add(await _vlm.GroundAsync(view, phrase, options));
        GroundingResult[] parallel = await Task.WhenAll(phrases.Select(p => Task.Run(() => _vlm.GroundAsync(view, p, options))));
        for (int i = 0; i < phrases.Length; i++)
            Same(parallel[i], serial[i]);
    }

    [Test]
    public void Options_out_of_range_are_refused_where_they_are_set() => Assert.Multiple(() =>
    {
        foreach (float threshold in new[] { float.NaN, -0.1f, 1.1f })
            Assert.That(() => new GroundOptions { Threshold = threshold }, Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new GroundOptions { MaxDetections = 0 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
        foreach (int tokens in new[] { 15, 4097 })
        {
            Assert.That(() => new DescribeOptions { MaxTokens = tokens }, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new AskOptions { MaxTokens = tokens }, Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
        Assert.That(() => new VlmModelOptions { LongestText = 0 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Backends.Create((Backend)99), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("Reference"));
    });

    [Test]
    public async Task The_longest_and_shortest_answers_are_written([Values(16, 256, 4096)] int tokens)
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        string longest = string.Join(' ', Enumerable.Repeat("red", 125));
        Answer answer = await _vlm.AskAsync(view, longest, new AskOptions { MaxTokens = tokens });
        Assert.That(answer.Statistics.AnswerTokens, Is.InRange(1, tokens));
        Assert.That(answer.Statistics.PromptTokens, Is.EqualTo(128), "the longest prompt");
    }

    [Test]
    public async Task Missing_arguments_are_named()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.Multiple(() =>
        {
            Assert.That(async () => await _vlm.EncodeAsync((PixelBuffer)null!), Throws.ArgumentNullException);
            Assert.That(async () => await _vlm.EncodeAsync((PatchGrid)null!), Throws.ArgumentNullException);
            Assert.That(async () => await _vlm.AskAsync(null!, "how many cubes?"), Throws.ArgumentNullException);
            Assert.That(() => _vlm.DescribeAsync(null!), Throws.ArgumentNullException, "at the call, not at the first word");
            Assert.That(async () => await _vlm.AskAsync(view, null!), Throws.ArgumentNullException);
            Assert.That(async () => await _vlm.AskAsync(view, "how many cubes?", null!), Throws.ArgumentNullException);
            Assert.That(async () => await _vlm.GroundAsync(view, "the cube", null!), Throws.ArgumentNullException);
            Assert.That(async () => await _vlm.EncodeAsync(default(FrameTicket)), Throws.InvalidOperationException.With.Message.Contains("Submit"));
        });
    }

    [Test]
    public void A_grid_that_was_given_back_is_refused()
    {
        PatchGrid grid = ImageProcessor.Process(TinyScout.Picture(1), _vlm.PatchGridSpec);
        grid.Dispose();
        Assert.That(async () => await _vlm.EncodeAsync(grid), Throws.InstanceOf<ObjectDisposedException>());
    }

    [TestCase(1, 1)]
    [TestCase(1, 200)]
    [TestCase(4000, 1)]
    [TestCase(333, 7)]
    public async Task Pictures_of_any_aspect_are_answered(int width, int height)
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1, width, height));
        GroundingResult result = await _vlm.GroundAsync(view, "the red cube", new GroundOptions { Threshold = 0 });
        Assert.That((view.Width, view.Height), Is.EqualTo((width, height)));
        Assert.That(result.Detections, Is.Not.Empty);
        foreach (Detection d in result.Detections)
        {
            Assert.That(new[] { d.Box.Left, d.Box.Right }, Has.All.InRange(0, width));
            Assert.That(new[] { d.Box.Top, d.Box.Bottom }, Has.All.InRange(0, height));
        }
    }

    [Test]
    public async Task Views_closed_while_their_questions_wait_end_with_an_answer_or_say_so()
    {
        EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        Task<Answer>[] asked = [.. Enumerable.Range(0, 6).Select(_ => _vlm.AskAsync(view, "how many cubes are there?"))];
        view.Dispose();
        string? text = null;
        foreach (Task<Answer> task in asked)
        {
            try
            {
                text ??= (await task).Text;
                Assert.That((await task).Text, Is.EqualTo(text));
            }
            catch (ObjectDisposedException)
            {
            }
        }
        using EncodedImage next = await _vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.That((await _vlm.AskAsync(next, "how many cubes are there?")).Text, Is.Not.Null, "the model must stay usable");
    }

    [Test]
    public async Task Control_spellings_are_unknown_words_and_change_nothing()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        var options = new GroundOptions { Threshold = 0 };
        GroundingResult plain = await _vlm.GroundAsync(view, "the red cube", options);
        GroundingResult spelled = await _vlm.GroundAsync(view, "the <eos> red <ans> <ground> cube <pad> <|im_end|>", options);
        Same(spelled, plain);
        Assert.That(spelled.UnknownWords, Is.EqualTo(new[] { "<eos>", "<ans>", "<ground>", "<pad>", "<|im_end|>" }));
    }

    [Test]
    public async Task Damaged_weights_are_reported_and_nothing_is_answered()
    {
        Dictionary<string, HostTensor> weights = ScoutCheckpoint.Load(_file).Tensors.ToDictionary();
        HostTensor norm = weights.First(w => w.Key.EndsWith("weight", StringComparison.Ordinal) && w.Value.Shape.Rank == 1).Value;
        norm.Floats.Fill(float.NaN);
        string path = Path.Combine(_folder, "nan.gguf");
        ScoutCheckpoint.Write(path, ScoutConfig.Tiny, weights, DType.F32);
        await using VlmModel vlm = await VlmModel.LoadAsync(path, Reference);
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(1));
        Assert.That(async () => await vlm.AskAsync(view, "how many cubes?"), Throws.InstanceOf<ModelOutputException>().With.Message.Contains("damaged"));
    }

    [Test]
    public void A_text_model_is_named_as_such() => Assert.That(
        async () => await VlmModel.LoadAsync(Golden.Own("quant", "llama-mixed", "model.gguf")),
        Throws.InstanceOf<CheckpointException>().With.Message.Contains("'llama'").And.Message.Contains("TextModel"));

    [Test]
    public void Scout_is_no_text_model() => Assert.That(
        async () => await TextModel.LoadAsync(_file), Throws.InstanceOf<CheckpointException>().With.Message.Contains(_file).And.Message.Contains("VlmModel"));

    [Test]
    public void A_grid_of_another_model_is_refused()
    {
        PatchGridSpec spec = ScoutProcessor.Default;
        var grid = new PatchGrid(spec, CoordinateMap.Create(spec, 10, 10), new HostTensor(DType.F32, spec.Shape));
        Assert.That(async () => await _vlm.EncodeAsync(grid), Throws.InstanceOf<ShapeMismatchException>().With.Message.Contains("PatchGridSpec"));
    }

    [Test]
    public async Task A_view_of_another_model_is_refused()
    {
        await using VlmModel other = await VlmModel.LoadAsync(_file, Reference);
        using EncodedImage view = await other.EncodeAsync(TinyScout.Picture(1));
        Assert.That(async () => await _vlm.AskAsync(view, "how many cubes?"), Throws.ArgumentException);
    }

    [Test]
    public void Wrong_paths_and_damaged_files_name_file_and_fault()
    {
        string empty = Directory.CreateDirectory(Path.Combine(_folder, "empty")).FullName;
        string cut = Path.Combine(_folder, "empty.cut");
        File.WriteAllBytes(cut, File.ReadAllBytes(_file)[..5000]);
        Assert.Multiple(() =>
        {
            Assert.That(async () => await VlmModel.LoadAsync(empty), Throws.InstanceOf<CheckpointException>().With.Message.Contains(empty));
            Assert.That(async () => await VlmModel.LoadAsync("/no/such/model"), Throws.InstanceOf<CheckpointException>().With.Message.Contains("no such file"));
            Assert.That(async () => await VlmModel.LoadAsync(cut), Throws.InstanceOf<CheckpointException>().With.Message.Contains(cut));
        });
    }

    [Test]
    public async Task Quantized_matrices_change_little()
    {
        using EncodedImage view = await _vlm.EncodeAsync(TinyScout.Picture(1));
        await using VlmModel quantized = await VlmModel.LoadAsync(TinyScout.Write(_folder, scheme: DType.Q8_0), Reference);
        using EncodedImage other = await quantized.EncodeAsync(TinyScout.Picture(1));
        var options = new GroundOptions { Threshold = 0 };
        GroundingResult a = await _vlm.GroundAsync(view, "the red cube", options), b = await quantized.GroundAsync(other, "the red cube", options);
        Assert.That(b.Presence, Is.EqualTo(a.Presence).Within(0.05));
    }

    private async Task<string> Describe(EncodedImage view, CancellationToken cancellationToken = default)
    {
        var pieces = new List<string>();
        await foreach (string piece in _vlm.DescribeAsync(view, cancellationToken))
            pieces.Add(piece);
        return string.Concat(pieces);
    }

    private static void Same(GroundingResult actual, GroundingResult expected) => Assert.Multiple(() =>
    {
        Assert.That(BitConverter.SingleToInt32Bits(actual.Presence), Is.EqualTo(BitConverter.SingleToInt32Bits(expected.Presence)));
        Assert.That(actual.Detections, Is.EqualTo(expected.Detections));
    });

    /// <summary>The Reference executor, cancelling a token at the start of a later run.</summary>
    private sealed class CancellingExecutor : IExecutor
    {
        private readonly ReferenceExecutor _inner = new();
        private CancellationTokenSource? _cancel;
        private int _left;

        public string Name => _inner.Name;

        internal Action<CancellationToken>? AtRun { get; set; }

        internal Action<IPlan>? AfterRun { get; set; }

        internal void CancelAfter(CancellationTokenSource cancel, int runs) => (_cancel, _left) = (cancel, runs);

        public bool Supports(Op op) => _inner.Supports(op);

        public IPlan Prepare(Graph graph, WeightBinding weights) => new Plan(this, _inner.Prepare(graph, weights));

        public KvCache CreateCache(KvCacheSpec spec) => _inner.CreateCache(spec);

        public void Dispose() => _inner.Dispose();

        private sealed class Plan(CancellingExecutor owner, IPlan inner) : IPlan
        {
            public HostTensor Input(string name) => inner.Input(name);

            public HostTensor Output(string name) => inner.Output(name);

            public void Run(KvCache? cache, CancellationToken cancellationToken)
            {
                owner.AtRun?.Invoke(cancellationToken);
                if (owner._cancel is { } cancel && --owner._left == 0)
                    cancel.Cancel();
                inner.Run(cache, cancellationToken);
                owner.AfterRun?.Invoke(inner);
            }

            public void Dispose() => inner.Dispose();
        }
    }
}
