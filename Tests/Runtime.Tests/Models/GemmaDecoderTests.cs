using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Models;

/// <summary>A long Gemma 2 answer through the cache: equal to one pass over everything, and bound by its window where that is asked for.</summary>
[TestFixture]
public sealed class GemmaDecoderTests
{
    private const int Prompt = 13, Answer = 30, Total = Prompt + Answer, Window = 6;

    private static readonly GemmaConfig Config = new()
    {
        ContextLength = 64,
        Width = 10,
        Layers = 3,
        MlpWidth = 14,
        Heads = 4,
        KeyValueHeads = 2,
        HeadWidth = 6,
        VocabularySize = 17,
        NormEpsilon = 1e-6f,
        RopeTheta = 10_000,
        QueryScale = 0.4f,
        HasPostNorms = true,
        AttentionSoftCap = 2,
        PublishedWindow = Window,
        SlidingLayers = [true, false, true],
    };

    private readonly WeightBinding _weights = new("random", Random());
    private readonly int[] _ids = [.. Enumerable.Range(0, Total).Select(i => i * 7 % 17)];

    [Test]
    public void Cached_steps_equal_one_pass([Values(1, 4)] int chunk)
    {
        float[] whole = Whole(Config);
        Assert.That(Cached(Config, chunk), Is.EqualTo(whole[(Prompt * 17)..]).Within(1e-4));
    }

    [Test]
    public void A_window_as_long_as_everything_changes_nothing() =>
        Assert.That(Cached(Config with { SlidingWindow = Total }, 1), Is.EqualTo(Cached(Config, 1)));

    [Test]
    public void A_window_bounds_what_steps_see_and_not_what_the_prompt_sees()
    {
        GemmaConfig windowed = Config with { SlidingWindow = Window };
        float[] one = Cached(windowed, 1), four = Cached(windowed, 4), free = Cached(Config, 1);
        Assert.That(four, Is.EqualTo(one).Within(1e-4), "chunks of any length");
        Assert.That(one, Is.Not.EqualTo(free).Within(1e-2), "the window matters");
        Assert.That(Whole(windowed), Is.EqualTo(Whole(Config)), "the prompt ignores it");
        // With every layer sliding, a step's reach ends three windows back; the prompt's first tokens no longer matter.
        GemmaConfig narrow = windowed with { SlidingLayers = [true, true, true] };
        float[] before = Cached(narrow, 1);
        int first = _ids[0];
        _ids[0] = (first + 1) % 17;
        float[] after = Cached(narrow, 1);
        _ids[0] = first;
        int clear = 17 * (3 * Window);
        Assert.That(after[clear..], Is.EqualTo(before[clear..]));
        Assert.That(after[..17], Is.Not.EqualTo(before[..17]).Within(1e-4));
    }

    [Test]
    public void The_final_bound_keeps_the_order_of_logits()
    {
        float[] plain = Whole(Config), bound = Whole(Config with { FinalSoftCap = 3 }, softCap: true);
        Assert.That(bound, Has.All.InRange(-3f, 3f));
        Assert.That(bound, Is.EqualTo(plain.Select(v => 3 * MathF.Tanh(v / 3))).Within(1e-4));
    }

    // The prompt as one fully visible segment, the answer causal behind it.
    private float[] Whole(GemmaConfig c, bool softCap = false)
    {
        var g = new GraphBuilder();
        Value ids = g.Constant(HostTensor.From(new Shape(1, Total), _ids)), positions = g.Constant(HostTensor.From(new Shape(1, Total), Enumerable.Range(0, Total).ToArray()));
        Value segments = g.Constant(HostTensor.From(new Shape(1, Total), Enumerable.Range(0, Total).Select(i => i < Prompt ? 0 : 1).ToArray()));
        g.Output("logits", GemmaDecoder.Head(g, c, GemmaDecoder.Layers(g, c, GemmaDecoder.Embed(g, c, ids), positions, false, AttentionMask.PackedPrefix, segments), softCap));
        using var executor = new ReferenceExecutor();
        using IPlan plan = executor.Prepare(g.Build(), _weights);
        plan.Run();
        return plan.Output("logits").Floats.ToArray();
    }

    // Logits of the answer's tokens: the prompt as one chunk, then chunks of the answer.
    private float[] Cached(GemmaConfig c, int chunk)
    {
        using var executor = new ReferenceExecutor();
        using KvCache cache = executor.CreateCache(new KvCacheSpec(c.Layers, c.KeyValueHeads, c.HeadWidth, Total));
        Run(0, Prompt, AttentionMask.Full);
        var logits = new List<float>();
        for (int at = Prompt; at < Total; at += chunk)
            logits.AddRange(Run(at, Math.Min(chunk, Total - at), AttentionMask.Causal));
        return [.. logits];

        float[] Run(int from, int count, AttentionMask mask)
        {
            var g = new GraphBuilder();
            Value ids = g.Constant(HostTensor.From(new Shape(1, count), _ids.AsSpan(from, count)));
            Value positions = g.Constant(HostTensor.From(new Shape(1, count), Enumerable.Range(from, count).ToArray()));
            g.Output("logits", GemmaDecoder.Head(g, c, GemmaDecoder.Layers(g, c, GemmaDecoder.Embed(g, c, ids), positions, true, mask)));
            using IPlan plan = executor.Prepare(g.Build(), _weights);
            plan.Run(cache);
            return plan.Output("logits").Floats.ToArray();
        }
    }

    private static Dictionary<string, HostTensor> Random()
    {
        var random = new Random(5);
        return GemmaDecoder.Tensors(Config).ToDictionary(t => t.Name, t =>
        {
            var tensor = new HostTensor(DType.F32, t.Shape);
            foreach (ref float v in tensor.Floats)
                v = random.NextSingle() * 1.2f - 0.6f;
            return tensor;
        });
    }
}
