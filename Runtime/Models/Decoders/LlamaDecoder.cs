using VlmSdk.Graphs;

// The Llama decoder (Touvron et al. 2023) under the names of GGUF files, shared by every model built on it.
//
// Differs from the obvious: rotations turn adjacent pairs in GGUF files and half-split ones in Hugging Face's, because
// the query and key rows are stored in that order; heads of keys and values may be fewer than those of queries; the output may be the embedding; a file may divide
// each rotary frequency by a factor of its own.
//
// Axes: B batch, T tokens, N heads, K key/value heads, H head width, D width, F MLP width, V vocabulary.

namespace VlmSdk.Models.Decoders;

/// <summary>The graph functions of a Llama decoder with GGUF names. Pure: no state, device, tokenizer or file access.</summary>
public static class LlamaDecoder
{
    internal const string RopeFactors = "rope_freqs";

    /// <summary>What the names of its weights begin with; the table of rotary factors, which is no weight that learns, left out.</summary>
    internal static readonly IReadOnlyList<string> Scopes = ["token_embd", "blk", "output_norm", "output"];

    /// <summary>The decoder as a prefix model's runtime drives it: text, or text with picture rows in some places, through the cache.</summary>
    internal static Value Hidden(GraphBuilder g, LlamaConfig c, Value ids, Value positions, Value? places, Value? rows) =>
        Layers(g, c, places is null ? Embed(g, c, ids) : Embed(g, c, ids, places, rows!), positions, cached: true);

    /// <summary>Embeddings of token ids: I32 [B, T] to [B, T, D].</summary>
    public static Value Embed(GraphBuilder g, LlamaConfig c, Value ids) => g.Tap("decoder.inputs", g.Gather(Embedding(g, c), ids));

    /// <summary>
    /// Embeddings of token ids with features in place of some: ids I32 [B, T], the places in the flattened batch I32 [M]
    /// in order, features [..., D] of M rows; to [B, T, D]. The ids at those places are looked up and thrown away.
    /// </summary>
    public static Value Embed(GraphBuilder g, LlamaConfig c, Value ids, Value places, Value features)
    {
        Value words = g.Gather(Embedding(g, c), g.Reshape(ids, -1));                                                      // [B * T, D]
        Value x = g.ScatterRows(words, places, g.Reshape(features, -1, c.Width));
        return g.Tap("decoder.inputs", g.Reshape(x, ids.Shape[0], ids.Shape[1], c.Width));
    }

    /// <summary>
    /// The layers and final norm: [B, T, D] to [B, T, D], at positions I32 [B, T]. With <paramref name="cached"/> layer i
    /// appends to slot i of the KV cache. Prompts of a batch that are padded on the left give their <paramref name="padding"/>
    /// tokens, I32 [B]; every later step needs the same.
    /// </summary>
    public static Value Layers(GraphBuilder g, LlamaConfig c, Value x, Value positions, bool cached, Value? padding = null)
    {
        var w = new WeightScope(g);
        for (int i = 0; i < c.Layers; i++)
        {
            WeightScope layer = w["blk"][i];
            x += Attention(g, c, layer, layer["attn_norm"].RmsNorm(x, c.NormEpsilon), positions, cached ? i : null, padding);
            x += GatedMlp(g, c, layer, layer["ffn_norm"].RmsNorm(x, c.NormEpsilon));
            g.Tap($"decoder.block.{i}", x);
        }
        return g.Tap("decoder.norm", w["output_norm"].RmsNorm(x, c.NormEpsilon));
    }

    /// <summary>Logits of hidden states: [..., D] to [..., V].</summary>
    public static Value Head(GraphBuilder g, LlamaConfig c, Value hidden) => c.TiedOutput
        ? g.Linear(hidden, Embedding(g, c))
        : new WeightScope(g)["output"].Linear(hidden, c.VocabularySize);

    private static Value Attention(GraphBuilder g, LlamaConfig c, WeightScope w, Value x, Value positions, int? slot, Value? padding)
    {
        int b = x.Shape[0], t = x.Shape[1];
        Value q = g.Reshape(w["attn_q"].Linear(x, c.Heads * c.HeadWidth), b, t, c.Heads, c.HeadWidth);                    // [B, T, N, H]
        Value k = g.Reshape(w["attn_k"].Linear(x, c.KeyValueHeads * c.HeadWidth), b, t, c.KeyValueHeads, c.HeadWidth);    // [B, T, K, H]
        Value v = g.Reshape(w["attn_v"].Linear(x, c.KeyValueHeads * c.HeadWidth), b, t, c.KeyValueHeads, c.HeadWidth);
        Value? factors = c.HasRopeFactors ? new WeightScope(g)[RopeFactors].Weight("weight", c.RopeWidth / 2) : null;
        q = g.Rope(q, positions, c.RopeTheta, c.RopeWidth, c.RopeLayout, factors);
        k = g.Rope(k, positions, c.RopeTheta, c.RopeWidth, c.RopeLayout, factors);
        Value mixed = g.Attention(q, k, v, AttentionMask.Causal, slot, maskInput: padding);
        return w["attn_output"].Linear(g.Reshape(mixed, b, t, c.Heads * c.HeadWidth), c.Width);
    }

    private static Value GatedMlp(GraphBuilder g, LlamaConfig c, WeightScope w, Value x)
    {
        Value gate = g.Activation(ActivationKind.Silu, w["ffn_gate"].Linear(x, c.MlpWidth));                              // [B, T, F]
        return w["ffn_down"].Linear(gate * w["ffn_up"].Linear(x, c.MlpWidth), c.Width);
    }

    private static Value Embedding(GraphBuilder g, LlamaConfig c) => new WeightScope(g)["token_embd"].Weight("weight", c.VocabularySize, c.Width);
}
