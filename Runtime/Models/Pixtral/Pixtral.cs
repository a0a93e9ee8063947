using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models.Pixtral;

/// <summary>Pixtral as a runtime drives it.</summary>
/// <param name="config">Sizes.</param>
/// <param name="tokenizer">The vocabulary published with the model, which names the tokens of a picture.</param>
public sealed class Pixtral(PixtralConfig config, ITokenizer tokenizer) : IPrefixModel
{
    /// <inheritdoc/>
    public DecoderSizes Decoder { get; } = new(
        config.Decoder.Layers, config.Decoder.KeyValueHeads, config.Decoder.HeadWidth, config.Decoder.VocabularySize, config.Decoder.ContextLength);

    /// <inheritdoc/>
    public ImageConvention Picture { get; } = config.Convention();

    /// <inheritdoc/>
    public bool PromptSeesItself => false;

    /// <inheritdoc/>
    public int FirstPosition => 0;

    /// <inheritdoc/>
    public int RowToken => config.ImageToken;

    /// <inheritdoc/>
    public string RowSpelling => "[IMG]";

    /// <inheritdoc/>
    public IReadOnlyList<string> EndTokens { get; } = ["</s>"];

    /// <inheritdoc/>
    public int[] PictureIds(CoordinateMap map) => PixtralPrompt.Picture(tokenizer, config.Grid(map));

    /// <inheritdoc/>
    public IReadOnlyList<PromptPart> Prompt(PromptTask task, string text) => PixtralPrompt.Conversation([new PixtralMessage(PixtralRole.User, new PromptPart.Picture(), new PromptPart.Text(task switch
    {
        PromptTask.Describe => "Describe the image in detail.",
        PromptTask.Answer => text,
        _ => throw new NotSupportedException($"Pixtral has no prompt to {task}."),
    }))]);

    /// <inheritdoc/>
    public Value Rows(GraphBuilder g, Value pixels) =>
        g.Reshape(PixtralModel.Projector(g, config, PixtralModel.VisionEncoder(g, config, pixels)), -1, config.Decoder.Width);

    /// <inheritdoc/>
    public Value Hidden(GraphBuilder g, Value ids, Value positions, AttentionMask mask, Value? places, Value? rows) =>
        LlamaDecoder.Layers(g, config.Decoder,
            places is null ? LlamaDecoder.Embed(g, config.Decoder, ids) : LlamaDecoder.Embed(g, config.Decoder, ids, places, rows!), positions, cached: true);

    /// <inheritdoc/>
    public Value Logits(GraphBuilder g, Value hidden) => PixtralModel.Head(g, config, hidden);
}
