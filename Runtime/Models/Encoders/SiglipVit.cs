using VlmSdk.Graphs;

// The image half of SigLIP (Zhai et al. 2023), the front end of PaliGemma and others.
//
// Differs from the obvious: no class token and no norm before the blocks; the patch convolution has a bias; a picture
// side that is no multiple of the patch loses its remainder; GELU is the tanh form; the pooling head has no residual
// around its attention.
//
// Axes: B batch, P patches, E width, N heads, H head width.

namespace VlmSdk.Models.Encoders;

/// <summary>The graph functions of SigLIP's image half. Names are those below <c>vision_model.</c> in published files.</summary>
public static class SiglipVit
{
    /// <summary>Pixels [B, 3, S, S] as (byte / 255 - 0.5) / 0.5, to patch features [B, P, E] after the final norm.</summary>
    public static Value Encode(GraphBuilder g, VitConfig c, WeightScope w, Value pixels)
    {
        WeightScope embeddings = w["embeddings"];
        Value x = embeddings["patch_embedding"].Conv2d(pixels, c.Width, c.PatchSize, c.PatchSize, padding: 0);
        x = g.Permute(g.Reshape(x, x.Shape[0], c.Width, c.Patches), 0, 2, 1);                      // [B, P, E]
        x = g.Tap("vision.embed", x + embeddings["position_embedding"].Weight("weight", c.Patches, c.Width));
        for (int i = 0; i < c.Layers; i++)
            x = g.Tap($"vision.block.{i}", VitBlock.Run(g, w["encoder"]["layers"][i], x, c.Heads, c.MlpWidth, c.Activation, c.NormEpsilon));
        return g.Tap("vision.out", w["post_layernorm"].LayerNorm(x, c.NormEpsilon));
    }

    /// <summary>Attention pooling: one learned query over the patch features [B, P, E], to [B, E].</summary>
    public static Value Pool(GraphBuilder g, VitConfig c, WeightScope w, Value features)
    {
        int b = features.Shape[0], head = c.Width / c.Heads;
        Value weight = w["attention"].Weight("in_proj_weight", 3 * c.Width, c.Width), bias = w["attention"].Weight("in_proj_bias", 3 * c.Width);
        Value probe = g.Concat(0, Enumerable.Repeat(w.Weight("probe", 1, 1, c.Width), b).ToArray());
        Value q = g.Slice(g.Linear(probe, weight, bias), -1, 0, c.Width);                          // [B, 1, E]
        Value kv = g.Linear(features, weight, bias);                                               // [B, P, 3E]
        Value k = g.Slice(kv, -1, c.Width, c.Width), v = g.Slice(kv, -1, 2 * c.Width, c.Width);
        Value x = g.Attention(g.Reshape(q, b, 1, c.Heads, head), g.Reshape(k, b, -1, c.Heads, head), g.Reshape(v, b, -1, c.Heads, head), AttentionMask.Full);
        x = g.Tap("vision.head.attention", w["attention"]["out_proj"].LinearBias(g.Reshape(x, b, 1, c.Width), c.Width));
        x += VitBlock.Mlp(g, w["mlp"], w["layernorm"].LayerNorm(x, c.NormEpsilon), c.MlpWidth, c.Activation);
        return g.Tap("vision.pooled", g.Reshape(x, b, c.Width));
    }
}
