using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models;

/// <summary>What a prompt is for.</summary>
public enum PromptTask
{
    /// <summary>Describe the picture; no text.</summary>
    Describe,
    /// <summary>Answer a question.</summary>
    Answer,
    /// <summary>Give the box of a phrase.</summary>
    Detect,
    /// <summary>Give the box and the mask of a phrase.</summary>
    Segment,
}

/// <summary>Sizes of a decoder that a runtime needs: for its cache, its logits and its limit.</summary>
/// <param name="Layers">Cached attentions.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="HeadWidth">Width of a head.</param>
/// <param name="VocabularySize">Ids a prompt may hold.</param>
/// <param name="Words">Ids a token is chosen among: the first ones. Logits behind them stand for no word.</param>
/// <param name="ContextLength">Most tokens of prompt and answer.</param>
public sealed record DecoderSizes(int Layers, int KeyValueHeads, int HeadWidth, int VocabularySize, int Words, int ContextLength)
{
    /// <summary>Those of a Llama decoder, whose every row of the table is a word.</summary>
    public static DecoderSizes Of(LlamaConfig c) => new(c.Layers, c.KeyValueHeads, c.HeadWidth, c.VocabularySize, c.VocabularySize, c.ContextLength);
}

/// <summary>
/// A model whose decoder reads picture rows in place of prompt tokens (prefix features fusion), as a runtime drives it.
/// Letters: B batch, T tokens, R rows of a picture, D decoder width, V vocabulary.
/// </summary>
public interface IPrefixModel
{
    /// <summary>Sizes of the decoder.</summary>
    DecoderSizes Decoder { get; }

    /// <summary>How a picture becomes pixels.</summary>
    ImageConvention Picture { get; }

    /// <summary>The prompt's tokens all see each other and are read at once; otherwise each sees those before it.</summary>
    bool PromptSeesItself { get; }

    /// <summary>The id that stands for one row of a picture in a prompt; the decoder puts the row in its place.</summary>
    int RowToken { get; }

    /// <summary>How a vocabulary that knows <see cref="RowToken"/> spells it.</summary>
    string RowSpelling { get; }

    /// <summary>Tokens that end an answer.</summary>
    IReadOnlyList<string> EndTokens { get; }

    /// <summary>Ids that a picture of this place takes in a prompt: <see cref="RowToken"/> for each row, and any separators.</summary>
    int[] PictureIds(ITokenizer tokenizer, CoordinateMap map);

    /// <summary>The prompt of a task; exactly one picture has a place in it.</summary>
    /// <param name="task">What it is for.</param>
    /// <param name="text">The question or phrase; ignored for descriptions.</param>
    /// <exception cref="NotSupportedException">The family has no such task.</exception>
    IReadOnlyList<PromptPart> Prompt(PromptTask task, string text);

    /// <summary>Pixels [1, 3, H, W] to the rows of the picture [R, D].</summary>
    Value Rows(GraphBuilder g, Value pixels);

    /// <summary>
    /// Ids I32 [B, T] at positions I32 [B, T] through the cache to hidden states [B, T, D]; rows [R, D] at places I32 [R] of
    /// the flattened batch, both null for text behind what the cache holds.
    /// </summary>
    Value Hidden(GraphBuilder g, Value ids, Value positions, Value? places, Value? rows);

    /// <summary>Hidden states [..., D] to logits [..., V].</summary>
    Value Logits(GraphBuilder g, Value hidden);
}
