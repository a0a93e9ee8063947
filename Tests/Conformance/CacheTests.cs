using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Attention with a KV cache: chunks equal the whole, and a run that does not finish leaves no trace.</summary>
[TestFixtureSource(typeof(Executors), nameof(Executors.Names))]
public sealed class CacheTests(string name)
{
    private const int Batch = 2, Tokens = 11, Heads = 6, KvHeads = 3, Width = 5, Slots = 2, Words = 7;

    private static readonly WeightBinding NoWeights = new("none", new Dictionary<string, HostTensor>());

    private readonly HostTensor _q = Fill(1, Heads), _k = Fill(2, KvHeads), _v = Fill(3, KvHeads);
    private IExecutor _executor = null!;

    [OneTimeSetUp]
    public void Create() => _executor = Executors.Get(name).Create();

    [OneTimeTearDown]
    public void Free() => _executor.Dispose();

    [Test]
    public void Chunks_equal_the_whole([Values("11", "1,1,1,1,1,1,1,1,1,1,1", "4,7", "3,1,5,2")] string chunks)
    {
        HostTensor whole = Whole(AttentionMask.Causal);
        using KvCache cache = NewCache();
        int past = 0;
        foreach (int tokens in chunks.Split(',').Select(int.Parse))
        {
            HostTensor part = Run(Chunk(tokens, AttentionMask.Causal), past, tokens, cache);
            past += tokens;
            Assert.That(cache.Length, Is.EqualTo(past));
            Agreement.Check(part, Cut(whole, past - tokens, tokens), 1e-5, $"tokens {past - tokens} to {past}");
        }
    }

    [Test]
    public void Windowed_and_capped_chunks_equal_the_whole([Values(1, 3, 20)] int window, [Values("1,1,1,1,1,1,1,1,1,1,1", "4,7", "10,1")] string chunks)
    {
        HostTensor whole = Whole(AttentionMask.Causal, softCap: 0.5f, window);
        using KvCache cache = NewCache();
        int past = 0;
        foreach (int tokens in chunks.Split(',').Select(int.Parse))
        {
            HostTensor part = Run(Chunk(tokens, AttentionMask.Causal, softCap: 0.5f, window: window), past, tokens, cache);
            past += tokens;
            Agreement.Check(part, Cut(whole, past - tokens, tokens), 1e-5, $"tokens {past - tokens} to {past}");
        }
    }

    [Test]
    public void Padded_chunks_equal_the_whole([Values("4,7", "1,1,1,1,1,1,1,1,1,1,1", "10,1")] string chunks, [Values(0, 4)] int window)
    {
        HostTensor padding = HostTensor.From(new Shape(Batch), [0, 3]);
        HostTensor whole = Whole(AttentionMask.Causal, 0, window, padding);
        using KvCache cache = NewCache();
        int past = 0;
        foreach (int tokens in chunks.Split(',').Select(int.Parse))
        {
            HostTensor part = Run(Chunk(tokens, AttentionMask.Causal, window: window, padding: padding), past, tokens, cache);
            past += tokens;
            Agreement.Check(part, Cut(whole, past - tokens, tokens), 1e-5, $"tokens {past - tokens} to {past}");
        }
        // The padded sequence is the one that begins behind its padding.
        using KvCache alone = NewCache();
        HostTensor behind = Run(Chunk(Tokens - 3, AttentionMask.Causal, window: window), 3, Tokens - 3, alone);
        Agreement.Check(Second(Cut(whole, 3, Tokens - 3)), Second(behind), 1e-5, "without padding");
    }

    [Test]
    public void A_windowed_token_after_a_full_prompt_sees_the_newest_keys_only()
    {
        const int Prompt = 8, Window = 4;
        // The same by a bias written out: the prompt sees all of itself, later tokens the newest four keys.
        var bias = new HostTensor(DType.F32, new Shape(1, 1, Tokens, Tokens));
        for (int i = 0; i < bias.Floats.Length; i++)
        {
            int query = i / Tokens, key = i % Tokens;
            bool visible = query < Prompt ? key < Prompt : key <= query && key > query - Window;
            bias.Floats[i] = visible ? 0 : float.NegativeInfinity;
        }
        HostTensor whole = Whole(AttentionMask.Bias, maskInput: bias);
        using KvCache cache = NewCache();
        Agreement.Check(Run(Chunk(Prompt, AttentionMask.Full), 0, Prompt, cache), Cut(whole, 0, Prompt), 1e-5, "prompt");
        for (int t = Prompt; t < Tokens; t++)
            Agreement.Check(Run(Chunk(1, AttentionMask.Causal, window: Window), t, 1, cache), Cut(whole, t, 1), 1e-5, $"token {t}");
    }

    [Test]
    public void Full_chunk_sees_the_past_and_all_of_itself()
    {
        using KvCache cache = NewCache();
        Run(Chunk(4, AttentionMask.Full), 0, 4, cache);
        HostTensor part = Run(Chunk(7, AttentionMask.Full), 4, 7, cache);
        Agreement.Check(part, Cut(Whole(AttentionMask.Full), 4, 7), 1e-5, "second chunk");
    }

    [Test]
    public void Fork_and_truncation_go_their_own_ways()
    {
        HostTensor whole = Whole(AttentionMask.Causal);
        using KvCache cache = NewCache();
        Run(Chunk(5, AttentionMask.Causal), 0, 5, cache);
        using KvCache fork = cache.Fork(capacity: 40);
        // Other tokens into the original, then back: the fork must not notice, and the original must have forgotten them.
        Run(Chunk(3, AttentionMask.Causal), 0, 3, cache);
        cache.Truncate(5);
        foreach (KvCache each in new[] { fork, cache })
            Agreement.Check(Run(Chunk(6, AttentionMask.Causal), 5, 6, each), Cut(whole, 5, 6), 1e-5, "after the fork");
    }

    [Test]
    public void Cancelled_run_leaves_the_cache_as_it_was()
    {
        using KvCache cache = NewCache();
        HostTensor first = Run(Chunk(4, AttentionMask.Causal), 0, 4, cache);
        byte[][] before = Held(cache);
        using IPlan plan = Prepared(Chunk(3, AttentionMask.Causal), 4, 3);
        Assert.Multiple(() =>
        {
            Assert.That(() => plan.Run(cache, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(cache.Length, Is.EqualTo(4));
            Assert.That(Held(cache), Is.EqualTo(before));
        });
        plan.Run(cache);
        Agreement.Check(plan.Output("result"), Cut(Whole(AttentionMask.Causal), 4, 3), 1e-5, "after the cancelled run");
        Assert.That(first.Shape[1], Is.EqualTo(4));
    }

    [Test]
    public void Failed_run_leaves_the_cache_as_it_was()
    {
        using KvCache cache = NewCache();
        Run(Chunk(4, AttentionMask.Causal), 0, 4, cache);
        byte[][] before = Held(cache);
        using IPlan plan = Prepared(Chunk(3, AttentionMask.Causal, failing: true), 4, 3);
        plan.Input("word").Ints[0] = Words;
        Assert.Multiple(() =>
        {
            Assert.That(() => plan.Run(cache), Throws.InstanceOf<VlmException>().With.Message.Contains("outside the table"));
            Assert.That(cache.Length, Is.EqualTo(4));
            Assert.That(Held(cache), Is.EqualTo(before));
        });
        plan.Input("word").Ints[0] = Words - 1;
        plan.Run(cache);
        Agreement.Check(plan.Output("result"), Cut(Whole(AttentionMask.Causal), 4, 3), 1e-5, "after the failed run");
    }

    [Test]
    public void Missing_full_or_foreign_caches_are_refused()
    {
        using IPlan plan = Prepared(Chunk(3, AttentionMask.Causal), 0, 3);
        using KvCache small = _executor.CreateCache(new KvCacheSpec(Slots, KvHeads, Width, 2, Batch));
        using KvCache foreign = _executor.CreateCache(new KvCacheSpec(Slots, KvHeads + 1, Width, 20, Batch));
        Assert.Multiple(() =>
        {
            Assert.That(() => plan.Run(), Throws.ArgumentException.With.Message.Contains("cache"));
            Assert.That(() => plan.Run(small), Throws.ArgumentException.With.Message.Contains("capacity"));
            Assert.That(() => plan.Run(foreign), Throws.ArgumentException.With.Message.Contains("heads"));
            using IPlan nothing = Prepared(Chunk(0, AttentionMask.Causal), 0, 0);
            Assert.That(() => nothing.Run(), Throws.ArgumentException.With.Message.Contains("cache"));
            Assert.That(() => nothing.Run(small), Throws.Nothing);
            Assert.That(small.Length + foreign.Length, Is.Zero);
        });
    }

    private KvCache NewCache() => _executor.CreateCache(new KvCacheSpec(Slots, KvHeads, Width, 16, Batch));

    /// <summary>Two cached attentions, the second over the first one's result.</summary>
    private static Graph Chunk(int tokens, AttentionMask mask, bool failing = false, float softCap = 0, int window = 0, HostTensor? padding = null)
    {
        var g = new GraphBuilder();
        Value? fourth = padding is null ? null : g.Constant(padding);
        Value q = g.Input("q", DType.F32, Batch, tokens, Heads, Width);
        Value k = g.Input("k", DType.F32, Batch, tokens, KvHeads, Width), v = g.Input("v", DType.F32, Batch, tokens, KvHeads, Width);
        Value first = g.Attention(q, k, v, mask, slot: 0, maskInput: fourth, softCap: softCap, window: window);
        Value result = g.Attention(first, k, v, mask, slot: 1, maskInput: fourth, softCap: softCap, window: window);
        if (failing)
            result += g.Reshape(g.Gather(g.Constant(new HostTensor(DType.F32, new Shape(Words, 1))), g.Input("word", DType.I32, 1)), 1);
        g.Output("result", result);
        return g.Build();
    }

    private HostTensor Whole(AttentionMask mask, float softCap = 0, int window = 0, HostTensor? maskInput = null)
    {
        var g = new GraphBuilder();
        Value q = g.Input("q", DType.F32, Batch, Tokens, Heads, Width);
        Value k = g.Input("k", DType.F32, Batch, Tokens, KvHeads, Width), v = g.Input("v", DType.F32, Batch, Tokens, KvHeads, Width);
        Value? fourth = maskInput is null ? null : g.Constant(maskInput);
        Value first = g.Attention(q, k, v, mask, maskInput: fourth, softCap: softCap, window: window);
        g.Output("result", g.Attention(first, k, v, mask, maskInput: fourth, softCap: softCap, window: window));
        using IPlan plan = Prepared(g.Build(), 0, Tokens);
        plan.Run();
        return plan.Output("result");
    }

    private HostTensor Run(Graph graph, int start, int tokens, KvCache cache)
    {
        using IPlan plan = Prepared(graph, start, tokens);
        plan.Run(cache);
        HostTensor result = plan.Output("result");
        return new HostTensor(result.Type, result.Shape, result.Data.ToArray());
    }

    private IPlan Prepared(Graph graph, int start, int tokens)
    {
        IPlan plan = _executor.Prepare(graph, NoWeights);
        Cut(_q, start, tokens).Data.CopyTo(plan.Input("q").Data);
        Cut(_k, start, tokens).Data.CopyTo(plan.Input("k").Data);
        Cut(_v, start, tokens).Data.CopyTo(plan.Input("v").Data);
        return plan;
    }

    private static HostTensor Cut(HostTensor x, int start, int tokens)
    {
        int row = (int)x.Shape[2..].Count, all = x.Shape[1];
        var part = new HostTensor(DType.F32, x.Shape.With(1, tokens));
        for (int b = 0; b < Batch; b++)
            x.Floats.Slice((b * all + start) * row, tokens * row).CopyTo(part.Floats[(b * tokens * row)..]);
        return part;
    }

    /// <summary>The second of the two sequences.</summary>
    private static HostTensor Second(HostTensor x) => HostTensor.From(x.Shape.With(0, 1), x.Floats[(x.Floats.Length / 2)..]);

    /// <summary>The bytes of the tokens held, by slot and sequence.</summary>
    private static byte[][] Held(KvCache cache)
    {
        int row = KvHeads * Width * sizeof(float), capacity = cache.Spec.Capacity;
        return [.. Enumerable.Range(0, Slots).SelectMany(s => new[] { cache.Keys(s), cache.Values(s) })
            .SelectMany(t => Enumerable.Range(0, Batch).Select(b => t.Data.Slice(b * capacity * row, cache.Length * row).ToArray()))];
    }

    private static HostTensor Fill(int seed, int heads)
    {
        var random = new Random(seed);
        var tensor = new HostTensor(DType.F32, new Shape(Batch, Tokens, heads, Width));
        foreach (ref float v in tensor.Floats)
            v = random.NextSingle() * 2 - 1;
        return tensor;
    }
}
