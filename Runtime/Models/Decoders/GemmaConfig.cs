namespace VlmSdk.Models.Decoders;

/// <summary>Sizes of a Gemma decoder of the first or second generation. Letters: D width, N heads, K key/value heads, H head width, F MLP width, V vocabulary.</summary>
public sealed record GemmaConfig
{
    /// <summary>Tokens the model was trained to see at once.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Width of the hidden states, D.</summary>
    public required int Width { get; init; }

    /// <summary>Transformer layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Hidden width of the gated MLP, F.</summary>
    public required int MlpWidth { get; init; }

    /// <summary>Query heads, N; a multiple of <see cref="KeyValueHeads"/>.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads, K.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head, H, even; N * H need not be D.</summary>
    public required int HeadWidth { get; init; }

    /// <summary>Rows of the embedding and of the output layer, which are the same table, V.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Epsilon of all normalisations.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required float RopeTheta { get; init; }

    /// <summary>Factor of the products of queries and keys.</summary>
    public required float QueryScale { get; init; }

    /// <summary>Second generation: norms also stand on the outputs of attention and MLP.</summary>
    public required bool HasPostNorms { get; init; }

    /// <summary>Bound of the attention scores, 0 for none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>Bound of the logits for <see cref="GemmaDecoder.Head"/> when asked for, 0 for none.</summary>
    public float FinalSoftCap { get; init; }

    /// <summary>
    /// Newest tokens, itself among them, that a generated token sees in a layer of <see cref="SlidingLayers"/>; 0 for all.
    /// Published files name 4096 (<see cref="PublishedWindow"/>), which the original program never applied: reading a
    /// configuration leaves it 0.
    /// </summary>
    public int SlidingWindow { get; init; }

    /// <summary>The window the configuration names, 0 for none.</summary>
    public int PublishedWindow { get; init; }

    /// <summary>For each layer whether it has the sliding window; empty for none.</summary>
    public IReadOnlyList<bool> SlidingLayers { get; init; } = [];

    /// <summary>Reads a published configuration of <c>model_type</c> gemma or gemma2 in Hugging Face's keys; what is missing has its default.</summary>
    /// <exception cref="CheckpointException">Another model type, an unknown activation, rotary scaling, biases, or a size out of range.</exception>
    public static GemmaConfig FromJson(ConfigReader json)
    {
        bool second = json.OneOf("model_type", null, "gemma", "gemma2") == "gemma2";
        json.OneOf("hidden_activation", "gelu_pytorch_tanh", "gelu_pytorch_tanh");
        // The older key says "gelu" in files whose models were always run with the tanh form.
        json.OneOf("hidden_act", "gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu");
        json.Require("attention_bias", false);
        json.Require("tie_word_embeddings", true);
        if (json.Has("rope_scaling"))
            throw json.Fault("rope_scaling", "is set; Gemma's rotary positions are not scaled.");
        int heads = json.Int("num_attention_heads", 1, 512, second ? 8 : 16);
        int keyValueHeads = json.Int("num_key_value_heads", 1, heads, second ? 4 : 16);
        if (heads % keyValueHeads != 0)
            throw json.Fault("num_key_value_heads", $"is {keyValueHeads}, which does not divide the {heads} heads.");
        int headWidth = json.Int("head_dim", 2, 4096, 256);
        if (headWidth % 2 != 0)
            throw json.Fault("head_dim", $"{headWidth} entries of a head cannot be rotated in pairs.");
        int layers = json.Int("num_hidden_layers", 1, 256, second ? 26 : 28);
        var config = new GemmaConfig
        {
            ContextLength = json.Int("max_position_embeddings", 1, 1 << 24, 8192),
            Width = json.Int("hidden_size", 1, 32_768, second ? 2304 : 3072),
            Layers = layers,
            MlpWidth = json.Int("intermediate_size", 1, 1 << 20, second ? 9216 : 24_576),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadWidth = headWidth,
            VocabularySize = json.Int("vocab_size", 1, 1 << 20, 256_000),
            NormEpsilon = json.Float("rms_norm_eps", 0, 1, 1e-6f),
            RopeTheta = json.RopeSettings().Float("rope_theta", 1, 1e12f, 10_000),
            QueryScale = 1 / MathF.Sqrt(second ? json.Float("query_pre_attn_scalar", 0, 1 << 20, 256) : headWidth),
            HasPostNorms = second,
        };
        return !second ? config : config with
        {
            AttentionSoftCap = Cap(json, "attn_logit_softcapping", 50),
            FinalSoftCap = Cap(json, "final_logit_softcapping", 30),
            PublishedWindow = json.Int("sliding_window", 1, 1 << 24, 4096),
            SlidingLayers = Sliding(json, layers),
        };
    }

    // A cap that is null in the file is switched off; one that is missing has the default.
    private static float Cap(ConfigReader json, string key, float whenMissing) => json.IsNull(key) ? 0 : json.Float(key, 0, 1e6f, whenMissing);

    private static bool[] Sliding(ConfigReader json, int layers)
    {
        if (!json.Has("layer_types"))
            return [.. Enumerable.Range(0, layers).Select(i => i % 2 == 0)];
        IReadOnlyList<string> types = json.Words("layer_types", "sliding_attention", "full_attention");
        return types.Count == layers
            ? [.. types.Select(t => t == "sliding_attention")]
            : throw json.Fault("layer_types", $"lists {types.Count} layers and num_hidden_layers is {layers}.");
    }
}
