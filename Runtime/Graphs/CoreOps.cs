using VlmSdk.Tensors;

// The core operations: what an executor must offer at least. Each record carries its settings and its shape rule.
// Reference semantics are those of Execution/ReferenceExecutor.

namespace VlmSdk.Graphs;

/// <summary>A run-time input of a fixed shape.</summary>
/// <param name="InputName">Name under which a plan hands the buffer out.</param>
/// <param name="InputShape">Its shape.</param>
/// <param name="InputType">F32 or I32.</param>
public sealed record InputOp(string InputName, Shape InputShape, DType InputType) : Op
{
    /// <inheritdoc/>
    public override string Name => "Input";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs) => (InputShape, InputType);
}

/// <summary>A named weight; its storage type is the binding's affair, the graph sees F32.</summary>
/// <param name="WeightName">Name in the binding.</param>
/// <param name="WeightShape">Its shape.</param>
public sealed record WeightOp(string WeightName, Shape WeightShape) : Op
{
    /// <inheritdoc/>
    public override string Name => "Weight";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs) => (WeightShape, DType.F32);
}

/// <summary>A constant tensor, F32 or I32.</summary>
/// <param name="Tensor">The values; not copied.</param>
public sealed record ConstantOp(HostTensor Tensor) : Op
{
    /// <inheritdoc/>
    public override string Name => "Constant";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs) => (Tensor.Shape, Tensor.Type);
}

/// <summary>The same elements in the same order under another shape.</summary>
/// <param name="Target">The new shape, with as many elements.</param>
public sealed record ReshapeOp(Shape Target) : Op
{
    /// <inheritdoc/>
    public override string Name => "Reshape";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs[0].Shape.Count == Target.Count, inputs, $"cannot become {Target}, the element counts differ.");
        return (Target, inputs[0].Type);
    }
}

/// <summary>Axes reordered: result axis i is input axis Axes[i].</summary>
/// <param name="Axes">Each axis of the input once.</param>
public sealed record PermuteOp(params int[] Axes) : Op
{
    /// <inheritdoc/>
    public override string Name => "Permute";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Shape x = inputs[0].Shape;
        Require(Axes.Length == x.Rank && Axes.Order().SequenceEqual(Enumerable.Range(0, x.Rank)), inputs,
            $"[{string.Join(", ", Axes)}] is not an order of its axes.");
        return (new Shape(Axes.Select(a => x[a]).ToArray()), inputs[0].Type);
    }

    /// <inheritdoc/>
    public bool Equals(PermuteOp? other) => other is not null && Axes.SequenceEqual(other.Axes);
    /// <inheritdoc/>
    public override int GetHashCode() => Axes.Aggregate(17, HashCode.Combine);
}

/// <summary>Length elements from Start on along one axis.</summary>
/// <param name="AxisIndex">The axis, from 0 on.</param>
/// <param name="Start">First element.</param>
/// <param name="Length">Number of elements.</param>
public sealed record SliceOp(int AxisIndex, int Start, int Length) : Op
{
    /// <inheritdoc/>
    public override string Name => "Slice";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Shape x = inputs[0].Shape;
        Require(Start >= 0 && Length >= 0 && Length <= x[AxisIndex] - Start, inputs, $"{Length} elements from {Start} on lie outside axis {AxisIndex}.");
        return (x.With(AxisIndex, Length), inputs[0].Type);
    }
}

/// <summary>Inputs joined along one axis.</summary>
/// <param name="AxisIndex">The axis, from 0 on.</param>
public sealed record ConcatOp(int AxisIndex) : Op
{
    /// <inheritdoc/>
    public override string Name => "Concat";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Shape first = inputs[0].Shape;
        int total = 0;
        foreach (Value v in inputs)
        {
            Require(v.Type == inputs[0].Type && v.Shape.Rank == first.Rank && v.Shape.With(AxisIndex, 0) == first.With(AxisIndex, 0),
                inputs, $"all axes but {AxisIndex} and the element types must be equal.");
            total += v.Shape[AxisIndex];
        }
        return (first.With(AxisIndex, total), inputs[0].Type);
    }
}

/// <summary>Rows of a table [R, ...] by I32 indices of any shape: indices.shape + table.shape[1..]. Indices outside 0..R-1 throw at run time.</summary>
public sealed record GatherOp : Op
{
    /// <inheritdoc/>
    public override string Name => "Gather";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs[0].Shape.Rank >= 1 && inputs[1].Type == DType.I32, inputs, "needs a table of rows and I32 indices.");
        return (inputs[1].Shape.Append(inputs[0].Shape.Axes[1..]), inputs[0].Type);
    }
}

/// <summary>A copy of base [R, ...] whose rows indices [M] (I32, distinct) are replaced by rows [M, ...]. Inputs: base, indices, rows.</summary>
public sealed record ScatterRowsOp : Op
{
    /// <inheritdoc/>
    public override string Name => "ScatterRows";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Shape target = inputs[0].Shape, index = inputs[1].Shape, rows = inputs[2].Shape;
        Require(inputs[1].Type == DType.I32 && index.Rank == 1 && target.Rank >= 1 && rows.Rank == target.Rank &&
                rows == target.With(0, index[0]), inputs, "needs base [R, ...], I32 indices [M] and rows [M, ...].");
        Require(inputs[2].Type == inputs[0].Type, inputs, "base and rows must be of one element type.");
        return (target, inputs[0].Type);
    }
}

/// <summary>Batched matrix product [..., M, K] x [..., K, N]; leading axes broadcast.</summary>
public sealed record MatMulOp : Op
{
    /// <inheritdoc/>
    public override string Name => "MatMul";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape a = inputs[0].Shape, b = inputs[1].Shape;
        Require(a.Rank >= 2 && b.Rank >= 2 && a[^1] == b[^2], inputs, "the last axis of the first must equal the second-last of the second.");
        Shape batch = ShapeRules.Broadcast(a[..^2], b[..^2])
            ?? throw Mismatch(inputs, "the leading axes do not broadcast.");
        return (batch.Append(a[^2], b[^1]), DType.F32);
    }
}

/// <summary>x [..., I] times weight [O, I] transposed, plus bias [O] when given. The weight may be stored quantized.</summary>
public sealed record LinearOp : Op
{
    /// <inheritdoc/>
    public override string Name => "Linear";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape, w = inputs[1].Shape;
        Require(x.Rank >= 1 && w.Rank == 2 && x[^1] == w[1], inputs, "the input's last axis must equal the weight's second.");
        Require(inputs.Count < 3 || inputs[2].Shape == new Shape(w[0]), inputs, "the bias must have one number per output row.");
        return (x.With(^1, w[0]), DType.F32);
    }
}

/// <summary>Convolution of x [B, C, H, W] with weight [O, C/Groups, KH, KW], zero padding on both sides, optional bias [O].</summary>
/// <param name="Stride">Step of the window, both ways, at least 1.</param>
/// <param name="Padding">Rows and columns of zeros on every side.</param>
/// <param name="Groups">Parts into which the channels fall, at least 1.</param>
public sealed record Conv2dOp(int Stride, int Padding, int Groups = 1) : Op
{
    /// <inheritdoc/>
    public override string Name => "Conv2d";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape, w = inputs[1].Shape;
        Require(Stride >= 1 && Padding >= 0 && Groups >= 1, inputs, "stride and groups must be at least 1, padding at least 0.");
        Require(x.Rank == 4 && w.Rank == 4 && x[1] == w[1] * Groups && w[0] % Groups == 0, inputs,
            "needs [B, C, H, W] and [O, C/groups, KH, KW].");
        Require(inputs.Count < 3 || inputs[2].Shape == new Shape(w[0]), inputs, "the bias must have one number per output channel.");
        int height = x[2] + 2 * Padding - w[2], width = x[3] + 2 * Padding - w[3];
        Require(height >= 0 && width >= 0, inputs, "the kernel is larger than the padded picture.");
        return (new Shape(x[0], w[0], height / Stride + 1, width / Stride + 1), DType.F32);
    }
}

/// <summary>Mean over Size x Size windows of x [B, C, H, W]; incomplete windows are dropped.</summary>
/// <param name="Size">Side of a window, at least 1.</param>
/// <param name="Stride">Step of the window, both ways, at least 1.</param>
public sealed record AveragePool2dOp(int Size, int Stride) : Op
{
    /// <inheritdoc/>
    public override string Name => "AveragePool2d";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape;
        Require(x.Rank == 4 && Size >= 1 && Stride >= 1 && x[2] >= Size && x[3] >= Size, inputs, $"needs [B, C, H, W] of at least {Size} x {Size}.");
        return (new Shape(x[0], x[1], (x[2] - Size) / Stride + 1, (x[3] - Size) / Stride + 1), DType.F32);
    }
}

/// <summary>An elementwise function of one F32 argument.</summary>
/// <param name="Kind">The function.</param>
public sealed record UnaryOp(UnaryKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => Kind.ToString();

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        return (inputs[0].Shape, DType.F32);
    }
}

/// <summary>An elementwise function of two F32 arguments with broadcasting.</summary>
/// <param name="Kind">The function.</param>
public sealed record BinaryOp(BinaryKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => Kind.ToString();

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        return (ShapeRules.Broadcast(inputs[0].Shape, inputs[1].Shape) ?? throw Mismatch(inputs, "the shapes do not broadcast."), DType.F32);
    }
}

/// <summary>A comparison of two arguments of the same type with broadcasting; 1 where it holds, else 0 (F32).</summary>
/// <param name="Kind">The comparison.</param>
public sealed record CompareOp(CompareKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => Kind.ToString();

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs[0].Type == inputs[1].Type, inputs, "both sides must be of one element type.");
        return (ShapeRules.Broadcast(inputs[0].Shape, inputs[1].Shape) ?? throw Mismatch(inputs, "the shapes do not broadcast."), DType.F32);
    }
}

/// <summary>Where the condition (F32) is not 0 the second input, else the third; all three broadcast.</summary>
public sealed record SelectOp : Op
{
    /// <inheritdoc/>
    public override string Name => "Select";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape? shape = ShapeRules.Broadcast(inputs[1].Shape, inputs[2].Shape);
        shape = shape is { } both ? ShapeRules.Broadcast(both, inputs[0].Shape) : null;
        return (shape ?? throw Mismatch(inputs, "the shapes do not broadcast."), DType.F32);
    }
}

/// <summary>A reduction along one axis, which stays with size 1 or goes. Max of an empty axis is refused.</summary>
/// <param name="Kind">The reduction.</param>
/// <param name="AxisIndex">The axis, from 0 on.</param>
/// <param name="KeepAxis">The axis stays, with size 1.</param>
public sealed record ReduceOp(ReduceKind Kind, int AxisIndex, bool KeepAxis) : Op
{
    /// <inheritdoc/>
    public override string Name => $"Reduce{Kind}";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape;
        Require(Kind == ReduceKind.Sum || x[AxisIndex] > 0, inputs, "an empty axis has no mean or maximum.");
        Shape kept = x.With(AxisIndex, 1);
        return (KeepAxis ? kept : x[..AxisIndex].Append(x.Axes[(AxisIndex + 1)..]), DType.F32);
    }
}

/// <summary>exp(x - max) / sum along the last axis; a row of minus infinities gives zeros.</summary>
public sealed record SoftmaxOp : Op
{
    /// <inheritdoc/>
    public override string Name => "Softmax";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Require(inputs[0].Shape.Rank >= 1, inputs, "needs at least one axis.");
        return (inputs[0].Shape, DType.F32);
    }
}

/// <summary>Index (I32) of the largest element along the last axis, the first on ties.</summary>
public sealed record ArgMaxOp : Op
{
    /// <inheritdoc/>
    public override string Name => "ArgMax";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        RequireFloats(inputs);
        Shape x = inputs[0].Shape;
        Require(x.Rank >= 1 && x[^1] > 0, inputs, "needs a last axis with at least one element.");
        return (x[..^1], DType.I32);
    }
}

/// <summary>I32 to the nearest F32, or F32 to I32 by truncation: values outside the range of an I32 become its ends, NaN becomes 0.</summary>
/// <param name="Target">F32 or I32.</param>
public sealed record CastOp(DType Target) : Op
{
    /// <inheritdoc/>
    public override string Name => "Cast";

    /// <inheritdoc/>
    public override (Shape, DType) Infer(IReadOnlyList<Value> inputs)
    {
        Require(Target is DType.F32 or DType.I32, inputs, $"graphs hold F32 and I32, not {Target}.");
        return (inputs[0].Shape, Target);
    }
}
