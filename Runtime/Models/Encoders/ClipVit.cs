using VlmSdk.Graphs;

// The image half of CLIP (Radford et al. 2021), the front end of LLaVA and others.
//
// Differs from the obvious: a class token comes first; the patch convolution has no bias; a norm stands before the
// blocks (spelled pre_layrnorm); models built on it take an inner layer's output, without the final norm.
//
// Axes: B batch, P patches, E width.

namespace VlmSdk.Models.Encoders;

/// <summary>The graph functions of CLIP's image half. Names are those below <c>vision_model.</c> in published files.</summary>
public static class ClipVit
{
    /// <summary>
    /// Pixels [B, 3, S, S], normalised with CLIP's statistics, to hidden states [B, 1 + P, E]: number 0 is the input of
    /// block 0, number i the output of block i - 1. Blocks after <paramref name="last"/> are left out.
    /// </summary>
    public static Value[] HiddenStates(GraphBuilder g, VitConfig c, WeightScope w, Value pixels, int last)
    {
        WeightScope embeddings = w["embeddings"];
        Value kernel = embeddings["patch_embedding"].Weight("weight", c.Width, 3, c.PatchSize, c.PatchSize);
        Value x = g.Conv2d(pixels, kernel, stride: c.PatchSize);
        int batch = pixels.Shape[0];
        x = g.Permute(g.Reshape(x, batch, c.Width, c.Patches), 0, 2, 1);                           // [B, P, E]
        Value token = g.Reshape(embeddings.Weight("class_embedding", c.Width), 1, 1, c.Width);
        x = g.Concat(1, g.Concat(0, Enumerable.Repeat(token, batch).ToArray()), x);                // [B, 1 + P, E]
        x = g.Tap("vision.embed", x + embeddings["position_embedding"].Weight("weight", 1 + c.Patches, c.Width));
        x = g.Tap("vision.pre", w["pre_layrnorm"].LayerNorm(x, c.NormEpsilon));
        var states = new Value[last + 1];
        states[0] = x;
        for (int i = 0; i < last; i++)
            states[i + 1] = x = g.Tap($"vision.block.{i}", VitBlock.Run(g, w["encoder"]["layers"][i], x, c.Heads, c.MlpWidth, c.Activation, c.NormEpsilon));
        return states;
    }

    /// <summary>The class token of a hidden state after the final norm: [B, 1 + P, E] to [B, E].</summary>
    public static Value Pool(GraphBuilder g, VitConfig c, WeightScope w, Value state) =>
        w["post_layernorm"].LayerNorm(g.Reshape(g.Slice(state, 1, 0, 1), state.Shape[0], c.Width), c.NormEpsilon);
}
