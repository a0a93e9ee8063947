using VlmSdk.Graphs;
using VlmSdk.Weights;

namespace VlmSdk.Models.Decoders;

/// <summary>Sizes of a Llama decoder. Letters: D width, N heads, K key/value heads, H head width, F MLP width, V vocabulary.</summary>
public sealed record LlamaConfig
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

    /// <summary>Width of a head, H.</summary>
    public required int HeadWidth { get; init; }

    /// <summary>Vocabulary, V.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Epsilon of all normalisations.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Base of the rotary frequencies.</summary>
    public float RopeTheta { get; init; } = 10_000;

    /// <summary>Rotated entries of a head, even and at most <see cref="HeadWidth"/>.</summary>
    public required int RopeWidth { get; init; }

    /// <summary>Order of the rotated pairs, which is that of the stored query and key rows: adjacent in GGUF files.</summary>
    public RopeLayout RopeLayout { get; init; } = RopeLayout.Interleaved;

    /// <summary>The file gives a factor by which each rotary frequency is divided.</summary>
    public bool HasRopeFactors { get; init; }

    /// <summary>The output layer uses the embedding.</summary>
    public bool TiedOutput { get; init; }

    /// <summary>Reads the sizes from a GGUF file.</summary>
    /// <exception cref="CheckpointException">Another architecture, or a size out of range.</exception>
    public static LlamaConfig FromGguf(GgufFile file)
    {
        GgufMetadata m = file.Metadata;
        string architecture = m.GetString("general.architecture");
        if (architecture != "llama")
            throw new CheckpointException(file.Source, "general.architecture", $"is '{architecture}'; text models here are of the 'llama' architecture. " +
                (architecture == "scout" ? "Ask a Scout model about pictures, with VlmModel." : "Name a file of that architecture, or convert the model."));
        int width = Size(file, "embedding_length", 1, 32_768), heads = Size(file, "attention.head_count", 1, 512);
        int keyValueHeads = m.Contains("llama.attention.head_count_kv") ? Size(file, "attention.head_count_kv", 1, heads) : heads;
        if (heads % keyValueHeads != 0)
            throw Fault(file, "attention.head_count_kv", $"is {keyValueHeads}, which does not divide the {heads} heads.");
        int headWidth = HeadWidthOf(file, width, heads);
        int ropeWidth = m.Contains("llama.rope.dimension_count") ? Size(file, "rope.dimension_count", 2, headWidth) : headWidth;
        if (ropeWidth % 2 != 0)
            throw Fault(file, "rope.dimension_count", $"{ropeWidth} entries of a head cannot be rotated in pairs.");
        RefuseScaling(file);
        return new LlamaConfig
        {
            ContextLength = Size(file, "context_length", 1, 1 << 24),
            Width = width,
            Layers = Size(file, "block_count", 1, 256),
            MlpWidth = Size(file, "feed_forward_length", 1, 1 << 20),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadWidth = headWidth,
            VocabularySize = Vocabulary(file),
            NormEpsilon = Number(file, "attention.layer_norm_rms_epsilon", null, 0, 1),
            RopeTheta = Number(file, "rope.freq_base", 10_000, 1, 1e12f),
            RopeWidth = ropeWidth,
            HasRopeFactors = file.Tensors.ContainsKey("rope_freqs.weight"),
            TiedOutput = !file.Tensors.ContainsKey("output.weight"),
        };
    }

    /// <summary>Reads a published configuration in Hugging Face's keys; what is missing has Llama's default.</summary>
    /// <exception cref="CheckpointException">An unknown activation or rotary scaling, biases, or a size out of range.</exception>
    public static LlamaConfig FromJson(ConfigReader json) => FromJson(json, context: 2048, mlpWidth: 11_008, keyValueHeads: null);

    /// <summary>
    /// Reads a Mistral decoder in Hugging Face's keys; what is missing has Mistral's default. A sliding window shortens the
    /// context to its length, inside which it hides nothing; its default of 4096 holds unless the file says null.
    /// </summary>
    /// <exception cref="CheckpointException">An unknown activation or rotary scaling, biases, or a size out of range.</exception>
    public static LlamaConfig FromMistral(ConfigReader json)
    {
        LlamaConfig config = FromJson(json, context: 131_072, mlpWidth: 14_336, keyValueHeads: 8);
        return json.IsNull("sliding_window") ? config : config with { ContextLength = Math.Min(config.ContextLength, json.Int("sliding_window", 1, 1 << 24, 4096)) };
    }

    /// <summary>Reads Mistral's own <c>params.json</c>, whose query and key rows rotate in adjacent pairs.</summary>
    /// <exception cref="CheckpointException">A size is missing or out of range.</exception>
    public static LlamaConfig FromParams(ConfigReader json)
    {
        int heads = json.Int("n_heads", 1, 512), keyValueHeads = json.Int("n_kv_heads", 1, heads), headWidth = json.Int("head_dim", 2, 4096);
        CheckHeads(json, "n_kv_heads", heads, keyValueHeads, headWidth);
        return new LlamaConfig
        {
            ContextLength = json.Int("max_seq_len", 1, 1 << 24, 131_072),
            Width = json.Int("dim", 1, 32_768),
            Layers = json.Int("n_layers", 1, 256),
            MlpWidth = json.Int("hidden_dim", 1, 1 << 20),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadWidth = headWidth,
            VocabularySize = json.Int("vocab_size", 1, 1 << 20),
            NormEpsilon = json.Float("norm_eps", 0, 1),
            RopeTheta = json.Float("rope_theta", 1, 1e12f),
            RopeWidth = headWidth,
            RopeLayout = RopeLayout.Interleaved,
            TiedOutput = json.Flag("tied_embeddings", false),
        };
    }

    private static LlamaConfig FromJson(ConfigReader json, int context, int mlpWidth, int? keyValueHeads)
    {
        if (json.Activation("hidden_act", "silu") != ActivationKind.Silu)
            throw json.Fault("hidden_act", $"is '{json.Text("hidden_act")}'; Llama decoders here use silu.");
        json.Require("attention_bias", false);
        json.Require("mlp_bias", false);
        if (json.Has("rope_scaling"))
            throw json.Fault("rope_scaling", "is set; only unscaled rotary positions are read from this configuration.");
        int width = json.Int("hidden_size", 1, 32_768, 4096), heads = json.Int("num_attention_heads", 1, 512, 32);
        int groups = json.Int("num_key_value_heads", 1, heads, keyValueHeads ?? heads);
        if (!json.Has("head_dim") && width % heads != 0)
            throw json.Fault("num_attention_heads", $"is {heads}, which does not divide the width {width}.");
        int headWidth = json.Int("head_dim", 2, 4096, Math.Max(2, width / heads));
        CheckHeads(json, "num_key_value_heads", heads, groups, headWidth);
        return new LlamaConfig
        {
            ContextLength = json.Int("max_position_embeddings", 1, 1 << 24, context),
            Width = width,
            Layers = json.Int("num_hidden_layers", 1, 256, 32),
            MlpWidth = json.Int("intermediate_size", 1, 1 << 20, mlpWidth),
            Heads = heads,
            KeyValueHeads = groups,
            HeadWidth = headWidth,
            VocabularySize = json.Int("vocab_size", 1, 1 << 20, 32_000),
            NormEpsilon = json.Float("rms_norm_eps", 0, 1, 1e-6f),
            RopeTheta = json.RopeSettings().Float("rope_theta", 1, 1e12f, 10_000),
            RopeWidth = headWidth,
            RopeLayout = RopeLayout.HalfSplit,
            TiedOutput = json.Flag("tie_word_embeddings", false),
        };
    }

    private static void CheckHeads(ConfigReader json, string key, int heads, int keyValueHeads, int headWidth)
    {
        if (heads % keyValueHeads != 0)
            throw json.Fault(key, $"is {keyValueHeads}, which does not divide the {heads} heads.");
        if (headWidth % 2 != 0)
            throw json.Fault("head_dim", $"{headWidth} entries of a head cannot be rotated in pairs.");
    }

    private static int HeadWidthOf(GgufFile file, int width, int heads)
    {
        if (file.Metadata.Contains("llama.attention.key_length"))
        {
            int key = Size(file, "attention.key_length", 1, 4096);
            int value = file.Metadata.Contains("llama.attention.value_length") ? Size(file, "attention.value_length", 1, 4096) : key;
            return key == value ? key : throw Fault(file, "attention.value_length", $"is {value} and the key length {key}; they must be equal.");
        }
        return width % heads == 0
            ? width / heads
            : throw Fault(file, "attention.head_count", $"is {heads}, which does not divide the width {width}.");
    }

    private static void RefuseScaling(GgufFile file)
    {
        if (file.Metadata.TryGetString("llama.rope.scaling.type", out string? scaling) && scaling != "none")
            throw Fault(file, "rope.scaling.type", $"is '{scaling}'; only 'none' and a rope_freqs tensor are read.");
    }

    private static int Vocabulary(GgufFile file)
    {
        if (!file.Tensors.TryGetValue("token_embd.weight", out TensorInfo? embedding) || embedding.Shape.Rank != 2)
            throw new CheckpointException(file.Source, "token_embd.weight", "the model needs this tensor as a matrix [vocabulary, width].");
        int rows = embedding.Shape[0];
        if (rows is 0 or > Tokenization.TokenizerVocabulary.MaxTokens)
            throw new CheckpointException(file.Source, embedding.Name, $"has {rows} rows; 1 to {Tokenization.TokenizerVocabulary.MaxTokens} tokens are accepted.");
        if (file.Metadata.Contains("llama.vocab_size") && Size(file, "vocab_size", 1, int.MaxValue) != rows)
            throw Fault(file, "vocab_size", $"differs from the {rows} rows of 'token_embd.weight'.");
        return rows;
    }

    private static int Size(GgufFile file, string key, int least, int most)
    {
        uint value = file.Metadata.GetUInt32("llama." + key);
        return value >= (uint)least && value <= (uint)most
            ? (int)value
            : throw Fault(file, key, $"is {value}; {least} to {most} is accepted.");
    }

    private static float Number(GgufFile file, string key, float? whenMissing, float above, float most)
    {
        if (whenMissing is { } value && !file.Metadata.Contains("llama." + key))
            return value;
        value = file.Metadata.GetFloat("llama." + key);
        return value > above && value <= most
            ? value
            : throw Fault(file, key, $"is {value}; a number above {above} and at most {most} is accepted.");
    }

    private static CheckpointException Fault(GgufFile file, string key, string fault) => new(file.Source, "llama." + key, fault);
}
