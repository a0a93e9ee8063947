using System.Reflection;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Scout;

/// <summary>
/// Scout's weights in a GGUF file of architecture "scout": the names of <see cref="ScoutModel"/>, sizes under
/// <c>scout.*</c>, the words under <c>tokenizer.ggml.tokens</c>. Matrices may be quantized and stay so; convolution
/// kernels are stored as matrices [O, C * K * K], so that they can be quantized too, and are unpacked when read.
/// </summary>
/// <param name="Source">File the weights come from.</param>
/// <param name="Config">Sizes of the model.</param>
/// <param name="Tensors">Weights by the names the graphs use, complete and checked against the sizes.</param>
public sealed record ScoutCheckpoint(string Source, ScoutConfig Config, IReadOnlyDictionary<string, HostTensor> Tensors)
{
    /// <summary>The name under which the embedded model is asked for.</summary>
    public const string EmbeddedName = "scout";

    private const string Architecture = "scout";

    /// <summary>Loads the embedded model ("scout"), a GGUF file, or a folder with exactly one GGUF file in it.</summary>
    /// <exception cref="CheckpointException">There is no such file, or it is not a Scout model, or it is damaged.</exception>
    public static ScoutCheckpoint Load(string model)
    {
        if (model == EmbeddedName)
        {
            using GgufFile embedded = OpenEmbedded();
            return Read(embedded);
        }
        if (Directory.Exists(model))
        {
            string[] files = List(model);
            if (files.Length != 1)
                throw new CheckpointException(model, null,
                    $"a model folder for Scout holds one .gguf file, this one holds {files.Length}. Name the file itself, or \"scout\" for the embedded model.");
            model = files[0];
        }
        if (!File.Exists(model))
            throw new CheckpointException(model, null, "there is no such file or folder. Give a .gguf file, a folder that holds one, or \"scout\" for the embedded model.");
        using GgufFile file = GgufFile.Open(model);
        return Read(file);
    }

    /// <summary>Reads the weights of an open GGUF file.</summary>
    /// <exception cref="CheckpointException">It is of another architecture, has other words or other tensors, or sizes out of range.</exception>
    public static ScoutCheckpoint Read(GgufFile file)
    {
        ScoutConfig config = ReadConfig(file);
        var tensors = new Dictionary<string, HostTensor>();
        foreach ((string name, Shape shape) in Shapes(config))
        {
            if (!file.Tensors.TryGetValue(name, out TensorInfo? info))
                throw new CheckpointException(file.Source, name, "the model needs this tensor and the file does not hold it.");
            Shape stored = Stored(shape);
            if (info.Shape != stored)
                throw new CheckpointException(file.Source, name, $"has shape {info.Shape}, the model's sizes need {stored}.");
            HostTensor tensor = file.Read(name);
            // Convolutions, norms and biases run in F32; matrices keep their type for the executor to use.
            tensors.Add(name, shape.Rank == 2 ? tensor : Dequantizer.ToFloats(tensor).Reshape(shape));
        }
        if (file.Tensors.Keys.FirstOrDefault(n => !tensors.ContainsKey(n)) is { } extra)
            throw new CheckpointException(file.Source, extra, "is no tensor of Scout; the file belongs to another model.");
        return new ScoutCheckpoint(file.Source, config, tensors);
    }

    /// <summary>Reads the sizes of an open GGUF file and checks its words.</summary>
    /// <exception cref="CheckpointException">It is of another architecture, has other words, or sizes out of range.</exception>
    public static ScoutConfig ReadConfig(GgufFile file)
    {
        string architecture = file.Metadata.GetString("general.architecture");
        if (architecture != Architecture)
            throw new CheckpointException(file.Source, "general.architecture",
                $"is '{architecture}'; questions about pictures are answered by models of architecture 'scout'. " +
                "Name such a file, or \"scout\" for the embedded model; a text decoder of architecture 'llama' loads with TextModel, without pictures.");
        var config = new ScoutConfig
        {
            ImageSide = Size(file, "image_side", 32, 1024),
            StemChannels = file.Metadata.GetInts("scout.stem_channels"),
            EncoderLayers = Size(file, "encoder_layers", 1, 64),
            HeadWidth = Size(file, "head_width", 2, 256),
            EncoderMlpRatio = Size(file, "encoder_mlp_ratio", 1, 16),
            ProjectorWidth = Size(file, "projector_width", 1, 8192),
            DecoderLayers = Size(file, "decoder_layers", 3, 64),
            DecoderWidth = Size(file, "decoder_width", 2, 8192),
            DecoderMlpWidth = Size(file, "decoder_mlp_width", 1, 32768),
            RopeTheta = file.Metadata.GetFloat("scout.rope_theta"),
            NormEpsilon = file.Metadata.GetFloat("scout.norm_epsilon"),
            VocabularySize = ScoutVocabulary.Words.Count,
            LocationBins = ScoutVocabulary.LocationBins,
        };
        Check(file, config);
        if (!file.Metadata.GetStrings("tokenizer.ggml.tokens").SequenceEqual(ScoutVocabulary.Words))
            throw new CheckpointException(file.Source, "tokenizer.ggml.tokens", "are not the words this version of Scout speaks; export the model again with TrainScout.");
        return config;
    }

    /// <summary>Writes weights as a GGUF file.</summary>
    /// <param name="path">The file; replaced as a whole.</param>
    /// <param name="config">Sizes of the model.</param>
    /// <param name="weights">F32 weights by name; those that only training needs are left out.</param>
    /// <param name="scheme">Storage of the matrices and convolution kernels: Q8_0, Q4_0, F16 or F32. The rest is F32.</param>
    public static void Write(string path, ScoutConfig config, IReadOnlyDictionary<string, HostTensor> weights, DType scheme = DType.Q8_0)
    {
        var writer = new GgufWriter();
        writer.Add("general.architecture", Architecture);
        writer.Add("general.name", "Scout");
        writer.Add("scout.image_side", (uint)config.ImageSide);
        writer.AddArray<int>("scout.stem_channels", config.StemChannels.ToArray());
        writer.Add("scout.encoder_layers", (uint)config.EncoderLayers);
        writer.Add("scout.head_width", (uint)config.HeadWidth);
        writer.Add("scout.encoder_mlp_ratio", (uint)config.EncoderMlpRatio);
        writer.Add("scout.projector_width", (uint)config.ProjectorWidth);
        writer.Add("scout.decoder_layers", (uint)config.DecoderLayers);
        writer.Add("scout.decoder_width", (uint)config.DecoderWidth);
        writer.Add("scout.decoder_mlp_width", (uint)config.DecoderMlpWidth);
        writer.Add("scout.rope_theta", config.RopeTheta);
        writer.Add("scout.norm_epsilon", config.NormEpsilon);
        writer.Add("tokenizer.ggml.model", "scout");
        writer.AddArray<string>("tokenizer.ggml.tokens", ScoutVocabulary.Words.ToArray());
        foreach ((string name, Shape shape) in Shapes(config))
        {
            if (!weights.TryGetValue(name, out HostTensor? tensor) || tensor.Shape != shape)
                throw new ArgumentException($"The weights lack '{name}' of shape {shape}.", nameof(weights));
            HostTensor matrix = tensor.Reshape(Stored(shape));
            bool packs = shape.Rank >= 2 && name != "pos" && matrix.Shape[^1] % scheme.BlockLength() == 0;
            writer.AddTensor(name, packs ? Quantizer.Quantize(scheme, matrix) : matrix);
        }
        writer.Write(path);
    }

    /// <summary>Names and shapes of all weights that inference needs, taken from the graphs themselves.</summary>
    public static IEnumerable<(string Name, Shape Shape)> Shapes(ScoutConfig config)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, 1, 3, config.ImageSide, config.ImageSide);
        Value picture = ScoutModel.Projector(g, config, ScoutModel.VisionEncoder(g, config, pixels));
        Value positions = g.Input("positions", DType.I32, 1, config.PictureTokens);
        Value hidden = ScoutModel.Decoder(g, config, picture, positions, AttentionMask.Full, cached: false);
        g.Output("logits", ScoutModel.Head(g, config, hidden));
        return g.Build().Weights.Select(w => (w.WeightName, w.WeightShape));
    }

    /// <summary>The weights as a file holds them: convolution kernels as matrices.</summary>
    public static IReadOnlyList<WeightSpec> StoredWeights(ScoutConfig config) =>
        [.. Shapes(config).Select(w => new WeightSpec(w.Name, Stored(w.Shape), w.Shape.Rank == 2))];

    private static string[] List(string folder)
    {
        try
        {
            return Directory.GetFiles(folder, "*.gguf");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(folder, null, "this folder cannot be listed. Check its permissions.", e);
        }
    }

    /// <summary>Opens the embedded model's file.</summary>
    /// <exception cref="CheckpointException">This build embeds none.</exception>
    public static GgufFile OpenEmbedded()
    {
        using Stream? stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("scout.gguf");
        if (stream is null)
            throw new CheckpointException("scout", null, "this build of VlmSdk does not embed the default model. Give a model file instead.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return GgufFile.Parse("scout (embedded)", bytes);
    }

    private static Shape Stored(Shape shape) => shape.Rank == 4 ? new Shape(shape[0], shape[1] * shape[2] * shape[3]) : shape;

    private static int Size(GgufFile file, string name, int low, int high)
    {
        uint value = file.Metadata.GetUInt32($"scout.{name}");
        return value >= low && value <= high
            ? (int)value
            : throw new CheckpointException(file.Source, $"scout.{name}", $"is {value}, but must lie in {low}..{high}.");
    }

    private static void Check(GgufFile file, ScoutConfig c)
    {
        string? fault =
            c.ImageSide % 32 != 0 ? $"image_side {c.ImageSide} is not a multiple of 32"
            : c.StemChannels.Count != 3 || c.StemChannels.Any(n => n is < 1 or > 4096) ? "stem_channels must be three numbers in 1..4096"
            : c.EncoderWidth % c.HeadWidth != 0 || c.DecoderWidth % c.HeadWidth != 0 ? $"widths {c.EncoderWidth} and {c.DecoderWidth} are not multiples of head_width {c.HeadWidth}"
            : c.HeadWidth % 2 != 0 ? $"head_width {c.HeadWidth} is odd"
            : !(c.RopeTheta >= 1 && float.IsFinite(c.RopeTheta)) ? $"rope_theta {c.RopeTheta} must be a number of at least 1"
            : !(c.NormEpsilon > 0 && c.NormEpsilon < 1) ? $"norm_epsilon {c.NormEpsilon} must lie between 0 and 1"
            : null;
        if (fault is not null)
            throw new CheckpointException(file.Source, "scout", fault + ".");
    }
}
