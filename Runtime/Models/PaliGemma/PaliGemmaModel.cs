using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;

// PaliGemma (Beyer et al. 2024) and PaliGemma 2 (Steiner et al. 2024): SigLIP's image half, one linear layer, and a Gemma
// decoder used as a prefix language model.
//
// Differs from the obvious: the picture's rows come first and the begin token after them; picture and prompt see each
// other fully, only the answer is causal, so a prompt is one uncut chunk and a picture alone cannot be cached; picture
// rows are not multiplied by sqrt(D) as the words are.
//
// Axes: B batch, n pictures, P rows of a picture, E encoder width, D decoder width, T tokens, V vocabulary.

namespace VlmSdk.Models.PaliGemma;

/// <summary>
/// The graph functions of PaliGemma (prefix features fusion) under its newest published names without <c>model.</c>;
/// <see cref="PaliGemmaMapping"/> renames. Pure: no state, device, tokenizer or file access.
/// </summary>
public static class PaliGemmaModel
{
    /// <summary>Which weights are whose.</summary>
    public static ModelParts Parts { get; } = new(["vision_tower"], ["multi_modal_projector"], [GemmaDecoder.Scope]);

    /// <summary>Pixels [n, 3, S, S] as (byte / 255 - 0.5) / 0.5, to features [n, P, E].</summary>
    public static Value VisionEncoder(GraphBuilder g, PaliGemmaConfig c, Value pixels) =>
        SiglipVit.Encode(g, c.Vision, new WeightScope(g)["vision_tower"], pixels);

    /// <summary>Features [n, P, E] to the decoder's width, [n, P, D].</summary>
    public static Value Projector(GraphBuilder g, PaliGemmaConfig c, Value features) =>
        g.Tap("projector.out", new WeightScope(g)["multi_modal_projector"]["linear"].LinearBias(features, c.Decoder.Width));

    /// <summary>
    /// A prompt: ids I32 [B, T] with picture rows [n, P, D] at places I32 [n * P] of the flattened batch, and positions
    /// I32 [B, T], to hidden states [B, T, D]. Every token sees every other, the <paramref name="padding"/> left out: tokens at each
    /// row's beginning, I32 [B].
    /// </summary>
    public static Value Decoder(GraphBuilder g, PaliGemmaConfig c, Value ids, Value places, Value pictures, Value positions, bool cached, Value? padding = null) =>
        GemmaDecoder.Layers(g, c.Decoder, GemmaDecoder.Embed(g, c.Decoder, ids, places, pictures), positions, cached, AttentionMask.Full, padding);

    /// <summary>
    /// Prompts with their answers behind them, for training: as <see cref="Decoder"/>, with segments I32 [B, T] (see
    /// <see cref="PaliGemmaPrompt.Segments"/>) that mark answers and padding.
    /// </summary>
    public static Value TeacherForced(GraphBuilder g, PaliGemmaConfig c, Value ids, Value places, Value pictures, Value positions, Value segments) =>
        GemmaDecoder.Layers(g, c.Decoder, GemmaDecoder.Embed(g, c.Decoder, ids, places, pictures), positions, cached: false, AttentionMask.PackedPrefix, segments);

    /// <summary>
    /// Tokens of the answer, causally behind the KV cache: ids I32 [B, T] at positions I32 [B, T], to hidden states [B, T, D]. The
    /// prompt's padding, if it has any, stays hidden.
    /// </summary>
    public static Value Step(GraphBuilder g, PaliGemmaConfig c, Value ids, Value positions, Value? padding = null) =>
        GemmaDecoder.Layers(g, c.Decoder, GemmaDecoder.Embed(g, c.Decoder, ids), positions, cached: true, AttentionMask.Causal, padding);

    /// <summary>
    /// Hidden states [..., D] to logits [..., V]. Rows of the table from the image token on are filler and no words: leave
    /// them out when choosing a token. PaliGemma 2's bound of the logits is off unless asked for; it changes no order.
    /// </summary>
    public static Value Head(GraphBuilder g, PaliGemmaConfig c, Value hidden, bool softCap = false) => GemmaDecoder.Head(g, c.Decoder, hidden, softCap);
}
