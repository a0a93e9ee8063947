using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Encoders;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Llava;

/// <summary>LLaVA's tensors under all three Hugging Face generations of names and the original layout's.</summary>
public static class LlavaMapping
{
    /// <summary>Folder beside the original layout's weights for the image half as CLIP's release has it, with its own configuration.</summary>
    public const string TowerFolder = "vision_tower";

    private const string Tower = "vision_tower.", OriginalTower = "model.vision_tower.vision_tower.";

    // Longest first: the first prefix that fits decides.
    private static readonly (string File, string Own)[] Prefixes =
    [
        ("model.vision_tower.vision_tower.vision_model.", "vision_tower."),
        ("model.vision_tower.vision_model.", "vision_tower."),
        ("vision_tower.vision_model.", "vision_tower."),
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("model.mm_projector.0.", "multi_modal_projector.linear_1."),
        ("model.mm_projector.2.", "multi_modal_projector.linear_2."),
        ("mm_projector.0.", "multi_modal_projector.linear_1."),
        ("mm_projector.2.", "multi_modal_projector.linear_2."),
    ];

    private static readonly (string File, string Own)[] DecoderPrefixes =
        [("language_model.model.", ""), ("model.language_model.", ""), ("language_model.", ""), ("model.", "")];

    /// <summary>The graphs' name for a name in a published file; null for position buffers.</summary>
    public static string? Rename(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.EndsWith(".position_ids", StringComparison.Ordinal))
            return null;
        return CheckpointMapping.Exchange(name, Prefixes) ?? LlamaMapping.FromHuggingFace(CheckpointMapping.Exchange(name, DecoderPrefixes) ?? name);
    }

    /// <summary>Whether the image half is among the weights of a file.</summary>
    internal static bool HoldsTower(IWeightSource file) => file.Tensors.Keys.Any(n => Rename(n)?.StartsWith(Tower, StringComparison.Ordinal) == true);

    /// <summary>The original layout's weights with the image half of CLIP's release, whose text half is left out.</summary>
    internal static IWeightSource WithTower(IWeightSource file, IWeightSource clip) =>
        new JoinedWeights(file, clip, n => n.StartsWith("vision_model.", StringComparison.Ordinal) ? OriginalTower + n : null);

    /// <summary>Every tensor the graphs use, with its shape.</summary>
    public static IReadOnlyList<WeightSpec> Tensors(LlavaConfig config)
    {
        var g = new GraphBuilder();
        Value features = LlavaModel.VisionEncoder(g, config, Pixels(g, config));
        g.Output("pictures", LlavaModel.Projector(g, config, features));
        return [.. CheckpointMapping.WeightsOf(g.Build()), .. LlamaMapping.Tensors(config.Decoder)];
    }

    /// <summary>Tensors a published file may hold or not: the whole image half, whose last blocks and norm are not used.</summary>
    public static IReadOnlyList<WeightSpec> Unused(LlavaConfig config)
    {
        var g = new GraphBuilder();
        WeightScope w = new WeightScope(g)["vision_tower"];
        g.Output("pooled", ClipVit.Pool(g, config.Vision, w, ClipVit.HiddenStates(g, config.Vision, w, Pixels(g, config), config.Vision.Layers)[^1]));
        return CheckpointMapping.WeightsOf(g.Build());
    }

    /// <summary>Reads the model. Blocks of the image half after the last one used, and its final norm, may be there or not.</summary>
    /// <inheritdoc cref="CheckpointMapping.Read"/>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, LlavaConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.Read(file, Rename, Tensors(config), Unused(config), reading, cancellationToken);

    private static Value Pixels(GraphBuilder g, LlavaConfig c) => g.Input("pixels", DType.F32, 1, 3, c.Vision.ImageSide, c.Vision.ImageSide);
}
