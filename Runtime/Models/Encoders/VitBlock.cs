using VlmSdk.Graphs;

namespace VlmSdk.Models.Encoders;

/// <summary>The pre-norm block that CLIP and both halves of SigLIP share, under its published names.</summary>
internal static class VitBlock
{
    /// <summary>x [B, T, E] to [B, T, E], every token seeing every other.</summary>
    internal static Value Run(GraphBuilder g, WeightScope w, Value x, int heads, int mlpWidth, ActivationKind activation, float epsilon)
    {
        x += Attention(g, w["self_attn"], w["layer_norm1"].LayerNorm(x, epsilon), heads);
        return x + Mlp(g, w["mlp"], w["layer_norm2"].LayerNorm(x, epsilon), mlpWidth, activation);
    }

    /// <summary>Two linear layers with biases: [..., E] to [..., F] to [..., E].</summary>
    internal static Value Mlp(GraphBuilder g, WeightScope w, Value x, int mlpWidth, ActivationKind activation) =>
        w["fc2"].LinearBias(g.Activation(activation, w["fc1"].LinearBias(x, mlpWidth)), x.Shape[^1]);

    private static Value Attention(GraphBuilder g, WeightScope w, Value x, int heads)
    {
        int b = x.Shape[0], t = x.Shape[1], width = x.Shape[2];
        Value q = g.Reshape(w["q_proj"].LinearBias(x, width), b, t, heads, width / heads);         // [B, T, N, H]
        Value k = g.Reshape(w["k_proj"].LinearBias(x, width), b, t, heads, width / heads);
        Value v = g.Reshape(w["v_proj"].LinearBias(x, width), b, t, heads, width / heads);
        return w["out_proj"].LinearBias(g.Reshape(g.Attention(q, k, v, AttentionMask.Full), b, t, width), width);
    }
}
