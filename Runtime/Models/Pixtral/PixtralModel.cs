using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;

// Pixtral 12B (Agrawal et al. 2024): an image half that keeps size and aspect, two linear layers, and a Mistral decoder
// that reads one row per patch in place of a placeholder.
//
// Differs from the obvious: a picture takes as many rows as it has patches, and ordinary tokens, with embeddings of
// their own, mark the ends of its patch rows and of the picture; the decoder's heads together are narrower than its
// width; its rotary base is 1e9; two layouts of the same weights differ in the order of query and key rows.
//
// Axes: P patches of all pictures, E encoder width, D decoder width, B batch, T tokens, V vocabulary.

namespace VlmSdk.Models.Pixtral;

/// <summary>
/// The graph functions of Pixtral (prefix features fusion). Image half and projector have their newest published names,
/// the decoder those of GGUF files; <see cref="PixtralMapping"/> renames. Pure: no state, device, tokenizer or file access.
/// </summary>
public static class PixtralModel
{
    /// <summary>Which weights are whose.</summary>
    public static ModelParts Parts { get; } = new(["vision_tower"], ["multi_modal_projector"], LlamaDecoder.Scopes, LlamaDecoder.RopeFactors);

    /// <summary>Pictures [1, 3, h, w], each of its own size, to patch features [1, P, E], picture after picture.</summary>
    /// <exception cref="ShapeMismatchException">A picture is not F32 [1, 3, h, w] of whole patches, or there is none.</exception>
    public static Value VisionEncoder(GraphBuilder g, PixtralConfig c, params Value[] pixels) =>
        g.Tap("vision.out", PixtralVit.Encode(g, c.Vision, new WeightScope(g)["vision_tower"], pixels));

    /// <summary>Features [1, P, E] to the decoder's width, [1, P, D].</summary>
    public static Value Projector(GraphBuilder g, PixtralConfig c, Value features)
    {
        WeightScope w = new WeightScope(g)["multi_modal_projector"];
        Value hidden = g.Activation(c.ProjectorActivation, Layer(w["linear_1"], features));
        return g.Tap("projector.out", Layer(w["linear_2"], hidden));

        Value Layer(WeightScope layer, Value x) => c.ProjectorBias ? layer.LinearBias(x, c.Decoder.Width) : layer.Linear(x, c.Decoder.Width);
    }

    /// <summary>
    /// Ids I32 [B, T] with picture rows [1, P, D] at places I32 [P] of the flattened batch, and positions I32 [B, T], to hidden
    /// states [B, T, D]. Text without pictures goes through <see cref="LlamaDecoder"/> directly; padding is its as well.
    /// </summary>
    public static Value Decoder(GraphBuilder g, PixtralConfig c, Value ids, Value places, Value pictures, Value positions, bool cached, Value? padding = null) =>
        LlamaDecoder.Layers(g, c.Decoder, LlamaDecoder.Embed(g, c.Decoder, ids, places, pictures), positions, cached, padding);

    /// <summary>Hidden states [..., D] to logits [..., V].</summary>
    public static Value Head(GraphBuilder g, PixtralConfig c, Value hidden) => LlamaDecoder.Head(g, c.Decoder, hidden);
}
