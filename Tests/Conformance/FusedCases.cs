using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Cases of the fused operations.</summary>
internal static class FusedCases
{
    internal static IEnumerable<OpCase> All() => [.. Elementwise(), .. Norms(), .. Ropes(), .. Attentions()];

    private static IEnumerable<OpCase> Elementwise()
    {
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            yield return Case<ActivationOp>($"{kind}", s => s.G.Activation(kind, s.F("x", [3, 37], -4, 4)));
            yield return Case<ActivationOp>($"{kind} far out", s => s.G.Activation(kind, s.F("x", [65], 0, 30)));
            yield return Case<ActivationOp>($"{kind} of nothing", s => s.G.Activation(kind, s.F("x", [0, 3])));
        }
        yield return Case<LogSoftmaxOp>("rows", s => s.G.LogSoftmax(s.F("x", [3, 2, 67])));
        yield return Case<LogSoftmaxOp>("large", s => s.G.LogSoftmax(s.F("x", [2, 9], -300, 300)));
        yield return Case<LogSoftmaxOp>("one entry", s => s.G.LogSoftmax(s.F("x", [4, 1])));
        yield return Case<LogSoftmaxOp>("no rows", s => s.G.LogSoftmax(s.F("x", [0, 4])));
    }

    private static IEnumerable<OpCase> Norms()
    {
        foreach (int[] shape in new int[][] { [3, 5, 67], [192], [4, 1], [0, 8] })
        {
            int d = shape[^1];
            string text = $"[{string.Join(",", shape)}]";
            yield return Case<LayerNormOp>(text, s => s.G.LayerNorm(s.F("x", shape), s.W("w", [d]), s.W("b", [d]), 1e-5f));
            yield return Case<RmsNormOp>(text, s => s.G.RmsNorm(s.F("x", shape), s.W("w", [d]), 1e-6f));
            yield return Case<RmsNormOp>($"{text} with offset", s => s.G.RmsNorm(s.F("x", shape), s.W("w", [d]), 1e-5f, offset: 1));
        }
        yield return Case<LayerNormOp>("constant rows", s => s.G.LayerNorm(s.F("x", [3, 8], 1.5f, 1.5f), s.W("w", [8]), s.W("b", [8]), 1e-5f));
        yield return Case<RmsNormOp>("zero rows", s => s.G.RmsNorm(s.F("x", [3, 8], 0, 0), s.W("w", [8]), 1e-5f));
    }

    private static IEnumerable<OpCase> Ropes()
    {
        foreach (RopeLayout layout in Enum.GetValues<RopeLayout>())
        {
            yield return Case<RopeOp>($"{layout} whole head", s => s.G.Rope(s.F("x", [2, 3, 4, 8]), s.I("p", [2, 3], 40), 10_000, 8, layout));
            yield return Case<RopeOp>($"{layout} part of a head", s => s.G.Rope(s.F("x", [1, 5, 3, 10]), s.I("p", [1, 5], 40), 500, 6, layout));
            yield return Case<RopeOp>($"{layout} with factors", s => s.G.Rope(s.F("x", [1, 3, 2, 12]), s.I("p", [1, 3], 40), 10_000, 12, layout, s.W("f", [6], 1, 4)));
            yield return Case<RopeOp>($"{layout} of nothing", s => s.G.Rope(s.F("x", [1, 0, 2, 4]), s.I("p", [1, 0], 4), 10_000, 4, layout));
        }
    }

    private static IEnumerable<OpCase> Attentions()
    {
        yield return Case<AttentionOp>("full", s => Attend(s, 2, 5, 5, 3, 3, 7, AttentionMask.Full));
        yield return Case<AttentionOp>("full, other length of keys", s => Attend(s, 1, 3, 9, 2, 2, 16, AttentionMask.Full));
        yield return Case<AttentionOp>("full, one query", s => Attend(s, 2, 1, 33, 4, 1, 8, AttentionMask.Full));
        yield return Case<AttentionOp>("full, long", s => Attend(s, 1, 67, 67, 2, 2, 64, AttentionMask.Full));
        yield return Case<AttentionOp>("causal", s => Attend(s, 2, 7, 7, 3, 3, 5, AttentionMask.Causal));
        yield return Case<AttentionOp>("causal, grouped heads", s => Attend(s, 1, 6, 6, 6, 2, 8, AttentionMask.Causal));
        yield return Case<AttentionOp>("causal, one token", s => Attend(s, 1, 1, 1, 2, 1, 8, AttentionMask.Causal));
        yield return Case<AttentionOp>("no key", s => Attend(s, 1, 2, 0, 2, 2, 4, AttentionMask.Full));
        yield return Case<AttentionOp>("no query", s => Attend(s, 1, 0, 3, 2, 2, 4, AttentionMask.Full));
        yield return Case<AttentionOp>("packed prefix", s => Attend(s, 2, 9, 9, 4, 2, 8, AttentionMask.PackedPrefix,
            s.I("segments", HostTensor.From(new Shape(2, 9), [0, 0, 0, 1, 1, 2, 2, 2, 3, 0, 0, 1, 1, 1, 1, 1, 9, 9]))));
        yield return Case<AttentionOp>("bias for every head", s => Attend(s, 2, 3, 5, 4, 2, 8, AttentionMask.Bias, s.F("bias", [2, 4, 3, 5])));
        yield return Case<AttentionOp>("bias, broadcast", s => Attend(s, 2, 3, 5, 2, 2, 8, AttentionMask.Bias, s.F("bias", [3, 5])));
        yield return Case<AttentionOp>("bias that hides a whole row", s => Attend(s, 1, 2, 3, 2, 2, 4, AttentionMask.Bias,
            s.G.Constant(HostTensor.From(new Shape(1, 1, 2, 3), [0, float.NegativeInfinity, 1, .. Enumerable.Repeat(float.NegativeInfinity, 3)]))));
        yield return Case<AttentionOp>("own scale", s => s.G.Attention(s.F("q", [1, 4, 2, 8]), s.F("k", [1, 4, 2, 8]), s.F("v", [1, 4, 2, 8]), AttentionMask.Causal, scale: 0.0625f));
        yield return Case<AttentionOp>("soft cap, full", s => Attend(s, 2, 5, 19, 4, 2, 7, AttentionMask.Full, softCap: 0.5f));
        yield return Case<AttentionOp>("soft cap, causal and long", s => Attend(s, 1, 67, 67, 2, 1, 24, AttentionMask.Causal, softCap: 2));
        yield return Case<AttentionOp>("soft cap, packed prefix", s => Attend(s, 1, 5, 5, 2, 1, 8, AttentionMask.PackedPrefix,
            s.I("segments", HostTensor.From(new Shape(1, 5), [0, 0, 1, 1, 2])), softCap: 0.3f));
        yield return Case<AttentionOp>("soft cap, bias", s => Attend(s, 1, 9, 5, 2, 2, 8, AttentionMask.Bias, s.F("bias", [9, 5]), softCap: 1));
        yield return Case<AttentionOp>("window", s => Attend(s, 2, 7, 7, 3, 3, 5, AttentionMask.Causal, window: 3));
        yield return Case<AttentionOp>("window of one key", s => Attend(s, 1, 9, 9, 2, 1, 8, AttentionMask.Causal, window: 1));
        yield return Case<AttentionOp>("window, long, soft cap", s => Attend(s, 1, 67, 67, 2, 2, 16, AttentionMask.Causal, softCap: 1, window: 33));
        // Rows of a batch with no padding, some, more than a block of keys, and nothing but padding.
        foreach (AttentionMask mask in new[] { AttentionMask.Full, AttentionMask.Causal })
        {
            yield return Case<AttentionOp>($"padding, {mask}", s => Attend(s, 4, 5, 5, 4, 2, 7, mask, Padding(s, 0, 2, 4, 5)));
            yield return Case<AttentionOp>($"padding, {mask}, long", s => Attend(s, 4, 67, 67, 2, 1, 24, mask, Padding(s, 1, 30, 66, 67), softCap: 2));
        }
        yield return Case<AttentionOp>("padding, window", s => Attend(s, 3, 7, 7, 2, 1, 8, AttentionMask.Causal, Padding(s, 0, 3, 6), window: 2));
        yield return Case<AttentionOp>("padding, window, long", s => Attend(s, 3, 40, 40, 2, 2, 8, AttentionMask.Causal, Padding(s, 0, 7, 35), window: 5));
        yield return Case<AttentionOp>("padding, other length of keys", s => Attend(s, 2, 9, 20, 2, 2, 8, AttentionMask.Full, Padding(s, 19, 3)));
        yield return Case<AttentionOp>("window beyond the chunk", s => Attend(s, 1, 6, 6, 2, 2, 8, AttentionMask.Causal, window: 100));
    }

    private static Value Padding(CaseScene s, params int[] tokens) => s.I("padding", HostTensor.From(new Shape(tokens.Length), tokens));

    private static Value Attend(CaseScene s, int b, int t, int keys, int heads, int kvHeads, int width, AttentionMask mask, Value? fourth = null, float softCap = 0, int window = 0) =>
        s.G.Attention(s.F("q", [b, t, heads, width]), s.F("k", [b, keys, kvHeads, width]), s.F("v", [b, keys, kvHeads, width]), mask,
            maskInput: fourth, softCap: softCap, window: window);

    private static OpCase Case<T>(string name, Func<CaseScene, Value> build) where T : Op => new($"{typeof(T).Name[..^2]}: {name}", typeof(T), build);
}
