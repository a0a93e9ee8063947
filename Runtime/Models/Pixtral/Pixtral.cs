using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models.Pixtral;

/// <summary>Pixtral as a runtime drives it.</summary>
/// <param name="config">Sizes.</param>
public sealed class Pixtral(PixtralConfig config) : IPrefixModel
{
    /// <inheritdoc/>
    public DecoderSizes Decoder { get; } = DecoderSizes.Of(config.Decoder);

    /// <inheritdoc/>
    public ImageConvention Picture { get; } = config.Convention();

    /// <inheritdoc/>
    public bool PromptSeesItself => false;

    /// <inheritdoc/>
    public int RowToken => config.ImageToken;

    /// <inheritdoc/>
    public string RowSpelling => "[IMG]";

    /// <inheritdoc/>
    public IReadOnlyList<string> EndTokens { get; } = ["</s>"];

    /// <inheritdoc/>
    public int[] PictureIds(ITokenizer tokenizer, CoordinateMap map) =>
        PixtralPrompt.Picture(tokenizer, config.Grid(map));

    /// <inheritdoc/>
    public IReadOnlyList<PromptPart> Prompt(PromptTask task, string text) =>
        PixtralPrompt.Conversation([new PixtralMessage(PixtralRole.User, new PromptPart.Picture(), new PromptPart.Text(task switch
        {
            PromptTask.Describe => "Describe this image.",
            PromptTask.Answer => text,
            _ => throw new NotSupportedException($"Pixtral has no prompt to {task}."),
        }))]);

    /// <inheritdoc/>
    public Value Rows(GraphBuilder g, Value pixels)
    {
        Value rows = PixtralModel.Projector(g, config, PixtralModel.VisionEncoder(g, config, pixels));
        return g.Reshape(rows, rows.Shape[1], config.Decoder.Width);
    }

    /// <inheritdoc/>
    public Value Hidden(GraphBuilder g, Value ids, Value positions, Value? places, Value? rows) =>
        LlamaDecoder.Hidden(g, config.Decoder, ids, positions, places, rows);

    /// <inheritdoc/>
    public Value Logits(GraphBuilder g, Value hidden) => PixtralModel.Head(g, config, hidden);
}
