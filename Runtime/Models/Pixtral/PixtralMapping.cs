using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Pixtral;

/// <summary>
/// Pixtral's tensors under both Hugging Face generations of names and Mistral's own. The two layouts store query and key
/// rows in different orders, so each configuration accepts only the names of its own layout.
/// </summary>
public static class PixtralMapping
{
    private static readonly (string File, string Own)[] Prefixes =
    [
        ("model.vision_tower.", "vision_tower."),
        ("vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("multi_modal_projector.", "multi_modal_projector."),
    ];

    private static readonly (string File, string Own)[] MistralPrefixes =
    [
        ("vision_encoder.", "vision_tower."),
        ("vision_language_adapter.w_in.", "multi_modal_projector.linear_1."),
        ("vision_language_adapter.w_out.", "multi_modal_projector.linear_2."),
    ];

    // Longest first: the first prefix that fits decides.
    private static readonly (string File, string Own)[] DecoderPrefixes = [("language_model.model.", ""), ("model.language_model.", ""), ("language_model.", "")];

    private static readonly (string File, string Own)[] MistralLeaves =
    [
        ("attention.wq.", "attention.q_proj."),
        ("attention.wk.", "attention.k_proj."),
        ("attention.wv.", "attention.v_proj."),
        ("attention.wo.", "attention.o_proj."),
        ("feed_forward.w1.", "feed_forward.gate_proj."),
        ("feed_forward.w2.", "feed_forward.down_proj."),
        ("feed_forward.w3.", "feed_forward.up_proj."),
    ];

    /// <summary>The graphs' name for a name in a file of the configuration's layout; names of no tensor here come back unchanged.</summary>
    public static string Rename(PixtralConfig config, string name)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(name);
        return config.IsMistralLayout
            ? CheckpointMapping.Exchange(name, MistralPrefixes) is { } own ? Leaf(own) : LlamaMapping.FromMistral(name)
            : CheckpointMapping.Exchange(name, Prefixes) ?? LlamaMapping.FromHuggingFace(CheckpointMapping.Exchange(name, DecoderPrefixes) ?? name);
    }

    /// <summary>Every tensor the graphs use, with its shape.</summary>
    public static IReadOnlyList<WeightSpec> Tensors(PixtralConfig config)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, 1, 3, config.Vision.PatchSize, config.Vision.PatchSize);
        g.Output("pictures", PixtralModel.Projector(g, config, PixtralModel.VisionEncoder(g, config, pixels)));
        return [.. CheckpointMapping.WeightsOf(g.Build()), .. LlamaMapping.Tensors(config.Decoder)];
    }

    /// <summary>Reads the model.</summary>
    /// <exception cref="CheckpointException">The file has the other layout, or a tensor is missing, unknown or of another shape.</exception>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, PixtralConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default)
    {
        CheckLayout(file, config);
        return CheckpointMapping.Read(file, name => Rename(config, name), Tensors(config), null, reading, cancellationToken);
    }

    /// <summary>Refuses names of the other layout, whose query and key rows have another order.</summary>
    internal static void CheckLayout(IWeightSource file, PixtralConfig config)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Tensors.ContainsKey("tok_embeddings.weight") != config.IsMistralLayout)
            throw new CheckpointException(file.Source, "tok_embeddings.weight", config.IsMistralLayout
                ? "Mistral's layout, which params.json describes, has this tensor and the file does not. Use config.json with files of Hugging Face's names."
                : "this is a name of Mistral's layout, whose query and key rows have another order than config.json's. Use params.json with this file.");
    }

    private static string Leaf(string name)
    {
        foreach ((string file, string own) in MistralLeaves)
            name = name.Replace(file, own, StringComparison.Ordinal);
        return name;
    }
}
