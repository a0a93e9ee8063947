using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models.PaliGemma;

/// <summary>PaliGemma as a runtime drives it.</summary>
/// <param name="config">Sizes, as <see cref="PaliGemmaMapping.Fit"/> gives them.</param>
/// <param name="picture">How its pictures are made: <see cref="ImageConventions.Siglip"/>, or <see cref="ImageConventions.SiglipJax"/> for big_vision's files.</param>
public sealed class PaliGemma(PaliGemmaConfig config, ImageConvention picture) : IPrefixModel
{
    /// <inheritdoc/>
    public DecoderSizes Decoder { get; } = new(
        config.Decoder.Layers, config.Decoder.KeyValueHeads, config.Decoder.HeadWidth,
        Math.Max(config.Decoder.VocabularySize, config.ImageToken + 1), config.ImageToken, config.Decoder.ContextLength);

    /// <inheritdoc/>
    public ImageConvention Picture => picture;

    /// <inheritdoc/>
    public bool PromptSeesItself => true;

    /// <inheritdoc/>
    public int RowToken => config.ImageToken;

    /// <inheritdoc/>
    public string RowSpelling => "<image>";

    /// <inheritdoc/>
    public IReadOnlyList<string> EndTokens { get; } = ["<eos>"];

    /// <inheritdoc/>
    public int[] PictureIds(ITokenizer tokenizer, CoordinateMap map) => [.. Enumerable.Repeat(RowToken, config.ImageRows)];

    /// <inheritdoc/>
    public IReadOnlyList<PromptPart> Prompt(PromptTask task, string text) =>
        PaliGemmaPrompt.Parts(task switch
        {
            PromptTask.Describe => PaliGemmaPrompt.Caption(),
            PromptTask.Answer => PaliGemmaPrompt.Answer(text),
            PromptTask.Detect => PaliGemmaPrompt.Detect(text),
            _ => PaliGemmaPrompt.Segment(text),
        });

    /// <inheritdoc/>
    public Value Rows(GraphBuilder g, Value pixels) =>
        g.Reshape(PaliGemmaModel.Projector(g, config, PaliGemmaModel.VisionEncoder(g, config, pixels)), config.ImageRows, config.Decoder.Width);

    /// <inheritdoc/>
    public Value Hidden(GraphBuilder g, Value ids, Value positions, Value? places, Value? rows) => places is null
        ? PaliGemmaModel.Step(g, config, ids, positions)
        : PaliGemmaModel.Decoder(g, config, ids, places, rows!, positions, cached: true);

    /// <inheritdoc/>
    public Value Logits(GraphBuilder g, Value hidden) => PaliGemmaModel.Head(g, config, hidden);
}
