using VlmSdk.Graphs;

namespace VlmSdk.Models.Encoders;

/// <summary>Sizes of a plain vision transformer (CLIP's or SigLIP's image half). Letters: E width, F MLP width, N heads, P patches.</summary>
public sealed record VitConfig
{
    /// <summary>Width of the hidden states, E.</summary>
    public required int Width { get; init; }

    /// <summary>Hidden width of the MLP, F.</summary>
    public required int MlpWidth { get; init; }

    /// <summary>Transformer blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads, N; divides <see cref="Width"/>.</summary>
    public required int Heads { get; init; }

    /// <summary>Side of the square picture in pixels.</summary>
    public required int ImageSide { get; init; }

    /// <summary>Side of a patch in pixels.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Activation of the MLP.</summary>
    public required ActivationKind Activation { get; init; }

    /// <summary>Epsilon of all normalisations.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Patches of a picture, P; a remainder of the side is dropped.</summary>
    public int Patches => ImageSide / PatchSize * (ImageSide / PatchSize);

    /// <summary>Reads CLIP's vision settings; what is missing has the published default.</summary>
    /// <exception cref="CheckpointException">A value is unknown or out of range.</exception>
    public static VitConfig Clip(ConfigReader json)
    {
        json.OneOf("model_type", "clip_vision_model", "clip_vision_model");
        return Read(json, image: 224, patch: 32, "quick_gelu", 1e-5f);
    }

    /// <summary>Reads SigLIP's vision settings; what is missing has the published default.</summary>
    /// <exception cref="CheckpointException">A value is unknown or out of range.</exception>
    public static VitConfig Siglip(ConfigReader json)
    {
        json.OneOf("model_type", "siglip_vision_model", "siglip_vision_model");
        return Read(json, image: 224, patch: 16, "gelu_pytorch_tanh", 1e-6f);
    }

    private static VitConfig Read(ConfigReader json, int image, int patch, string activation, float epsilon)
    {
        if (json.Int("num_channels", 1, 4096, 3) != 3)
            throw json.Fault("num_channels", "must be 3: pictures are RGB.");
        var config = new VitConfig
        {
            Width = json.Int("hidden_size", 1, 32_768, 768),
            MlpWidth = json.Int("intermediate_size", 1, 1 << 18, 3072),
            Layers = json.Int("num_hidden_layers", 1, 256, 12),
            Heads = json.Int("num_attention_heads", 1, 512, 12),
            ImageSide = json.Int("image_size", 4, 4096, image),
            PatchSize = json.Int("patch_size", 4, 64, patch),
            Activation = json.Activation("hidden_act", activation),
            NormEpsilon = json.Float("layer_norm_eps", 0, 1, epsilon),
        };
        if (config.Width % config.Heads != 0)
            throw json.Fault("num_attention_heads", $"is {config.Heads}, which does not divide the width {config.Width}.");
        if (config.PatchSize > config.ImageSide)
            throw json.Fault("patch_size", $"is {config.PatchSize}, more than the picture's side {config.ImageSide}.");
        return config;
    }
}
