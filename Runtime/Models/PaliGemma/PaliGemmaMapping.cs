using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.PaliGemma;

/// <summary>PaliGemma's tensors under all three Hugging Face generations of names, and big_vision's <c>.npz</c> files.</summary>
public static class PaliGemmaMapping
{
    private const string Output = "lm_head.weight", Table = GemmaDecoder.Scope + ".embed_tokens.weight";

    private static readonly FlaxRule[] FlaxRules =
    [
        .. FlaxWeights.Vit("vision_tower."),
        new("img/head/kernel", FlaxForm.Dense, "multi_modal_projector.linear.weight"),
        new("img/head/bias", FlaxForm.Vector, "multi_modal_projector.linear.bias"),
        new("llm/embedder/input_embedding", FlaxForm.Same, Table),
        new("llm/final_norm/scale", FlaxForm.Vector, "language_model.norm.weight"),
    ];

    private static readonly FlaxRule[] GemmaBlock =
    [
        new("attn/q_einsum/w", FlaxForm.Heads, "self_attn.q_proj.weight"),
        new("attn/kv_einsum/w", FlaxForm.Heads, "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
        new("attn/attn_vec_einsum/w", FlaxForm.Merge, "self_attn.o_proj.weight"),
        new("mlp/gating_einsum", FlaxForm.Dense, "mlp.gate_proj.weight", "mlp.up_proj.weight"),
        new("mlp/linear", FlaxForm.Dense, "mlp.down_proj.weight"),
        new("pre_attention_norm/scale", FlaxForm.Vector, "input_layernorm.weight"),
    ];

    private static readonly FlaxRule[] FirstNorms = [new("pre_ffw_norm/scale", FlaxForm.Vector, "post_attention_layernorm.weight")];

    private static readonly FlaxRule[] SecondNorms =
    [
        new("post_attention_norm/scale", FlaxForm.Vector, "post_attention_layernorm.weight"),
        new("pre_ffw_norm/scale", FlaxForm.Vector, "pre_feedforward_layernorm.weight"),
        new("post_ffw_norm/scale", FlaxForm.Vector, "post_feedforward_layernorm.weight"),
    ];

    // Newer modules put everything below "model.", older ones an inner level into either half.
    private static readonly (string File, string Own)[] Prefixes =
    [
        ("model.vision_tower.vision_model.", "vision_tower."),
        ("model.vision_tower.", "vision_tower."),
        ("vision_tower.vision_model.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("model.language_model.", "language_model."),
        ("language_model.model.", "language_model."),
        ("language_model.lm_head.", "lm_head."),
    ];

    /// <summary>The graphs' name for a name in a published file; null for position buffers.</summary>
    public static string? Rename(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.EndsWith(".position_ids", StringComparison.Ordinal))
            return null;
        return CheckpointMapping.Exchange(name, Prefixes) ?? name;
    }

    /// <summary>Every tensor the graphs use, with its shape.</summary>
    public static IReadOnlyList<WeightSpec> Tensors(PaliGemmaConfig config)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, 1, 3, config.Vision.ImageSide, config.Vision.ImageSide);
        g.Output("pictures", PaliGemmaModel.Projector(g, config, PaliGemmaModel.VisionEncoder(g, config, pixels)));
        return [.. CheckpointMapping.WeightsOf(g.Build()), .. GemmaDecoder.Tensors(config.Decoder)];
    }

    /// <summary>
    /// The configuration as a file's table needs it: big_vision's files hold the words alone, published ones also filler
    /// rows behind them. Use the result for reading and for the graphs.
    /// </summary>
    public static PaliGemmaConfig Fit(IWeightSource file, PaliGemmaConfig config) => FlaxWeights.Recognises(file)
        ? config with { Decoder = config.Decoder with { VocabularySize = config.ImageToken } }
        : config;

    /// <summary>Reads the model. An output layer may be there if it is the embedding once more.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="config">The configuration after <see cref="Fit"/>.</param>
    /// <param name="reading">The type matrices are brought into and who is told of progress; as stored when omitted.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CheckpointException">A tensor is missing, unknown or of another shape, or the output layer is one of its own.</exception>
    public static IReadOnlyDictionary<string, HostTensor> Read(
        IWeightSource file, PaliGemmaConfig config, WeightReading? reading = null, CancellationToken cancellationToken = default)
    {
        IWeightSource shown = Published(file);
        CheckTied(shown);
        return CheckpointMapping.Read(shown, Rename, Tensors(config), Unused(config), reading, cancellationToken);
    }

    /// <summary>Tensors that files may hold and no graph reads: an output layer that is the embedding once more.</summary>
    internal static IReadOnlyList<WeightSpec> Unused(PaliGemmaConfig config) => [(Output, new Shape(config.Decoder.VocabularySize, config.Decoder.Width))];

    /// <summary>The file under published names and axes: itself, or big_vision's arrays turned as they are read. It does not own the file.</summary>
    /// <exception cref="CheckpointException">An array has other axes than its place needs, or stands twice in the file.</exception>
    public static IWeightSource Published(IWeightSource file)
    {
        ArgumentNullException.ThrowIfNull(file);
        // One array's name means another norm in either generation; the second has norms the first lacks.
        bool second = file.Tensors.Keys.Any(n => n.EndsWith("llm/layers/post_ffw_norm/scale", StringComparison.Ordinal));
        return FlaxWeights.Show(file, FlaxRules,
            new FlaxBlocks("img/Transformer/encoderblock", "vision_tower.encoder.layers.", FlaxWeights.VitBlock),
            new FlaxBlocks("llm/layers", "language_model.layers.", [.. GemmaBlock, .. second ? SecondNorms : FirstNorms]));
    }

    /// <summary>Refuses an output layer that differs from the embedding.</summary>
    internal static void CheckTied(IWeightSource file)
    {
        if (file.Tensors.Keys.FirstOrDefault(n => Rename(n) == Output) is not { } output)
            return;
        if (file.Tensors.Keys.FirstOrDefault(n => Rename(n) == Table) is not { } embedding)
            return;
        TensorInfo table = file.Tensors[embedding], own = file.Tensors[output];
        bool same = own.Type == table.Type && own.ByteCount == table.ByteCount;
        // Piece by piece: the table is the largest tensor of the model.
        byte[] one = new byte[1 << 20], other = new byte[1 << 20];
        for (long at = 0; same && at < own.ByteCount; at += one.Length)
        {
            int length = (int)Math.Min(one.Length, own.ByteCount - at);
            file.Read(embedding, at, one.AsSpan(0, length));
            file.Read(output, at, other.AsSpan(0, length));
            same = one.AsSpan(0, length).SequenceEqual(other.AsSpan(0, length));
        }
        if (!same)
            throw new CheckpointException(file.Source, output, "differs from the embedding; Gemma's output layer is the embedding. Check that the file belongs to this model.");
    }
}
