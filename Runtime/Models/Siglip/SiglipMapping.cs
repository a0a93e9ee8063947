using VlmSdk.Graphs;
using VlmSdk.Models.Encoders;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Siglip;

/// <summary>
/// SigLIP's tensors: the whole model, or its image half alone with or without the prefix <c>vision_model.</c>; and
/// big_vision's <c>.npz</c> files, whose layers are stacked or stand one by one.
/// </summary>
public static class SiglipMapping
{
    private static readonly FlaxRule[] FlaxRules =
    [
        .. FlaxWeights.Vit("vision_model."),
        new("img/MAPHead_0/probe", FlaxForm.Same, "vision_model.head.probe"),
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/query/kernel", FlaxForm.Dense, "vision_model.head.attention.in_proj_weight"),
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/key/kernel", FlaxForm.Dense, "vision_model.head.attention.in_proj_weight") { Part = 1 },
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/value/kernel", FlaxForm.Dense, "vision_model.head.attention.in_proj_weight") { Part = 2 },
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/query/bias", FlaxForm.Vector, "vision_model.head.attention.in_proj_bias"),
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/key/bias", FlaxForm.Vector, "vision_model.head.attention.in_proj_bias") { Part = 1 },
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/value/bias", FlaxForm.Vector, "vision_model.head.attention.in_proj_bias") { Part = 2 },
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/out/kernel", FlaxForm.Merge, "vision_model.head.attention.out_proj.weight"),
        new("img/MAPHead_0/MultiHeadDotProductAttention_0/out/bias", FlaxForm.Vector, "vision_model.head.attention.out_proj.bias"),
        new("img/MAPHead_0/LayerNorm_0/scale", FlaxForm.Vector, "vision_model.head.layernorm.weight"),
        new("img/MAPHead_0/LayerNorm_0/bias", FlaxForm.Vector, "vision_model.head.layernorm.bias"),
        new("img/MAPHead_0/MlpBlock_0/Dense_0/kernel", FlaxForm.Dense, "vision_model.head.mlp.fc1.weight"),
        new("img/MAPHead_0/MlpBlock_0/Dense_0/bias", FlaxForm.Vector, "vision_model.head.mlp.fc1.bias"),
        new("img/MAPHead_0/MlpBlock_0/Dense_1/kernel", FlaxForm.Dense, "vision_model.head.mlp.fc2.weight"),
        new("img/MAPHead_0/MlpBlock_0/Dense_1/bias", FlaxForm.Vector, "vision_model.head.mlp.fc2.bias"),
        new("txt/Embed_0/embedding", FlaxForm.Same, "text_model.embeddings.token_embedding.weight"),
        // Old files hold a second table, which the program adds to the first.
        new("txt/pos_embedding", FlaxForm.Positions, "text_model.embeddings.position_embedding.weight") { Adds = true },
        new("txt/Encoder_0/pos_embedding", FlaxForm.Positions, "text_model.embeddings.position_embedding.weight") { Adds = true, Part = 1 },
        new("txt/Encoder_0/encoder_norm/scale", FlaxForm.Vector, "text_model.final_layer_norm.weight"),
        new("txt/Encoder_0/encoder_norm/bias", FlaxForm.Vector, "text_model.final_layer_norm.bias"),
        new("txt/head/kernel", FlaxForm.Dense, "text_model.head.weight"),
        new("txt/head/bias", FlaxForm.Vector, "text_model.head.bias"),
        new("t", FlaxForm.Vector, "logit_scale"),
        new("b", FlaxForm.Vector, "logit_bias"),
    ];

    private static readonly FlaxBlocks[] FlaxLayers =
    [
        new("img/Transformer/encoderblock", "vision_model.encoder.layers.", FlaxWeights.VitBlock),
        new("txt/Encoder_0/encoderblock", "text_model.encoder.layers.", FlaxWeights.VitBlock),
    ];

    /// <summary>The graphs' name for a name in a published file; null for position buffers.</summary>
    public static string? Rename(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.EndsWith(".position_ids", StringComparison.Ordinal))
            return null;
        return name.StartsWith("embeddings.", StringComparison.Ordinal) || name.StartsWith("encoder.", StringComparison.Ordinal) ||
               name.StartsWith("post_layernorm.", StringComparison.Ordinal) || name.StartsWith("head.", StringComparison.Ordinal)
            ? "vision_model." + name
            : name;
    }

    /// <summary>Every tensor of the whole model with its shape, taken from the graphs.</summary>
    public static IReadOnlyList<WeightSpec> Tensors(SiglipConfig config)
    {
        var g = new GraphBuilder();
        Value images = SiglipModel.ImageEmbeddings(g, config, Pixels(g, config.Vision));
        Value texts = SiglipModel.TextEmbeddings(g, config, g.Input("ids", DType.I32, 1, config.TextLength));
        g.Output("logits", SiglipModel.Logits(g, texts, images));
        return CheckpointMapping.WeightsOf(g.Build());
    }

    /// <summary>Every tensor of the image half, with its pooling head, under the names of the whole model.</summary>
    public static IReadOnlyList<WeightSpec> VisionTensors(VitConfig config)
    {
        var g = new GraphBuilder();
        WeightScope w = new WeightScope(g)["vision_model"];
        g.Output("pooled", SiglipVit.Pool(g, config, w["head"], SiglipVit.Encode(g, config, w, Pixels(g, config))));
        return CheckpointMapping.WeightsOf(g.Build());
    }

    /// <summary>Reads the whole model.</summary>
    /// <inheritdoc cref="CheckpointMapping.Read"/>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, SiglipConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.Read(Published(file), Rename, Tensors(config), null, reading, cancellationToken);

    /// <summary>Reads the image half.</summary>
    /// <inheritdoc cref="CheckpointMapping.Read"/>
    public static IReadOnlyDictionary<string, HostTensor> ReadVision(
        IWeightSource file, VitConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.Read(Published(file), Rename, VisionTensors(config), null, reading, cancellationToken);

    /// <summary>The file under published names and axes: itself, or big_vision's arrays turned as they are read. It does not own the file.</summary>
    /// <exception cref="CheckpointException">An array has other axes than its place needs, or stands twice in the file.</exception>
    public static IWeightSource Published(IWeightSource file) => FlaxWeights.Show(file, FlaxRules, FlaxLayers);

    private static Value Pixels(GraphBuilder g, VitConfig c) => g.Input("pixels", DType.F32, 1, 3, c.ImageSide, c.ImageSide);
}
