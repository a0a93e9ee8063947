using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;

// LLaVA-1.5 (Liu et al. 2023): an inner layer of CLIP's image half, two linear layers, and a Llama decoder that reads the
// picture's rows in place of a placeholder.
//
// Differs from the obvious: features come from the second-to-last block, without its final norm and without the class
// token; three activations in one model (quick GELU, exact GELU, SiLU); picture rows are masked causally like text.
//
// Axes: B batch, n pictures, P rows of a picture, E encoder width, D decoder width, T tokens, V vocabulary.

namespace VlmSdk.Models.Llava;

/// <summary>
/// The graph functions of LLaVA (prefix features fusion). Vision and projector have their newest published names, the
/// decoder those of GGUF files; <see cref="LlavaMapping"/> renames. Pure: no state, device, tokenizer or file access.
/// </summary>
public static class LlavaModel
{
    /// <summary>Which weights are whose.</summary>
    public static ModelParts Parts { get; } = new(["vision_tower"], ["multi_modal_projector"], LlamaDecoder.Scopes, LlamaDecoder.RopeFactors);

    /// <summary>Pixels [n, 3, S, S] to the chosen layers' features [n, P, E * layers].</summary>
    public static Value VisionEncoder(GraphBuilder g, LlavaConfig c, Value pixels)
    {
        Value[] states = ClipVit.HiddenStates(g, c.Vision, new WeightScope(g)["vision_tower"], pixels, c.FeatureLayers.Max());
        Value[] chosen = [.. c.FeatureLayers.Select(layer => c.KeepsClassToken ? states[layer] : g.Slice(states[layer], 1, 1, c.Vision.Patches))];
        return g.Tap("vision.out", chosen.Length == 1 ? chosen[0] : g.Concat(-1, chosen));
    }

    /// <summary>Features [n, P, E] to the decoder's width, [n, P, D].</summary>
    public static Value Projector(GraphBuilder g, LlavaConfig c, Value features)
    {
        WeightScope w = new WeightScope(g)["multi_modal_projector"];
        Value hidden = g.Activation(c.ProjectorActivation, w["linear_1"].LinearBias(features, c.Decoder.Width));
        return g.Tap("projector.out", w["linear_2"].LinearBias(hidden, c.Decoder.Width));
    }

    /// <summary>
    /// Ids I32 [B, T] with picture rows [n, P, D] at places I32 [n * P] of the flattened batch, and positions I32 [B, T],
    /// to hidden states [B, T, D]. Text without pictures goes through <see cref="LlamaDecoder"/> directly; padding is its as well.
    /// </summary>
    public static Value Decoder(GraphBuilder g, LlavaConfig c, Value ids, Value places, Value pictures, Value positions, bool cached, Value? padding = null) =>
        LlamaDecoder.Layers(g, c.Decoder, LlamaDecoder.Embed(g, c.Decoder, ids, places, pictures), positions, cached, padding);

    /// <summary>Hidden states [..., D] to logits [..., V].</summary>
    public static Value Head(GraphBuilder g, LlavaConfig c, Value hidden) => LlamaDecoder.Head(g, c.Decoder, hidden);
}
