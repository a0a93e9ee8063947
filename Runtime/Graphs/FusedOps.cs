using VlmSdk.Tensors;

// Fused operations: faster as one kernel, defined by their decomposition into core operations.

namespace VlmSdk.Graphs;

/// <summary>An activation, elementwise.</summary>
/// <param name="Kind">The function.</param>
public sealed record ActivationOp(ActivationKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => Kind.ToString();

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        return (inputs[0].Shape, DType.F32);
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        Value x = inputs[0];
        return Kind switch
        {
            ActivationKind.SquaredRelu => g.Unary(UnaryKind.Square, g.Unary(UnaryKind.Relu, x)),
            ActivationKind.Silu => x * g.Unary(UnaryKind.Sigmoid, x),
            ActivationKind.QuickGelu => x * g.Unary(UnaryKind.Sigmoid, x * 1.702f),
            ActivationKind.Gelu => x * 0.5f * (g.Unary(UnaryKind.Erf, x * MathF.Sqrt(0.5f)) + 1),
            ActivationKind.GeluTanh =>
                x * 0.5f * (g.Unary(UnaryKind.Tanh, (x + x * x * x * 0.044715f) * MathF.Sqrt(2 / MathF.PI)) + 1),
            _ => throw new UnsupportedOpException("decomposing", Name),
        };
    }
}

/// <summary>(x - mean) / sqrt(variance + Epsilon) along the last axis, times weight, plus bias. Inputs: x, weight [D], bias [D].</summary>
/// <param name="Epsilon">Added to the variance.</param>
public sealed record LayerNormOp(float Epsilon) : Op
{
    /// <inheritdoc/>
    public override string Name => "LayerNorm";

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape;
        Require(x.Rank >= 1 && x[^1] > 0 && inputs.Skip(1).All(p => p.Shape == new Shape(x[^1])), inputs, "weight and bias must have the last axis' size.");
        return (x, DType.F32);
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        Value centred = inputs[0] - g.Reduce(ReduceKind.Mean, inputs[0], -1, keepAxis: true);
        Value variance = g.Reduce(ReduceKind.Mean, g.Unary(UnaryKind.Square, centred), -1, keepAxis: true);
        return centred * g.Unary(UnaryKind.Rsqrt, variance + Epsilon) * inputs[1] + inputs[2];
    }
}

/// <summary>x / sqrt(mean(x^2) + Epsilon) along the last axis, times (weight + Offset). Offset is 1 in Gemma, else 0. Inputs: x, weight [D].</summary>
/// <param name="Epsilon">Added to the mean square.</param>
/// <param name="Offset">Added to every weight.</param>
public sealed record RmsNormOp(float Epsilon, float Offset = 0) : Op
{
    /// <inheritdoc/>
    public override string Name => "RmsNorm";

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape;
        Require(x.Rank >= 1 && x[^1] > 0 && inputs[1].Shape == new Shape(x[^1]), inputs, "the weight must have the last axis' size.");
        return (x, DType.F32);
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        Value square = g.Reduce(ReduceKind.Mean, g.Unary(UnaryKind.Square, inputs[0]), -1, keepAxis: true);
        Value weight = Offset == 0 ? inputs[1] : inputs[1] + Offset;
        return inputs[0] * g.Unary(UnaryKind.Rsqrt, square + Epsilon) * weight;
    }
}

/// <summary>x - log(sum(exp(x))) along the last axis, computed from the maximum.</summary>
public sealed record LogSoftmaxOp : Op
{
    /// <inheritdoc/>
    public override string Name => "LogSoftmax";

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Require(inputs[0].Shape.Rank >= 1 && inputs[0].Shape[^1] > 0, inputs, "needs a last axis with at least one element.");
        return (inputs[0].Shape, DType.F32);
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        Value shifted = inputs[0] - g.Reduce(ReduceKind.Max, inputs[0], -1, keepAxis: true);
        return shifted - g.Unary(UnaryKind.Log, g.Reduce(ReduceKind.Sum, g.Unary(UnaryKind.Exp, shifted), -1, keepAxis: true));
    }
}

/// <summary>
/// Rotary positions on x [B, T, N, H] with positions I32 [B, T]: pair i of the first Width entries of a head turns by
/// position * Theta^(-2i / Width) / factor[i]. Inputs: x, positions, optional factors [Width / 2]. The rest of a head passes unchanged.
/// </summary>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Width">Entries of a head that turn: even, at least 2.</param>
/// <param name="Layout">Which entries form a pair.</param>
public sealed record RopeOp(float Theta, int Width, RopeLayout Layout) : Op
{
    /// <inheritdoc/>
    public override string Name => "Rope";

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs, 1);
        Shape x = inputs[0].Shape;
        Require(x.Rank == 4 && inputs[1].Type == DType.I32 && inputs[1].Shape == x[..2], inputs, "needs x [B, T, N, H] and I32 positions [B, T].");
        Require(Width > 0 && Width % 2 == 0 && Width <= x[3], inputs, $"cannot rotate {Width} of {x[3]} entries of a head.");
        Require(inputs.Count < 3 || inputs[2].Shape == new Shape(Width / 2), inputs, "needs one frequency factor per pair.");
        return (x, DType.F32);
    }

    /// <summary>Turn per position of each pair, [Width / 2].</summary>
    public float[] Frequencies()
    {
        var frequencies = new float[Width / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = (float)(1.0 / Math.Pow(Theta, 2.0 * i / Width));
        return frequencies;
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        Value x = inputs[0];
        int b = x.Shape[0], t = x.Shape[1], n = x.Shape[2], h = x.Shape[3], half = Width / 2;
        Value frequency = g.Constant(HostTensor.From(new Shape(1, 1, 1, half), Frequencies()));
        if (inputs.Count == 3)
            frequency /= inputs[2];
        Value angle = g.Reshape(g.Cast(inputs[1], DType.F32), b, t, 1, 1) * frequency;            // [B, T, 1, Width/2]
        Value cos = g.Unary(UnaryKind.Cos, angle), sin = g.Unary(UnaryKind.Sin, angle);
        Value turned = g.Slice(x, -1, 0, Width), first, second;
        if (Layout == RopeLayout.HalfSplit)
        {
            (first, second) = (g.Slice(turned, -1, 0, half), g.Slice(turned, -1, half, half));
        }
        else
        {
            Value pairs = g.Reshape(turned, b, t, n, half, 2);
            first = g.Reshape(g.Slice(pairs, -1, 0, 1), b, t, n, half);
            second = g.Reshape(g.Slice(pairs, -1, 1, 1), b, t, n, half);
        }
        Value a = first * cos - second * sin, c = second * cos + first * sin;
        Value result = Layout == RopeLayout.HalfSplit
            ? g.Concat(-1, a, c)
            : g.Reshape(g.Concat(-1, g.Reshape(a, b, t, n, half, 1), g.Reshape(c, b, t, n, half, 1)), b, t, n, Width);
        return Width == h ? result : g.Concat(-1, result, g.Slice(x, -1, Width, h - Width));
    }
}

/// <summary>
/// Scaled dot-product attention: q [B, T, N, H], k and v [B, S, K, H] with N a multiple of K (grouped heads), result
/// [B, T, N, H]. With a Slot, k and v are appended to that slot of the KV cache and the queries see past and chunk;
/// Full and Causal only. A SoftCap c above 0 turns each scaled score s into c * tanh(s / c) before the mask. A Window w above
/// 0 leaves a causal query the w newest of its keys, its own among them. A query that sees no key gives zeros. Inputs: q, k, v and
/// the mask's own, which Full and Causal can do without (see <see cref="AttentionMask"/>).
/// </summary>
/// <param name="Mask">Which keys a query sees.</param>
/// <param name="Scale">Factor of the scores.</param>
/// <param name="Slot">Slot of the KV cache, from 0 on; null without one.</param>
/// <param name="SoftCap">Bound of the scores; 0 for none.</param>
/// <param name="Window">Newest keys a query sees; 0 for all.</param>
public sealed record AttentionOp(AttentionMask Mask, float Scale, int? Slot = null, float SoftCap = 0, int Window = 0) : Op
{
    /// <inheritdoc/>
    public override string Name => "Attention";

    /// <inheritdoc/>
    public override bool IsFused => true;

    /// <summary>The mask is full or causal: it may be cached, and its fourth input counts padding.</summary>
    public bool IsPlain => Mask is AttentionMask.Full or AttentionMask.Causal;

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs, 3);
        Shape q = inputs[0].Shape, k = inputs[1].Shape, v = inputs[2].Shape;
        Require(q.Rank == 4 && k.Rank == 4 && v == k && q[0] == k[0] && q[3] == k[3], inputs, "needs q [B, T, N, H], k and v [B, S, K, H].");
        Require(k[2] > 0 && q[2] % k[2] == 0, inputs, "the query heads must be a multiple of the key heads.");
        Require(inputs.Count == 4 || (inputs.Count == 3 && IsPlain), inputs, $"the {Mask} mask takes {(IsPlain ? "3 or 4" : "4")} inputs.");
        Require(Slot is null || (Slot >= 0 && IsPlain && q[1] == k[1]), inputs, "a cached attention is Full or Causal over chunks of equal length, in a slot from 0 on.");
        Require(Mask != AttentionMask.Causal || q[1] == k[1], inputs, "a causal chunk needs as many keys as queries.");
        Require(Window == 0 || (Window > 0 && Mask == AttentionMask.Causal), inputs, $"a window of {Window} keys needs the causal mask and at least one key.");
        Require(SoftCap >= 0 && float.IsFinite(SoftCap), inputs, $"a soft cap of {SoftCap} is no bound; it must be above 0, or 0 for none.");
        if (IsPlain && inputs.Count == 4)
            Require(inputs[3].Type == DType.I32 && inputs[3].Shape == q[..1], inputs, "padding must be I32 [B].");
        if (Mask == AttentionMask.PackedPrefix)
            Require(inputs[3].Type == DType.I32 && inputs[3].Shape == k[..2] && q[1] == k[1], inputs, "segments must be I32 [B, S] with S = T.");
        if (Mask == AttentionMask.Bias)
            Require(ShapeRules.Broadcast(inputs[3].Shape, new Shape(q[0], q[2], q[1], k[1])) == new Shape(q[0], q[2], q[1], k[1]), inputs,
                "the bias must broadcast to [B, N, T, S].");
        return (q, DType.F32);
    }

    /// <inheritdoc/>
    public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs)
    {
        if (Slot is not null)
            return base.Decompose(g, inputs);
        Value q = g.Permute(inputs[0], 0, 2, 1, 3), k = g.Permute(inputs[1], 0, 2, 3, 1), v = g.Permute(inputs[2], 0, 2, 1, 3);
        int b = q.Shape[0], n = q.Shape[1], t = q.Shape[2], h = q.Shape[3], heads = k.Shape[1], s = k.Shape[3];
        q = g.Reshape(q, b, heads, n / heads * t, h);
        Value scores = g.Reshape(g.MatMul(q * Scale, k), b, n, t, s);                              // [B, N, T, S]
        if (SoftCap > 0)
            scores = g.SoftCap(scores, SoftCap);
        if (Mask != AttentionMask.Full || inputs.Count > 3)
            scores += Mask == AttentionMask.Bias ? inputs[3] : MaskBias(g, t, s, inputs.Count > 3 ? inputs[3] : null);
        Value weights = g.Reshape(g.Softmax(scores), b, heads, n / heads * t, s);
        return g.Permute(g.Reshape(g.MatMul(weights, v), b, n, t, h), 0, 2, 1, 3);
    }

    private Value MaskBias(GraphBuilder g, int t, int s, Value? fourth)
    {
        var seen = new float[t * s];
        for (int i = 0; i < t; i++)
            for (int j = 0; j < s; j++)
                seen[i * s + j] = Mask == AttentionMask.Full || (j <= i && (Window == 0 || j > i - Window)) ? 1 : 0;
        Value visible = g.Constant(HostTensor.From(new Shape(1, 1, t, s), seen));
        if (fourth is not null && IsPlain)
        {
            Value keys = g.Constant(HostTensor.From(new Shape(1, 1, 1, s), Enumerable.Range(0, s).ToArray()));
            visible *= g.Compare(CompareKind.LessOrEqual, g.Reshape(fourth, fourth.Shape[0], 1, 1, 1), keys);
        }
        else if (fourth is not null)
        {
            int b = fourth.Shape[0];
            Value same = g.Compare(CompareKind.Equal, g.Reshape(fourth, b, 1, t, 1), g.Reshape(fourth, b, 1, 1, s));
            Value prefix = g.Compare(CompareKind.Equal, g.Reshape(fourth, b, 1, 1, s), g.Constant(HostTensor.From(new Shape(1), [0])));
            visible = g.Binary(BinaryKind.Maximum, visible * same, prefix);
        }
        return g.Select(visible, g.Scalar(0), g.Scalar(float.NegativeInfinity));
    }
}
