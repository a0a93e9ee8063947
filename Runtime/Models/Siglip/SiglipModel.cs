using VlmSdk.Graphs;
using VlmSdk.Models.Encoders;

// SigLIP (Zhai et al. 2023): two encoders whose embeddings are compared by a scaled, biased product and a sigmoid.
//
// Differs from the obvious: the text half sees every token including its padding, and takes the last position, so text
// must be padded to its full length; probabilities are independent per pair; the image embedding has no projection.
//
// Axes: B pictures, T texts, L tokens, E width.

namespace VlmSdk.Models.Siglip;

/// <summary>The graph functions of SigLIP under their published names. Pure: no state, device, tokenizer or file access.</summary>
public static class SiglipModel
{
    /// <summary>Pixels [B, 3, S, S] to image embeddings of length 1, [B, E].</summary>
    public static Value ImageEmbeddings(GraphBuilder g, SiglipConfig c, Value pixels)
    {
        WeightScope w = new WeightScope(g)["vision_model"];
        return Normalize(g, SiglipVit.Pool(g, c.Vision, w["head"], SiglipVit.Encode(g, c.Vision, w, pixels)));
    }

    /// <summary>Token ids I32 [T, L], padded with the end id, to text embeddings of length 1, [T, E].</summary>
    public static Value TextEmbeddings(GraphBuilder g, SiglipConfig c, Value ids) => Normalize(g, TextEncoder(g, c, ids));

    /// <summary>Token ids I32 [T, L] with L at most the text length, to text embeddings before normalisation, [T, E].</summary>
    public static Value TextEncoder(GraphBuilder g, SiglipConfig c, Value ids)
    {
        WeightScope w = new WeightScope(g)["text_model"];
        int texts = ids.Shape[0], length = ids.Shape[1];
        Value positions = g.Slice(w["embeddings"]["position_embedding"].Weight("weight", c.TextLength, c.TextWidth), 0, 0, length);
        Value x = g.Gather(w["embeddings"]["token_embedding"].Weight("weight", c.VocabularySize, c.TextWidth), ids);
        x = g.Tap("text.embed", x + positions);                                                    // [T, L, E]
        for (int i = 0; i < c.TextLayers; i++)
            x = g.Tap($"text.block.{i}", VitBlock.Run(g, w["encoder"]["layers"][i], x, c.TextHeads, c.TextMlpWidth, c.TextActivation, c.TextNormEpsilon));
        x = g.Tap("text.out", w["final_layer_norm"].LayerNorm(x, c.TextNormEpsilon));
        Value last = g.Reshape(g.Slice(x, 1, length - 1, 1), texts, c.TextWidth);
        return g.Tap("text.pooled", w["head"].LinearBias(last, c.ProjectionSize));
    }

    /// <summary>Embeddings [T, E] and [B, E] to logits per text and picture, [T, B].</summary>
    public static Value Logits(GraphBuilder g, Value texts, Value images)
    {
        var w = new WeightScope(g);
        return g.MatMul(texts, g.Permute(images, 1, 0)) * g.Unary(UnaryKind.Exp, w.Weight("logit_scale", 1)) + w.Weight("logit_bias", 1);
    }

    private static Value Normalize(GraphBuilder g, Value x) =>
        x * g.Unary(UnaryKind.Rsqrt, g.Reduce(ReduceKind.Sum, g.Unary(UnaryKind.Square, x), -1, keepAxis: true));
}
