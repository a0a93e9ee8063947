using VlmSdk.Graphs;
using VlmSdk.Models.Encoders;

namespace VlmSdk.Models.Siglip;

/// <summary>Sizes of SigLIP: an image half and a text half that end in embeddings of one width.</summary>
public sealed record SiglipConfig
{
    /// <summary>The image half.</summary>
    public required VitConfig Vision { get; init; }

    /// <summary>Width of the text half.</summary>
    public required int TextWidth { get; init; }

    /// <summary>Hidden width of the text half's MLP.</summary>
    public required int TextMlpWidth { get; init; }

    /// <summary>Blocks of the text half.</summary>
    public required int TextLayers { get; init; }

    /// <summary>Heads of the text half.</summary>
    public required int TextHeads { get; init; }

    /// <summary>Vocabulary of the text half.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Tokens every text is padded to, with the end id.</summary>
    public required int TextLength { get; init; }

    /// <summary>Width of the embeddings; the image half's width.</summary>
    public required int ProjectionSize { get; init; }

    /// <summary>Activation of the text half's MLP.</summary>
    public required ActivationKind TextActivation { get; init; }

    /// <summary>Epsilon of the text half's normalisations.</summary>
    public required float TextNormEpsilon { get; init; }

    /// <summary>Reads a published <c>config.json</c>; what is missing has the published default.</summary>
    /// <exception cref="CheckpointException">Another model type, an unknown activation, or a size out of range.</exception>
    public static SiglipConfig Read(ConfigReader json)
    {
        json.OneOf("model_type", null, "siglip");
        ConfigReader text = json.Child("text_config"), vision = json.Child("vision_config");
        text.OneOf("model_type", "siglip_text_model", "siglip_text_model");
        vision.Require("vision_use_head", true);
        int width = text.Int("hidden_size", 1, 32_768, 768);
        var config = new SiglipConfig
        {
            Vision = VitConfig.Siglip(vision),
            TextWidth = width,
            TextMlpWidth = text.Int("intermediate_size", 1, 1 << 18, 3072),
            TextLayers = text.Int("num_hidden_layers", 1, 256, 12),
            TextHeads = text.Int("num_attention_heads", 1, 512, 12),
            VocabularySize = text.Int("vocab_size", 1, 1 << 20, 32_000),
            TextLength = text.Int("max_position_embeddings", 1, 1 << 16, 64),
            ProjectionSize = text.Int("projection_size", 1, 32_768, width),
            TextActivation = text.Activation("hidden_act", "gelu_pytorch_tanh"),
            TextNormEpsilon = text.Float("layer_norm_eps", 0, 1, 1e-6f),
        };
        if (config.TextWidth % config.TextHeads != 0)
            throw text.Fault("num_attention_heads", $"is {config.TextHeads}, which does not divide the width {config.TextWidth}.");
        if (config.ProjectionSize != config.Vision.Width)
            throw text.Fault("projection_size", $"is {config.ProjectionSize} and the image half {config.Vision.Width} wide; the embeddings must be equally wide.");
        return config;
    }
}
