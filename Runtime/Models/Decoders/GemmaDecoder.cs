using VlmSdk.Graphs;
using VlmSdk.Tensors;

// The Gemma decoder of the first (Gemma Team 2024a) and second generation (2024b), shared by every model built on it.
//
// Differs from the obvious: embeddings are multiplied by sqrt(D) after the lookup, the output layer is the same table
// unscaled; every norm multiplies by 1 + weight; heads need not fill the width. The first generation's
// post_attention_layernorm stands before the MLP. In the second, four norms a layer, scores bounded by a tanh, and the
// scale of queries is a setting of its own.
//
// Axes: B batch, T tokens, N heads, K key/value heads, H head width, D width, F MLP width, V vocabulary.

namespace VlmSdk.Models.Decoders;

/// <summary>
/// The graph functions of a Gemma decoder under its published names below <c>language_model.</c>. Pure: no state, device,
/// tokenizer or file access.
/// </summary>
public static class GemmaDecoder
{
    /// <summary>Prefix of the decoder's names.</summary>
    public const string Scope = "language_model";

    /// <summary>Embeddings of token ids: I32 [B, T] to [B, T, D].</summary>
    public static Value Embed(GraphBuilder g, GemmaConfig c, Value ids) => g.Tap("decoder.inputs", Words(g, c, ids));

    /// <summary>
    /// Embeddings of token ids with features in place of some: ids I32 [B, T], the places in the flattened batch I32 [M]
    /// in order, features [..., D] of M rows, which are not scaled; to [B, T, D]. The ids at those places are looked up and
    /// thrown away.
    /// </summary>
    public static Value Embed(GraphBuilder g, GemmaConfig c, Value ids, Value places, Value features)
    {
        Value x = g.ScatterRows(Words(g, c, g.Reshape(ids, -1)), places, g.Reshape(features, -1, c.Width));                // [B * T, D]
        return g.Tap("decoder.inputs", g.Reshape(x, ids.Shape[0], ids.Shape[1], c.Width));
    }

    /// <summary>
    /// The layers and final norm: [B, T, D] to [B, T, D], at positions I32 [B, T] under a mask (see <see cref="AttentionMask"/>)
    /// with its input, if it has one. With <paramref name="cached"/> layer i appends to slot i of the KV cache; a causal
    /// chunk then sees no further back than <see cref="GemmaConfig.SlidingWindow"/> where it is set.
    /// </summary>
    public static Value Layers(GraphBuilder g, GemmaConfig c, Value x, Value positions, bool cached, AttentionMask mask, Value? maskInput = null)
    {
        WeightScope w = new WeightScope(g)[Scope];
        for (int i = 0; i < c.Layers; i++)
        {
            WeightScope layer = w["layers"][i];
            int window = cached && mask == AttentionMask.Causal && c.SlidingLayers.ElementAtOrDefault(i) ? c.SlidingWindow : 0;
            Value mixed = Attention(g, c, layer["self_attn"], Norm(c, layer["input_layernorm"], x), positions, cached ? i : null, mask, maskInput, window);
            x += c.HasPostNorms ? Norm(c, layer["post_attention_layernorm"], mixed) : mixed;
            Value gated = GatedMlp(g, c, layer["mlp"], Norm(c, layer[c.HasPostNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"], x));
            x += c.HasPostNorms ? Norm(c, layer["post_feedforward_layernorm"], gated) : gated;
            g.Tap($"decoder.block.{i}", x);
        }
        return g.Tap("decoder.norm", Norm(c, w["norm"], x));
    }

    /// <summary>Logits of hidden states: [..., D] to [..., V], inside <see cref="GemmaConfig.FinalSoftCap"/> if asked for. The bound changes no order.</summary>
    public static Value Head(GraphBuilder g, GemmaConfig c, Value hidden, bool softCap = false)
    {
        Value logits = g.Linear(hidden, Table(g, c));
        return softCap && c.FinalSoftCap > 0 ? g.SoftCap(logits, c.FinalSoftCap) : logits;
    }

    /// <summary>Every tensor with its shape.</summary>
    public static IEnumerable<(string Name, Shape Shape)> Tensors(GemmaConfig c)
    {
        int queries = c.Heads * c.HeadWidth, keys = c.KeyValueHeads * c.HeadWidth;
        string[] norms = c.HasPostNorms
            ? ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
            : ["input_layernorm", "post_attention_layernorm"];
        yield return ($"{Scope}.embed_tokens.weight", new Shape(c.VocabularySize, c.Width));
        yield return ($"{Scope}.norm.weight", new Shape(c.Width));
        for (int i = 0; i < c.Layers; i++)
        {
            string layer = $"{Scope}.layers.{i}";
            foreach (string norm in norms)
                yield return ($"{layer}.{norm}.weight", new Shape(c.Width));
            yield return ($"{layer}.self_attn.q_proj.weight", new Shape(queries, c.Width));
            yield return ($"{layer}.self_attn.k_proj.weight", new Shape(keys, c.Width));
            yield return ($"{layer}.self_attn.v_proj.weight", new Shape(keys, c.Width));
            yield return ($"{layer}.self_attn.o_proj.weight", new Shape(c.Width, queries));
            yield return ($"{layer}.mlp.gate_proj.weight", new Shape(c.MlpWidth, c.Width));
            yield return ($"{layer}.mlp.up_proj.weight", new Shape(c.MlpWidth, c.Width));
            yield return ($"{layer}.mlp.down_proj.weight", new Shape(c.Width, c.MlpWidth));
        }
    }

    private static Value Attention(
        GraphBuilder g, GemmaConfig c, WeightScope w, Value x, Value positions, int? slot, AttentionMask mask, Value? maskInput, int window)
    {
        int b = x.Shape[0], t = x.Shape[1];
        Value q = g.Reshape(w["q_proj"].Linear(x, c.Heads * c.HeadWidth), b, t, c.Heads, c.HeadWidth);                     // [B, T, N, H]
        Value k = g.Reshape(w["k_proj"].Linear(x, c.KeyValueHeads * c.HeadWidth), b, t, c.KeyValueHeads, c.HeadWidth);     // [B, T, K, H]
        Value v = g.Reshape(w["v_proj"].Linear(x, c.KeyValueHeads * c.HeadWidth), b, t, c.KeyValueHeads, c.HeadWidth);
        q = g.Rope(q, positions, c.RopeTheta, c.HeadWidth, RopeLayout.HalfSplit);
        k = g.Rope(k, positions, c.RopeTheta, c.HeadWidth, RopeLayout.HalfSplit);
        Value mixed = g.Attention(q, k, v, mask, slot, c.QueryScale, maskInput, c.AttentionSoftCap, window);
        return w["o_proj"].Linear(g.Reshape(mixed, b, t, c.Heads * c.HeadWidth), c.Width);
    }

    private static Value GatedMlp(GraphBuilder g, GemmaConfig c, WeightScope w, Value x)
    {
        Value gate = g.Activation(ActivationKind.GeluTanh, w["gate_proj"].Linear(x, c.MlpWidth));                          // [B, T, F]
        return w["down_proj"].Linear(gate * w["up_proj"].Linear(x, c.MlpWidth), c.Width);
    }

    private static Value Norm(GemmaConfig c, WeightScope w, Value x) => w.RmsNorm(x, c.NormEpsilon, offset: 1);

    private static Value Words(GraphBuilder g, GemmaConfig c, Value ids) => g.Gather(Table(g, c), ids) * MathF.Sqrt(c.Width);

    private static Value Table(GraphBuilder g, GemmaConfig c) => new WeightScope(g)[Scope]["embed_tokens"].Weight("weight", c.VocabularySize, c.Width);
}
