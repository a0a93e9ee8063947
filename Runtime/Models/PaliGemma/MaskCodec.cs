using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using VlmSdk.Weights;

// The mask codec of PaliGemma's segmentation (vae-oid.npz; Ning et al. 2023, "All in Tokens"): sixteen codebook rows on a 4 x 4
// grid stand for a mask of 64 x 64.
//
// Differs from the obvious: no activation behind a residual block; transposed convolutions are written as convolutions of
// the input spread out with zeros, whose kernels are turned when the file is read; all widths come from the file.
//
// Axes: n masks, E width of the codebook, C channels.

namespace VlmSdk.Models.PaliGemma;

/// <summary>The mask codec: its weights and its graph functions. Immutable.</summary>
public sealed class MaskCodec
{
    /// <summary>Side of a mask.</summary>
    public const int Side = 64;

    private const int Grid = 4;
    private const string Codebook = "_vq_vae._embedding";

    private static readonly int[] Upward = [4, 6, 8, 10], Downward = [0, 2, 4, 6];

    private static readonly string[] Names =
    [
        Codebook,
        .. new[] { "decoder.0", "decoder.2.net.0", "decoder.2.net.2", "decoder.2.net.4", "decoder.3.net.0", "decoder.3.net.2", "decoder.3.net.4",
            "decoder.4", "decoder.6", "decoder.8", "decoder.10", "decoder.12",
            "encoder.0", "encoder.2", "encoder.4", "encoder.6", "encoder.8.net.0", "encoder.8.net.2", "encoder.8.net.4",
            "encoder.9.net.0", "encoder.9.net.2", "encoder.9.net.4", "encoder.10" }.SelectMany(n => new[] { n + ".weight", n + ".bias" }),
    ];

    /// <summary>Name of its file, which is published apart from the models.</summary>
    public const string FileName = "vae-oid.npz";

    private MaskCodec(IReadOnlyDictionary<string, HostTensor> weights) => Weights = weights;

    /// <summary>The weights by the names the graphs use, F32.</summary>
    public IReadOnlyDictionary<string, HostTensor> Weights { get; }

    /// <summary>Reads <c>vae-oid.npz</c>.</summary>
    /// <exception cref="CheckpointException">A tensor is missing or unknown, or the shapes do not form the codec.</exception>
    public static MaskCodec Read(IWeightSource file)
    {
        ArgumentNullException.ThrowIfNull(file);
        IEnumerable<WeightSpec> needed = Names.Select(n => new WeightSpec(n, file.Tensors.TryGetValue(n, out TensorInfo? tensor) ? tensor.Shape : new Shape(), false));
        var weights = new Dictionary<string, HostTensor>();
        foreach ((string name, HostTensor tensor) in CheckpointMapping.Read(file, n => n, needed))
        {
            (int rank, bool square) = name == Codebook ? (2, true) : name.EndsWith(".bias", StringComparison.Ordinal) ? (1, true) : (4, tensor.Shape.Rank == 4 && tensor.Shape[2] == tensor.Shape[3]);
            if (tensor.Shape.Rank != rank || !square || tensor.Shape.Count == 0)
                throw new CheckpointException(file.Source, name, $"has shape {tensor.Shape}, which is no {(rank == 4 ? "square kernel" : rank == 2 ? "codebook" : "bias")} of a mask codec.");
            HostTensor floats = Dequantizer.ToFloats(tensor);
            weights.Add(name, Upward.Any(i => name == $"decoder.{i}.weight") ? Turned(floats) : floats);
        }
        var codec = new MaskCodec(weights);
        codec.Check(file.Source);
        return codec;
    }

    /// <summary>Codebook indices I32 [n, 16], row by row of the grid, to masks [n, 64, 64] in about -1..1; above 0 is foreground.</summary>
    public Value Decode(GraphBuilder g, Value indices)
    {
        int n = indices.Shape[0];
        Value x = g.Gather(Weight(g, Codebook), indices);                                                                  // [n, 16, E]
        x = g.Permute(g.Reshape(x, n, Grid, Grid, x.Shape[2]), 0, 3, 1, 2);                                                // [n, E, 4, 4]
        x = g.Tap("seg.trunk", g.Unary(UnaryKind.Relu, Conv(g, "decoder.0", x)));
        x = g.Tap("seg.residual", Residual(g, "decoder.3.net", Residual(g, "decoder.2.net", x)));
        for (int i = 0; i < Upward.Length; i++)
            x = g.Tap($"seg.up.{i}", g.Unary(UnaryKind.Relu, Transposed(g, $"decoder.{Upward[i]}", x)));                   // [n, C, 2H, 2W]
        return g.Reshape(Conv(g, "decoder.12", x), n, Side, Side);
    }

    /// <summary>A decoded mask as probabilities 0..1.</summary>
    public static Value Soft(GraphBuilder g, Value mask) => g.Clamp(mask * 0.5f + 0.5f, 0, 1);

    /// <summary>Masks [n, 64, 64] of 0..1 to codebook indices I32 [n, 16].</summary>
    public Value Encode(GraphBuilder g, Value masks)
    {
        int n = masks.Shape[0];
        Value x = g.Reshape((masks - 0.5f) * 2, n, 1, Side, Side);
        foreach (int i in Downward)
            x = g.Unary(UnaryKind.Relu, Conv(g, $"encoder.{i}", x, stride: 2));                                            // [n, C, H/2, W/2]
        x = Residual(g, "encoder.9.net", Residual(g, "encoder.8.net", x));
        x = g.Tap("latent", Conv(g, "encoder.10", x));                                                                     // [n, E, 4, 4]
        Value rows = g.Permute(g.Reshape(x, n, x.Shape[1], Grid * Grid), 0, 2, 1), book = Weight(g, Codebook);             // [n, 16, E]
        // The nearest row has the smallest |e|^2 - 2 x e, for |x|^2 is the same for all.
        return g.ArgMax(g.Linear(rows, book) * 2 - g.Reduce(ReduceKind.Sum, g.Unary(UnaryKind.Square, book), -1));
    }

    /// <summary>A mask resized to a box or a crop to a mask: F32 [H, W], triangle filter, widened when shrinking.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive.</exception>
    public static HostTensor Resize(HostTensor mask, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        return FloatResize.AntialiasBilinear(mask.Reshape(new Shape([1, .. mask.Shape.Axes])), width, height).Reshape(new Shape(height, width));
    }

    private void Check(string source)
    {
        var g = new GraphBuilder();
        try
        {
            if (Weights[Codebook].Shape[0] != PaliGemmaAnswer.SegmentCount)
                throw new ShapeMismatchException($"The codebook has {Weights[Codebook].Shape[0]} rows and the vocabulary {PaliGemmaAnswer.SegmentCount} mask tokens.");
            Decode(g, g.Input("indices", DType.I32, 1, PaliGemmaAnswer.MaskLength));
            Encode(g, g.Input("mask", DType.F32, 1, Side, Side));
        }
        catch (ShapeMismatchException e)
        {
            throw new CheckpointException(source, null, $"its tensors do not fit together as a mask codec. {e.Message} Check that it is vae-oid.npz.", e);
        }
    }

    // TensorFlow's SAME padding, which is symmetric for these kernels: odd ones at stride 1, even ones at stride 2.
    private Value Conv(GraphBuilder g, string name, Value x, int stride = 1)
    {
        Value kernel = Weight(g, name + ".weight");
        int side = kernel.Shape[2];
        return side >= stride && (side - stride) % 2 == 0
            ? g.Conv2d(x, kernel, Weight(g, name + ".bias"), stride, (side - stride) / 2)
            : throw new ShapeMismatchException($"'{name}.weight' has a kernel of {side}, which cannot lie evenly at stride {stride}.");
    }

    private Value Residual(GraphBuilder g, string name, Value x)
    {
        Value y = g.Unary(UnaryKind.Relu, Conv(g, name + ".0", x));
        y = g.Unary(UnaryKind.Relu, Conv(g, name + ".2", y));
        return x + Conv(g, name + ".4", y);
    }

    // Kernel 4, stride 2, padding 1. Zeros stand behind every entry of either axis; the last row and column come from
    // padding alone and go.
    private Value Transposed(GraphBuilder g, string name, Value x)
    {
        Value kernel = Weight(g, name + ".weight");
        if (kernel.Shape[2] != 4)
            throw new ShapeMismatchException($"'{name}.weight' has a kernel of {kernel.Shape[2]}; transposed convolutions here have 4.");
        int n = x.Shape[0], c = x.Shape[1], h = x.Shape[2], w = x.Shape[3];
        x = g.Reshape(x, n, c, h, w, 1);
        x = g.Concat(-1, x, x * 0);                                                                                        // [n, C, H, W, 2]
        x = g.Reshape(x, n, c, h, 1, 2 * w);
        x = g.Reshape(g.Concat(3, x, x * 0), n, c, 2 * h, 2 * w);
        x = g.Conv2d(x, kernel, Weight(g, name + ".bias"), stride: 1, padding: 2);                                         // [n, O, 2H + 1, 2W + 1]
        return g.Slice(g.Slice(x, 2, 0, 2 * h), 3, 0, 2 * w);
    }

    // [I, O, K, K] to [O, I, K, K] with both kernel axes reversed.
    private static HostTensor Turned(HostTensor x)
    {
        int inputs = x.Shape[0], outputs = x.Shape[1], kernel = x.Shape[2] * x.Shape[3];
        var result = new HostTensor(DType.F32, new Shape(outputs, inputs, x.Shape[2], x.Shape[3]));
        for (int i = 0; i < inputs; i++)
            for (int o = 0; o < outputs; o++)
                for (int k = 0; k < kernel; k++)
                    result.Floats[(o * inputs + i) * kernel + kernel - 1 - k] = x.Floats[(i * outputs + o) * kernel + k];
        return result;
    }

    private Value Weight(GraphBuilder g, string name) => g.Weight(name, Weights[name].Shape.Axes);
}
