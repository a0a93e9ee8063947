using VlmSdk.Graphs;
using VlmSdk.Models.Encoders;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Siglip;

/// <summary>SigLIP's tensors: the whole model, or its image half alone with or without the prefix <c>vision_model.</c>.</summary>
public static class SiglipMapping
{
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
        CheckpointMapping.Read(file, Rename, Tensors(config), null, reading, cancellationToken);

    /// <summary>Reads the image half.</summary>
    /// <inheritdoc cref="CheckpointMapping.Read"/>
    public static IReadOnlyDictionary<string, HostTensor> ReadVision(
        IWeightSource file, VitConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.Read(file, Rename, VisionTensors(config), null, reading, cancellationToken);

    private static Value Pixels(GraphBuilder g, VitConfig c) => g.Input("pixels", DType.F32, 1, 3, c.ImageSide, c.ImageSide);
}
