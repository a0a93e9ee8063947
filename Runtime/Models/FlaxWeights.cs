using System.Runtime.InteropServices;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models;

/// <summary>How an array of a Flax program becomes a tensor of the published PyTorch form.</summary>
internal enum FlaxForm
{
    /// <summary>All axes in one: [...] to [n].</summary>
    Vector,

    /// <summary>A kernel [I, O...] to [O, I].</summary>
    Dense,

    /// <summary>The output kernel of an attention, [N, H, D] to [D, N * H].</summary>
    Merge,

    /// <summary>A query, key or value kernel [N, D, H] to [N * H, D].</summary>
    Heads,

    /// <summary>A convolution [KH, KW, I, O] to [O, I, KH, KW].</summary>
    Conv,

    /// <summary>A table of positions [1, P, E] to [P, E].</summary>
    Positions,

    /// <summary>As it is.</summary>
    Same,
}

/// <summary>Where an array goes.</summary>
/// <param name="File">Its name, below the layer for arrays of a block.</param>
/// <param name="Form">How its axes change.</param>
/// <param name="Own">Name in the published form. More than one: the leading axis is cut into so many.</param>
internal sealed record FlaxRule(string File, FlaxForm Form, params string[] Own)
{
    /// <summary>Several arrays of one name stand on top of each other in the order of these numbers.</summary>
    internal int Part { get; init; }

    /// <summary>Several arrays of one name are added.</summary>
    internal bool Adds { get; init; }
}

/// <summary>The arrays of repeated blocks: stacked under <paramref name="Stack"/>, or one group a layer under <paramref name="Stack"/>_0, _1 and so on.</summary>
/// <param name="Stack">Name of the stack in the file.</param>
/// <param name="Own">Name before the layer's number in the published form.</param>
/// <param name="Rules">The arrays of a block.</param>
internal sealed record FlaxBlocks(string Stack, string Own, FlaxRule[] Rules);

/// <summary>
/// A checkpoint of big_vision (<c>.npz</c>) shown under published names and axes, so that a model's mapping reads it like
/// any other. Arrays without a rule keep their name and are refused there. Tensors are turned as they are read, layer by layer.
/// </summary>
internal sealed class FlaxWeights : IWeightSource
{
    private const int MaxLayers = 256;
    private const string Root = "params/";

    private readonly NpzFile _file;
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, List<Piece>> _pieces = [];

    private readonly LatestTensor _latest;

    private FlaxWeights(NpzFile file, FlaxRule[] single, FlaxBlocks[] blocks)
    {
        _file = file;
        _latest = new LatestTensor(Read);
        foreach (TensorInfo array in file.Tensors.Values)
        {
            string name = array.Name.StartsWith(Root, StringComparison.Ordinal) ? array.Name[Root.Length..] : array.Name;
            if (single.FirstOrDefault(r => r.File == name) is { } rule)
                Add(array, rule, "", null);
            else if (blocks.FirstOrDefault(b => name.StartsWith(b.Stack, StringComparison.Ordinal)) is not { } block || !AddLayers(array, name[block.Stack.Length..], block))
                _tensors[array.Name] = array;
        }
        foreach ((string own, List<Piece> pieces) in _pieces)
            _tensors[own] = Describe(own, pieces);
    }

    /// <inheritdoc/>
    public string Source => _file.Source;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>The arrays of a block of big_vision's vision transformer.</summary>
    internal static FlaxRule[] VitBlock { get; } =
    [
        new("LayerNorm_0/scale", FlaxForm.Vector, "layer_norm1.weight"),
        new("LayerNorm_0/bias", FlaxForm.Vector, "layer_norm1.bias"),
        new("LayerNorm_1/scale", FlaxForm.Vector, "layer_norm2.weight"),
        new("LayerNorm_1/bias", FlaxForm.Vector, "layer_norm2.bias"),
        new("MlpBlock_0/Dense_0/kernel", FlaxForm.Dense, "mlp.fc1.weight"),
        new("MlpBlock_0/Dense_0/bias", FlaxForm.Vector, "mlp.fc1.bias"),
        new("MlpBlock_0/Dense_1/kernel", FlaxForm.Dense, "mlp.fc2.weight"),
        new("MlpBlock_0/Dense_1/bias", FlaxForm.Vector, "mlp.fc2.bias"),
        new("MultiHeadDotProductAttention_0/query/kernel", FlaxForm.Dense, "self_attn.q_proj.weight"),
        new("MultiHeadDotProductAttention_0/query/bias", FlaxForm.Vector, "self_attn.q_proj.bias"),
        new("MultiHeadDotProductAttention_0/key/kernel", FlaxForm.Dense, "self_attn.k_proj.weight"),
        new("MultiHeadDotProductAttention_0/key/bias", FlaxForm.Vector, "self_attn.k_proj.bias"),
        new("MultiHeadDotProductAttention_0/value/kernel", FlaxForm.Dense, "self_attn.v_proj.weight"),
        new("MultiHeadDotProductAttention_0/value/bias", FlaxForm.Vector, "self_attn.v_proj.bias"),
        new("MultiHeadDotProductAttention_0/out/kernel", FlaxForm.Merge, "self_attn.out_proj.weight"),
        new("MultiHeadDotProductAttention_0/out/bias", FlaxForm.Vector, "self_attn.out_proj.bias"),
    ];

    /// <summary>Patch embedding, positions and final norm of an image half, whose published names begin with <paramref name="own"/>.</summary>
    internal static FlaxRule[] Vit(string own) =>
    [
        new("img/embedding/kernel", FlaxForm.Conv, own + "embeddings.patch_embedding.weight"),
        new("img/embedding/bias", FlaxForm.Vector, own + "embeddings.patch_embedding.bias"),
        new("img/pos_embedding", FlaxForm.Positions, own + "embeddings.position_embedding.weight"),
        new("img/Transformer/encoder_norm/scale", FlaxForm.Vector, own + "post_layernorm.weight"),
        new("img/Transformer/encoder_norm/bias", FlaxForm.Vector, own + "post_layernorm.bias"),
    ];

    /// <summary>Whether a file is one of big_vision's.</summary>
    internal static bool Recognises(IWeightSource file) =>
        file is NpzFile && (file.Tensors.ContainsKey("img/embedding/kernel") || file.Tensors.ContainsKey(Root + "img/embedding/kernel"));

    /// <summary>The file under published names if it is one of big_vision's, else the file itself.</summary>
    /// <exception cref="CheckpointException">An array has other axes than its rule needs, or stands twice in the file.</exception>
    internal static IWeightSource Show(IWeightSource file, FlaxRule[] single, params FlaxBlocks[] blocks) =>
        Recognises(file) ? new FlaxWeights((NpzFile)file, single, blocks) : file;

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> buffer) => _latest.Read(name, offset, buffer);

    /// <inheritdoc/>
    public HostTensor Read(string name)
    {
        if (!_pieces.TryGetValue(name, out List<Piece>? pieces))
            return _file.Read(name);
        HostTensor[] parts = [.. pieces.Select(p => p.Turn(_file.ReadBlock(p.Array.Name, p.Axes, p.Block)))];
        DType type = _tensors[name].Type;
        if (parts.Length == 1)
            return parts[0];
        for (int i = 0; i < parts.Length; i++)
            if (parts[i].Type != type)
                parts[i] = Dequantizer.ToFloats(parts[i]);
        var whole = new HostTensor(type, _tensors[name].Shape);
        for (int i = 0; i < parts.Length; i++)
            if (!pieces[i].Rule.Adds)
                parts[i].Data.CopyTo(whole.Data[(i * parts[i].Data.Length)..]);
            else
                for (int j = 0; j < whole.Floats.Length; j++)
                    whole.Floats[j] += parts[i].Floats[j];
        return whole;
    }

    /// <summary>Leaves the file open: it is its opener's.</summary>
    public void Dispose() { }

    // "/rest" of a stack, or "_3/rest" of one layer.
    private bool AddLayers(TensorInfo array, string name, FlaxBlocks block)
    {
        int slash = name.IndexOf('/');
        if (slash < 0 || block.Rules.FirstOrDefault(r => r.File == name[(slash + 1)..]) is not { } rule)
            return false;
        if (slash > 0)
        {
            if (name[0] != '_' || !int.TryParse(name[1..slash], System.Globalization.NumberStyles.None, null, out int layer) || layer >= MaxLayers || name[1..slash] != $"{layer}")
                return false;
            Add(array, rule, $"{block.Own}{layer}.", null);
            return true;
        }
        if (array.Shape.Rank == 0 || array.Shape[0] > MaxLayers)
            throw Fault(array, $"has shape {array.Shape}; its first axis counts layers, at most {MaxLayers}.");
        for (int layer = 0; layer < array.Shape[0]; layer++)
            Add(array, rule, $"{block.Own}{layer}.", layer);
        return true;
    }

    private void Add(TensorInfo array, FlaxRule rule, string prefix, int? layer)
    {
        int cuts = rule.Own.Length, axes = (layer is null ? 0 : 1) + (cuts > 1 ? 1 : 0);
        if (array.Shape.Rank < axes || (cuts > 1 && array.Shape[axes - 1] != cuts))
            throw Fault(array, $"has shape {array.Shape}; axis {axes - 1} must hold {cuts} parts.");
        for (int cut = 0; cut < cuts; cut++)
        {
            string own = prefix + rule.Own[cut];
            if (!_pieces.TryGetValue(own, out List<Piece>? pieces))
                _pieces.Add(own, pieces = []);
            if (pieces.Any(p => p.Rule.Part == rule.Part))
                throw Fault(array, $"is the same weight as '{pieces[0].Array.Name}'. Keep one of them.");
            pieces.Add(new Piece(array, rule, axes, (layer ?? 0) * cuts + cut));
        }
    }

    private TensorInfo Describe(string own, List<Piece> pieces)
    {
        pieces.Sort((a, b) => a.Rule.Part.CompareTo(b.Rule.Part));
        Shape[] shapes = [.. pieces.Select(p => p.Shape(Source))];
        bool adds = pieces[0].Rule.Adds;
        for (int i = 1; i < pieces.Count; i++)
            if (shapes[i] != shapes[0])
                throw Fault(pieces[i].Array, $"becomes {shapes[i]} and '{pieces[0].Array.Name}' becomes {shapes[0]}; both are parts of '{own}'.");
        long stacked = adds ? shapes[0][0] : (long)shapes[0][0] * pieces.Count;
        if (stacked > int.MaxValue)
            throw Fault(pieces[0].Array, $"has shape {pieces[0].Array.Shape}, too large for a part of '{own}'.");
        Shape shape = pieces.Count == 1 ? shapes[0] : shapes[0].With(0, (int)stacked);
        bool mixed = pieces.Any(p => p.Array.Type != pieces[0].Array.Type) || (adds && pieces.Count > 1);
        DType type = mixed ? DType.F32 : pieces[0].Array.Type;
        return new TensorInfo(own, type, shape, pieces[0].Array.Offset, type.ByteCount(shape));
    }

    private CheckpointException Fault(TensorInfo array, string fault) => new(Source, TensorReading.Shown(array.Name), fault);

    /// <summary>A block of an array and the way its axes turn.</summary>
    private sealed record Piece(TensorInfo Array, FlaxRule Rule, int Axes, int Block)
    {
        /// <summary>Shape in the published form.</summary>
        internal Shape Shape(string source)
        {
            Shape x = Array.Shape[Axes..];
            bool fits = Rule.Form switch
            {
                FlaxForm.Dense => x.Rank >= 2,
                FlaxForm.Merge or FlaxForm.Heads => x.Rank == 3,
                FlaxForm.Conv => x.Rank == 4,
                FlaxForm.Positions => x.Rank == 3 && x[0] == 1,
                _ => true,
            };
            if (!fits)
                throw new CheckpointException(source, TensorReading.Shown(Array.Name), $"has shape {Array.Shape}, which is no {Rule.Form} array{(Axes > 0 ? $" behind {Axes} leading axes" : "")}.");
            return Rule.Form switch
            {
                FlaxForm.Vector => new Shape(Size(x)),
                FlaxForm.Dense => new Shape(Size(x[1..]), x[0]),
                FlaxForm.Merge => new Shape(x[2], Size(x[..2])),
                FlaxForm.Heads => new Shape(Size(new Shape(x[0], x[2])), x[1]),
                FlaxForm.Conv => new Shape(x[3], x[2], x[0], x[1]),
                FlaxForm.Positions => x[1..],
                _ => x,
            };

            int Size(Shape part) => part.Count <= int.MaxValue ? (int)part.Count : throw new CheckpointException(source, TensorReading.Shown(Array.Name), $"has shape {Array.Shape}, too large for one axis.");
        }

        internal HostTensor Turn(HostTensor x)
        {
            Shape target = Shape("");
            // Seen as [A, B, C], the last two axes change places; or the first goes to the end.
            (int batch, int rows, int columns) = Rule.Form switch
            {
                FlaxForm.Dense => (1, x.Shape[0], target[0]),
                FlaxForm.Merge => (1, target[1], target[0]),
                FlaxForm.Heads => (x.Shape[0], x.Shape[1], x.Shape[2]),
                // [KH * KW, I * O] to [I * O, KH * KW]; the two middle axes follow below.
                FlaxForm.Conv => (1, x.Shape[0] * x.Shape[1], x.Shape[2] * x.Shape[3]),
                _ => (0, 0, 0),
            };
            if (batch > 0)
                x = Transpose(x, batch, rows, columns);
            if (Rule.Form == FlaxForm.Conv)
                x = SwapOuter(x, target[1], target[0], rows);
            return x.Reshape(target);
        }

        // [batch, rows, columns] to [batch, columns, rows], whatever the element.
        private static HostTensor Transpose(HostTensor x, int batch, int rows, int columns)
        {
            byte[] result = GC.AllocateUninitializedArray<byte>(x.Data.Length);
            switch (x.Type.BlockBytes())
            {
                case 1: Transpose<byte>(x.Data.Span, result, batch, rows, columns); break;
                case 2: Transpose<ushort>(x.Data.Span, result, batch, rows, columns); break;
                case 4: Transpose<uint>(x.Data.Span, result, batch, rows, columns); break;
                default: Transpose<ulong>(x.Data.Span, result, batch, rows, columns); break;
            }
            return new HostTensor(x.Type, new Shape(batch * columns, rows), result);
        }

        // In tiles, so that neither side walks through memory in long steps.
        private static void Transpose<T>(ReadOnlySpan<byte> from, Span<byte> to, int batch, int rows, int columns) where T : unmanaged
        {
            const int Tile = 32;
            ReadOnlySpan<T> source = MemoryMarshal.Cast<byte, T>(from);
            Span<T> target = MemoryMarshal.Cast<byte, T>(to);
            for (int b = 0; b < batch; b++, source = source[(rows * columns)..], target = target[(rows * columns)..])
                for (int r = 0; r < rows; r += Tile)
                    for (int c = 0; c < columns; c += Tile)
                        for (int i = r; i < Math.Min(r + Tile, rows); i++)
                            for (int j = c; j < Math.Min(c + Tile, columns); j++)
                                target[j * rows + i] = source[i * columns + j];
        }

        // [a, b, rest] to [b, a, rest].
        private static HostTensor SwapOuter(HostTensor x, int a, int b, int rest)
        {
            int size = rest * x.Type.BlockBytes();
            byte[] result = GC.AllocateUninitializedArray<byte>(x.Data.Length);
            for (int i = 0; i < a; i++)
                for (int j = 0; j < b; j++)
                    x.Data.Span.Slice((i * b + j) * size, size).CopyTo(result.AsSpan((j * a + i) * size));
            return new HostTensor(x.Type, new Shape(b, a * rest), result);
        }
    }
}
