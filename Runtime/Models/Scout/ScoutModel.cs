using VlmSdk.Graphs;

// Scout, the embedded default model: a convolutional stem and a small ViT encode the picture, a pixel-shuffle projector
// makes 64 picture tokens, a small Llama-like decoder reads them as a bidirectional prefix and answers in words and
// location tokens. Trained from scratch by Samples/TrainScout; the model card is docs/scout.md.
//
// Differs from the obvious: the encoder begins with real convolutions (residual, no norm) instead of a linear patch
// embedding; its MLP uses squared ReLU and its attention has no biases; location logits get a learned Gaussian on top of
// the tied embedding, so that neighbouring bins share what they learn.
//
// Axes: B batch, P patches, I picture tokens, T text tokens, N heads, H head width, E encoder width, D decoder width, V words, L bins.

namespace VlmSdk.Models.Scout;

/// <summary>The graph functions of Scout (prefix features fusion). Pure: no state, device, tokenizer or file access.</summary>
public static class ScoutModel
{
    /// <summary>Which weights are whose.</summary>
    public static ModelParts Parts { get; } = new(["stem", "pos", "enc", "en"], ["p1", "p2"], ["emb", "dec", "dn", "lh"]);

    /// <summary>Stem and ViT: pixels [B, 3, S, S] as byte / 64 - 2, to patch features [B, P, E].</summary>
    public static Value VisionEncoder(GraphBuilder g, ScoutConfig c, Value pixels)
    {
        var w = new WeightScope(g);
        Value x = g.Tap("stem", Stem(g, c, w["stem"], pixels));                                    // [B, E, S/16, S/16]
        x = g.Permute(g.Reshape(x, pixels.Shape[0], c.EncoderWidth, c.Patches), 0, 2, 1);          // [B, P, E]
        x += w.Weight("pos", c.Patches, c.EncoderWidth);
        for (int i = 0; i < c.EncoderLayers; i++)
        {
            WeightScope layer = w["enc"][i];
            x += Attention(g, c, layer["att"], layer["n1"].LayerNorm(x, c.NormEpsilon), positions: null, AttentionMask.Full, slot: null);
            Value hidden = layer["f1"].LinearBias(layer["n2"].LayerNorm(x, c.NormEpsilon), c.EncoderWidth * c.EncoderMlpRatio);
            x += layer["f2"].LinearBias(g.Activation(ActivationKind.SquaredRelu, hidden), c.EncoderWidth);
        }
        return g.Tap("encoder_out", w["en"].LayerNorm(x, c.NormEpsilon));
    }

    /// <summary>2 x 2 neighbouring patches side by side, then two linear layers: [B, P, E] to picture tokens [B, I, D].</summary>
    public static Value Projector(GraphBuilder g, ScoutConfig c, Value features)
    {
        var w = new WeightScope(g);
        int b = features.Shape[0], half = c.PatchSide / 2;
        Value x = g.Reshape(features, b, half, 2, half, 2, c.EncoderWidth);
        x = g.Reshape(g.Permute(x, 0, 1, 3, 2, 4, 5), b, c.PictureTokens, 4 * c.EncoderWidth);     // [B, I, 4E]
        x = g.Activation(ActivationKind.GeluTanh, w["p1"].LinearBias(x, c.ProjectorWidth));
        return g.Tap("projector_out", w["p2"].LinearBias(x, c.DecoderWidth));
    }

    /// <summary>Embeddings of word ids: I32 [B, T] to [B, T, D].</summary>
    public static Value Embed(GraphBuilder g, ScoutConfig c, Value ids) => g.Gather(Embedding(g, c), ids);

    /// <summary>
    /// The decoder layers and final norm: [B, T, D] to [B, T, D]. With <paramref name="cached"/> layer i appends to slot
    /// i: the picture as one <see cref="AttentionMask.Full"/> chunk, text as <see cref="AttentionMask.Causal"/> ones.
    /// </summary>
    public static Value Decoder(GraphBuilder g, ScoutConfig c, Value x, Value positions, AttentionMask mask, bool cached, Value? segments = null)
    {
        var w = new WeightScope(g);
        for (int i = 0; i < c.DecoderLayers; i++)
        {
            WeightScope layer = w["dec"][i];
            x += Attention(g, c, layer["att"], layer["n1"].RmsNorm(x, c.NormEpsilon), positions, mask, cached ? i : null, segments, $"dec.{i}");
            Value both = layer["gu"].Linear(layer["n2"].RmsNorm(x, c.NormEpsilon), 2 * c.DecoderMlpWidth);
            Value[] gateUp = g.Split(both, -1, c.DecoderMlpWidth, c.DecoderMlpWidth);
            x += layer["dn"].Linear(g.Activation(ActivationKind.Silu, gateUp[0]) * gateUp[1], c.DecoderWidth);
        }
        return g.Tap("decoder_norm", w["dn"].RmsNorm(x, c.NormEpsilon));
    }

    /// <summary>Logits of hidden states [..., D] to [..., V]: tied embedding, and the location head on the last L words.</summary>
    public static Value Head(GraphBuilder g, ScoutConfig c, Value hidden)
    {
        var w = new WeightScope(g);
        int rows = (int)hidden.Shape[..^1].Count;
        hidden = g.Reshape(hidden, rows, c.DecoderWidth);
        Value words = g.Linear(hidden, Embedding(g, c));                                           // [R, V]
        Value[] place = g.Split(w["lh"].LinearBias(hidden, 2), -1, 1, 1);
        Value mean = place[0] * 0.5f + 0.5f;                                                       // [R, 1] in 0..1
        Value inverse = g.Unary(UnaryKind.Exp, g.Clamp(place[1], -5.5f, 0) * -2f);                 // 1 / sigma^2
        Value distance = g.Unary(UnaryKind.Square, BinCentres(g, c) - mean);                       // [R, L]
        Value bump = g.Binary(BinaryKind.Maximum, distance * inverse * -0.5f, g.Scalar(-60));
        Value[] parts = g.Split(words, -1, c.LocationBase, c.LocationBins);
        return g.Concat(-1, parts[0], parts[1] + bump);
    }

    /// <summary>Centres of the location bins in picture units, [1, L].</summary>
    public static Value BinCentres(GraphBuilder g, ScoutConfig c) =>
        g.Constant(Tensors.HostTensor.From(new Tensors.Shape(1, c.LocationBins),
            Enumerable.Range(0, c.LocationBins).Select(k => (k + 0.5f) / c.LocationBins).ToArray()));

    private static Value Embedding(GraphBuilder g, ScoutConfig c) => new WeightScope(g)["emb"].Weight("weight", c.VocabularySize, c.DecoderWidth);

    private static Value Stem(GraphBuilder g, ScoutConfig c, WeightScope w, Value x)
    {
        x = Relu(g, w[0].Conv2d(x, c.StemChannels[0], kernel: 7, stride: 4, padding: 3));
        x = Residual(g, w[2], x);
        x = Relu(g, w[3].Conv2d(x, c.StemChannels[1], kernel: 3, stride: 2, padding: 1));
        x = Residual(g, w[6], Residual(g, w[5], x));
        x = Relu(g, w[7].Conv2d(x, c.StemChannels[2], kernel: 3, stride: 2, padding: 1));
        return Residual(g, w[9], x);
    }

    private static Value Residual(GraphBuilder g, WeightScope w, Value x)
    {
        int channels = x.Shape[1];
        Value inner = w["a"].Conv2d(Relu(g, x), channels, kernel: 3, stride: 1, padding: 1);
        return x + w["b"].Conv2d(Relu(g, inner), channels, kernel: 3, stride: 1, padding: 1);
    }

    private static Value Relu(GraphBuilder g, Value x) => g.Unary(UnaryKind.Relu, x);

    private static Value Attention(GraphBuilder g, ScoutConfig c, WeightScope w, Value x, Value? positions,
        AttentionMask mask, int? slot, Value? segments = null, string? tap = null)
    {
        int b = x.Shape[0], t = x.Shape[1], width = x.Shape[2], heads = width / c.HeadWidth;
        Value[] qkv = g.Split(w["qkv"].Linear(x, 3 * width), -1, width, width, width);
        Value q = g.Reshape(qkv[0], b, t, heads, c.HeadWidth);                                     // [B, T, N, H]
        Value k = g.Reshape(qkv[1], b, t, heads, c.HeadWidth);
        Value v = g.Reshape(qkv[2], b, t, heads, c.HeadWidth);
        if (positions is not null)
        {
            q = g.Rope(q, positions, c.RopeTheta, c.HeadWidth, RopeLayout.HalfSplit);
            k = g.Rope(k, positions, c.RopeTheta, c.HeadWidth, RopeLayout.HalfSplit);
        }
        if (tap is not null)
            (q, k) = (g.Tap($"{tap}.q", q), g.Tap($"{tap}.k", k));
        Value mixed = g.Attention(q, k, v, mask, slot, maskInput: segments);
        return w["o"].Linear(g.Reshape(mixed, b, t, width), width);
    }
}
