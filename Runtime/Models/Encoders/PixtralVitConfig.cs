using VlmSdk.Graphs;

namespace VlmSdk.Models.Encoders;

/// <summary>Sizes of Pixtral's vision transformer. Letters: E width, F MLP width, N heads, H head width, P patches.</summary>
public sealed record PixtralVitConfig
{
    /// <summary>Width of the hidden states, E.</summary>
    public required int Width { get; init; }

    /// <summary>Hidden width of the gated MLP, F.</summary>
    public required int MlpWidth { get; init; }

    /// <summary>Transformer blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads, N.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of a head, H; a multiple of 4, because rows and columns turn half of its pairs each.</summary>
    public required int HeadWidth { get; init; }

    /// <summary>Longest side of a picture in pixels.</summary>
    public required int ImageSide { get; init; }

    /// <summary>Side of a patch in pixels.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Activation of the MLP's gate.</summary>
    public required ActivationKind Activation { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required float RopeTheta { get; init; }

    /// <summary>Order of the rotated pairs, which is that of the stored query and key rows.</summary>
    public required RopeLayout RopeLayout { get; init; }

    /// <summary>Epsilon of all normalisations; no published configuration names another.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Reads Hugging Face's <c>vision_config</c>; what is missing has the published default.</summary>
    /// <exception cref="CheckpointException">A value is unknown or out of range.</exception>
    public static PixtralVitConfig FromJson(ConfigReader json)
    {
        json.OneOf("model_type", "pixtral", "pixtral");
        PixtralVitConfig config = Sizes(json, RopeLayout.HalfSplit) with { Activation = json.Activation("hidden_act", "gelu") };
        // Early copies of the published model name gelu, the default of its class; it was trained with silu.
        return config.Activation == ActivationKind.Gelu && config is { Width: 1024, MlpWidth: 4096, Layers: 24, Heads: 16 }
            ? config with { Activation = ActivationKind.Silu }
            : config;
    }

    /// <summary>Reads the group <c>vision_encoder</c> of Mistral's <c>params.json</c>.</summary>
    /// <exception cref="CheckpointException">A value is out of range.</exception>
    public static PixtralVitConfig FromParams(ConfigReader json) => Sizes(json, RopeLayout.Interleaved);

    private static PixtralVitConfig Sizes(ConfigReader json, RopeLayout layout)
    {
        if (json.Int("num_channels", 1, 4096, 3) != 3)
            throw json.Fault("num_channels", "must be 3: pictures are RGB.");
        int width = json.Int("hidden_size", 1, 32_768, 1024), heads = json.Int("num_attention_heads", 1, 512, 16);
        if (!json.Has("head_dim") && width % heads != 0)
            throw json.Fault("num_attention_heads", $"is {heads}, which does not divide the width {width}.");
        var config = new PixtralVitConfig
        {
            Width = width,
            MlpWidth = json.Int("intermediate_size", 1, 1 << 18, 4096),
            Layers = json.Int("num_hidden_layers", 1, 256, 24),
            Heads = heads,
            HeadWidth = json.Int("head_dim", 1, 4096, width / heads),
            ImageSide = json.Int("image_size", 4, 16_384, 1024),
            PatchSize = json.Int("patch_size", 4, 64, 16),
            Activation = ActivationKind.Silu,
            RopeTheta = json.RopeSettings().Float("rope_theta", 1, 1e12f, 10_000),
            RopeLayout = layout,
        };
        if (config.HeadWidth % 4 != 0 || config.HeadWidth * heads != width)
            throw json.Fault(json.Has("head_dim") ? "head_dim" : "num_attention_heads",
                $"gives {heads} heads of {config.HeadWidth}; heads of a multiple of 4 must fill the width {width}.");
        if (config.ImageSide % config.PatchSize != 0)
            throw json.Fault("patch_size", $"is {config.PatchSize}, which does not divide the picture's side {config.ImageSide}.");
        return config;
    }
}
