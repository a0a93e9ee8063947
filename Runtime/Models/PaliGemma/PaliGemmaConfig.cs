using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;

namespace VlmSdk.Models.PaliGemma;

/// <summary>Sizes of PaliGemma (Gemma decoder) or PaliGemma 2 (Gemma 2 decoder).</summary>
public sealed record PaliGemmaConfig
{
    /// <summary>The image half: SigLIP without its pooling head.</summary>
    public required VitConfig Vision { get; init; }

    /// <summary>The decoder.</summary>
    public required GemmaConfig Decoder { get; init; }

    /// <summary>The id that stands for a picture row in a prompt; the words end before it.</summary>
    public required int ImageToken { get; init; }

    /// <summary>The id before a prompt's text.</summary>
    public required int BeginToken { get; init; }

    /// <summary>The id that ends an answer.</summary>
    public required int EndToken { get; init; }

    /// <summary>Rows a picture takes in the decoder.</summary>
    public int ImageRows => Vision.Patches;

    /// <summary>Reads a published <c>config.json</c>.</summary>
    /// <exception cref="CheckpointException">Another model type, an unknown value, a size out of range, or sizes that contradict each other.</exception>
    public static PaliGemmaConfig Read(ConfigReader json)
    {
        json.OneOf("model_type", null, "paligemma");
        ConfigReader vision = json.Child("vision_config");
        vision.Require("vision_use_head", false);
        var config = new PaliGemmaConfig
        {
            Vision = VitConfig.Siglip(vision),
            Decoder = GemmaConfig.FromJson(json.Child("text_config")),
            ImageToken = json.Int(json.Has("image_token_id") ? "image_token_id" : "image_token_index", 1, (1 << 20) - 1, 257_152),
            BeginToken = json.Int("bos_token_id", 0, (1 << 20) - 1, 2),
            EndToken = json.Int("eos_token_id", 0, (1 << 20) - 1, 1),
        };
        int width = config.Decoder.Width;
        if (config.ImageToken >= config.Decoder.VocabularySize)
            throw json.Fault("image_token_index", $"is {config.ImageToken}, outside the vocabulary of {config.Decoder.VocabularySize}.");
        if (Math.Max(config.BeginToken, config.EndToken) >= config.ImageToken)
            throw json.Fault("bos_token_id", $"is {config.BeginToken} and eos_token_id {config.EndToken}; both must come before the image token {config.ImageToken}.");
        if (json.Int("projection_dim", 1, 32_768, width) != width)
            throw json.Fault("projection_dim", $"differs from the decoder's width {width}: the picture rows would not fit.");
        if (vision.Int("projection_dim", 1, 32_768, width) != width)
            throw vision.Fault("projection_dim", $"differs from the decoder's width {width}: the picture rows would not fit.");
        return config;
    }
}
