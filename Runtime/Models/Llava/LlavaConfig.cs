using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;

namespace VlmSdk.Models.Llava;

/// <summary>Sizes of LLaVA: CLIP's image half, a projector, a Llama decoder.</summary>
public sealed record LlavaConfig
{
    private const int OriginalSentinel = -200;

    // The image half of the released models (spec sheet, A2.1).
    private const string PublishedTower = "openai/clip-vit-large-patch14-336";
    private const string PublishedSizes = """
        {"hidden_size":1024,"intermediate_size":4096,"num_hidden_layers":24,"num_attention_heads":16,"image_size":336,"patch_size":14}
        """;

    /// <summary>The image half.</summary>
    public required VitConfig Vision { get; init; }

    /// <summary>The decoder.</summary>
    public required LlamaConfig Decoder { get; init; }

    /// <summary>Hidden states whose channels stand side by side, in order; 0 is the input of the first block.</summary>
    public required IReadOnlyList<int> FeatureLayers { get; init; }

    /// <summary>The class token stays among the features.</summary>
    public required bool KeepsClassToken { get; init; }

    /// <summary>Activation of the projector.</summary>
    public required ActivationKind ProjectorActivation { get; init; }

    /// <summary>The id that stands for picture rows in a prompt.</summary>
    public required int ImageToken { get; init; }

    /// <summary>One image token stands for a whole picture (original layout); else one for each row.</summary>
    public required bool OneTokenPerImage { get; init; }

    /// <summary>Rows a picture takes in the decoder.</summary>
    public int ImageRows => Vision.Patches + (KeepsClassToken ? 1 : 0);

    /// <summary>Reads Hugging Face's <c>config.json</c>.</summary>
    /// <exception cref="CheckpointException">Another model type, an unknown value, or a size out of range.</exception>
    public static LlavaConfig Read(ConfigReader json)
    {
        json.OneOf("model_type", null, "llava");
        ConfigReader text = json.Child("text_config");
        text.OneOf("model_type", "llama", "llama");
        json.Require("multimodal_projector_bias", true);
        VitConfig vision = VitConfig.Clip(json.Child("vision_config"));
        var config = new LlavaConfig
        {
            Vision = vision,
            Decoder = LlamaConfig.FromJson(text),
            FeatureLayers = Layers(json, "vision_feature_layer", vision),
            KeepsClassToken = json.OneOf("vision_feature_select_strategy", "default", "default", "full") == "full",
            ProjectorActivation = json.Activation("projector_hidden_act", "gelu"),
            ImageToken = json.Int(json.Has("image_token_id") ? "image_token_id" : "image_token_index", 0, (1 << 20) - 1, 32_000),
            OneTokenPerImage = false,
        };
        if (config.ImageToken >= config.Decoder.VocabularySize)
            throw json.Fault("image_token_index", $"is {config.ImageToken}, outside the vocabulary of {config.Decoder.VocabularySize}.");
        if (json.Has("image_seq_length") && json.Int("image_seq_length", 1, 1 << 20) != config.ImageRows)
            throw json.Fault("image_seq_length", $"differs from the {config.ImageRows} rows that the picture's side and patch give.");
        return config;
    }

    /// <summary>
    /// Reads the original layout, whose image half has a <c>config.json</c> of its own (CLIPVisionModel, or the vision_config of
    /// CLIPModel). Null stands for that of the released models, if it is the one they name.
    /// </summary>
    /// <exception cref="CheckpointException">Another model type, an unknown value, a size out of range, or an image half that is not known.</exception>
    public static LlavaConfig ReadOriginal(ConfigReader json, ConfigReader? clip)
    {
        if (clip is null)
            clip = json.Text("mm_vision_tower", PublishedTower) is var tower && tower == PublishedTower
                ? ConfigReader.Parse(PublishedTower, System.Text.Encoding.UTF8.GetBytes(PublishedSizes))
                : throw json.Fault("mm_vision_tower", $"is '{tower}', whose sizes are not known here. Put its config.json and weights into the folder '{LlavaMapping.TowerFolder}' beside the model's.");
        json.OneOf("model_type", null, "llava", "llava_llama");
        json.OneOf("mm_projector_type", null, "mlp2x_gelu");
        json.Require("mm_use_im_start_end", false);
        json.Require("mm_use_im_patch_token", false);
        VitConfig vision = VitConfig.Clip(clip.Has("vision_config") ? clip.Child("vision_config") : clip);
        if (json.Int("mm_hidden_size", 1, 32_768, vision.Width) != vision.Width)
            throw json.Fault("mm_hidden_size", $"differs from the image half's width {vision.Width}. Name the image half that belongs to the model.");
        return new LlavaConfig
        {
            Vision = vision,
            Decoder = LlamaConfig.FromJson(json),
            FeatureLayers = Layers(json, "mm_vision_select_layer", vision),
            KeepsClassToken = json.OneOf("mm_vision_select_feature", "patch", "patch", "cls_patch") == "cls_patch",
            ProjectorActivation = ActivationKind.Gelu,
            ImageToken = OriginalSentinel,
            OneTokenPerImage = true,
        };
    }

    // Negative numbers count from the last of Layers + 1 hidden states.
    private static int[] Layers(ConfigReader json, string key, VitConfig vision) =>
        [.. json.Ints(key, -vision.Layers - 1, vision.Layers, -2).Select(n => n < 0 ? n + vision.Layers + 1 : n)];
}
