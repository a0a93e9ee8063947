using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models.Llava;

/// <summary>LLaVA as a runtime drives it.</summary>
/// <param name="config">Sizes.</param>
/// <param name="picture">How its pictures are made; see <see cref="LlavaPrompt.Picture"/>.</param>
public sealed class Llava(LlavaConfig config, ImageConvention picture) : IPrefixModel
{
    /// <inheritdoc/>
    public DecoderSizes Decoder { get; } = DecoderSizes.Of(config.Decoder);

    /// <inheritdoc/>
    public ImageConvention Picture => picture;

    /// <inheritdoc/>
    public bool PromptSeesItself => false;

    /// <inheritdoc/>
    public int RowToken => config.ImageToken;

    /// <inheritdoc/>
    public string RowSpelling => "<image>";

    /// <inheritdoc/>
    public IReadOnlyList<string> EndTokens { get; } = ["</s>"];

    /// <inheritdoc/>
    public int[] PictureIds(ITokenizer tokenizer, CoordinateMap map) => [.. Enumerable.Repeat(RowToken, config.ImageRows)];

    /// <inheritdoc/>
    public IReadOnlyList<PromptPart> Prompt(PromptTask task, string text) => task switch
    {
        PromptTask.Describe => LlavaPrompt.Conversation([("Describe the image in detail.", null)], pictures: 1),
        PromptTask.Answer => LlavaPrompt.Conversation([(text, null)], pictures: 1),
        _ => throw new NotSupportedException($"LLaVA has no prompt to {task}."),
    };

    /// <inheritdoc/>
    public Value Rows(GraphBuilder g, Value pixels) =>
        g.Reshape(LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, pixels)), config.ImageRows, config.Decoder.Width);

    /// <inheritdoc/>
    public Value Hidden(GraphBuilder g, Value ids, Value positions, Value? places, Value? rows) =>
        LlamaDecoder.Hidden(g, config.Decoder, ids, positions, places, rows);

    /// <inheritdoc/>
    public Value Logits(GraphBuilder g, Value hidden) => LlavaModel.Head(g, config, hidden);
}
