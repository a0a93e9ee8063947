using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;
using VlmSdk.Vision;

namespace VlmSdk.Models.Pixtral;

/// <summary>Sizes of Pixtral: an image half of its own, a projector of two layers, a Mistral decoder.</summary>
public sealed record PixtralConfig
{
    /// <summary>The image half.</summary>
    public required PixtralVitConfig Vision { get; init; }

    /// <summary>The decoder.</summary>
    public required LlamaConfig Decoder { get; init; }

    /// <summary>Activation of the projector.</summary>
    public required ActivationKind ProjectorActivation { get; init; }

    /// <summary>The projector's layers have biases.</summary>
    public required bool ProjectorBias { get; init; }

    /// <summary>The id that stands for one patch of a picture in a prompt.</summary>
    public required int ImageToken { get; init; }

    /// <summary>
    /// Mistral's own layout (<c>params.json</c>, <c>consolidated.safetensors</c>): other tensor names, query and key rows in
    /// adjacent pairs, and other rounding and resizing of pictures.
    /// </summary>
    public bool IsMistralLayout => Decoder.RopeLayout == RopeLayout.Interleaved;

    /// <summary>Longest side that pictures keep, in pixels; at most that of the image half.</summary>
    public int PictureSide { get => field > 0 ? field : Vision.ImageSide; init; }

    /// <summary>How the layout's own library turns a picture into numbers.</summary>
    public ImageConvention Convention() => IsMistralLayout
        ? ImageConventions.PixtralMistral(PictureSide, Vision.PatchSize)
        : ImageConventions.PixtralHf(PictureSide, Vision.PatchSize);

    /// <summary>Rows and columns of patches of a picture that <see cref="Convention"/> has placed so.</summary>
    public (int Rows, int Columns) Grid(CoordinateMap map) => (map.TargetHeight / Vision.PatchSize, map.TargetWidth / Vision.PatchSize);

    /// <summary>This model with the picture size that a <c>preprocessor_config.json</c> asks for.</summary>
    /// <exception cref="CheckpointException">The file leaves out a step, or asks for sizes or numbers the model was not trained with.</exception>
    public PixtralConfig WithPreprocessor(ConfigReader json)
    {
        foreach (string step in new[] { "do_convert_rgb", "do_resize", "do_rescale", "do_normalize" })
            json.Require(step, true);
        json.Int("resample", 3, 3, 3);
        json.Float("rescale_factor", 1 / 256f, 1 / 254f, 1 / 255f);
        json.RequireNumbers("image_mean", 0.48145466f, 0.4578275f, 0.40821073f);
        json.RequireNumbers("image_std", 0.26862954f, 0.26130258f, 0.27577711f);
        if (json.Has("patch_size"))
            foreach (string side in new[] { "height", "width" })
                json.Child("patch_size").Int(side, Vision.PatchSize, Vision.PatchSize);
        return this with { PictureSide = json.Has("size") ? json.Child("size").Int("longest_edge", Vision.PatchSize, Vision.ImageSide) : Vision.ImageSide };
    }

    /// <summary>Reads Hugging Face's <c>config.json</c>.</summary>
    /// <exception cref="CheckpointException">Another model type, an unknown value, or a size out of range.</exception>
    public static PixtralConfig Read(ConfigReader json)
    {
        json.OneOf("model_type", null, "llava", "pixtral");
        ConfigReader text = json.Child("text_config");
        text.OneOf("model_type", null, "mistral");
        if (!json.Ints("vision_feature_layer", -256, 256, -1).SequenceEqual([-1]))
            throw json.Fault("vision_feature_layer", "must be -1: Pixtral's projector reads the last block.");
        json.OneOf("vision_feature_select_strategy", "full", "full");
        var config = new PixtralConfig
        {
            Vision = PixtralVitConfig.FromJson(json.Child("vision_config")),
            Decoder = LlamaConfig.FromMistral(text),
            ProjectorActivation = json.Activation("projector_hidden_act", "gelu"),
            ProjectorBias = json.Flag("multimodal_projector_bias", true),
            ImageToken = json.Int(json.Has("image_token_id") ? "image_token_id" : "image_token_index", 0, (1 << 20) - 1),
        };
        json.Require("tie_word_embeddings", config.Decoder.TiedOutput);
        return config.Checked(json, json.Has("image_token_id") ? "image_token_id" : "image_token_index");
    }

    /// <summary>Reads Mistral's <c>params.json</c>.</summary>
    /// <exception cref="CheckpointException">A key that changes the network in a way not implemented, or a size out of range.</exception>
    public static PixtralConfig ReadParams(ConfigReader json)
    {
        ConfigReader vision = json.Child("vision_encoder");
        foreach (ConfigReader group in new[] { json, vision })
            foreach (string key in new[] { "spatial_merge_size", "add_pre_mm_projector_layer_norm", "mm_projector_id", "moe", "sliding_window", "quantization" })
                if (group.Has(key))
                    throw group.Fault(key, "belongs to a later model, whose network this library does not have. Use a checkpoint of Pixtral 12B or Pixtral Large.");
        var config = new PixtralConfig
        {
            Vision = PixtralVitConfig.FromParams(vision),
            Decoder = LlamaConfig.FromParams(json),
            ProjectorActivation = ActivationKind.Gelu,
            ProjectorBias = (vision.Has("adapter_bias") ? vision : json).Flag("adapter_bias", true),
            ImageToken = vision.Int("image_token_id", 0, (1 << 20) - 1),
        };
        return config.Checked(vision, "image_token_id");
    }

    private PixtralConfig Checked(ConfigReader json, string key) => ImageToken < Decoder.VocabularySize
        ? this
        : throw json.Fault(key, $"is {ImageToken}, outside the vocabulary of {Decoder.VocabularySize}.");
}
