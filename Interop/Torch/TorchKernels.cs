using TorchSharp;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// One libtorch expression per operation, all of them differentiable where the operation is. Nothing is changed in place,
/// so results may be views of their inputs.
/// </summary>
internal static class TorchKernels
{
    internal static bool Knows(Op op) => op is ReshapeOp or PermuteOp or SliceOp or ConcatOp or GatherOp or ScatterRowsOp or MatMulOp
        or LinearOp or Conv2dOp or AveragePool2dOp or UnaryOp or ActivationOp or BinaryOp or CompareOp or SelectOp or ReduceOp or SoftmaxOp
        or LogSoftmaxOp or ArgMaxOp or CastOp or LayerNormOp or RmsNormOp or RopeOp or AttentionOp;

    internal static Tensor Run(Value node, Tensor[] x, TorchRun run)
    {
        switch (node.Op)
        {
            case ReshapeOp reshape: return x[0].reshape(Long(reshape.Target));
            case PermuteOp permute: return x[0].permute(Array.ConvertAll(permute.Axes, a => (long)a));
            case SliceOp slice: return x[0].narrow(slice.AxisIndex, slice.Start, slice.Length);
            case ConcatOp concat: return cat(x, concat.AxisIndex);
            case GatherOp: return Gather(node, x);
            case ScatterRowsOp:
                CheckRows(x[1], node.Shape[0], "ScatterRows");
                return x[0].index_copy(0, x[1].to_type(ScalarType.Int64), x[2]);
            case MatMulOp: return run.MatMul(x[0], x[1]);
            case LinearOp: return run.Linear(x);
            case Conv2dOp conv: return run.Conv2d(conv, node, x);
            case AveragePool2dOp pool: return AveragePool(pool, node, x[0]);
            case UnaryOp unary: return Unary(unary.Kind, x[0]);
            case ActivationOp activation: return Activation(activation.Kind, x[0]);
            case BinaryOp binary: return Binary(binary.Kind, x[0], x[1]);
            case CompareOp compare: return Compare(compare.Kind, x[0], x[1]).to_type(ScalarType.Float32);
            case SelectOp: return where(x[0] != 0, x[1], x[2]);
            case ReduceOp reduce: return Reduce(reduce, x[0]);
            case SoftmaxOp: return Softmax(x[0], mayBeHidden: true);
            case LogSoftmaxOp: return x[0].log_softmax(-1);
            case ArgMaxOp: return x[0].argmax(-1).to_type(ScalarType.Int32);
            case CastOp cast: return Cast(x[0], Type(cast.Target));
            case LayerNormOp norm: return nn.functional.layer_norm(x[0], [node.Shape[^1]], x[1], x[2], norm.Epsilon);
            case RmsNormOp norm: return RmsNorm(norm, x);
            case RopeOp rope: return Rope(rope, node, x, run);
            case AttentionOp attention: return TorchAttention.Run(attention, node, x, run);
            default: throw new UnsupportedOpException(TorchExecutor.ExecutorName, node.Op.Name);
        }
    }

    internal static ScalarType Type(DType type) => type == DType.I32 ? ScalarType.Int32 : ScalarType.Float32;

    internal static long[] Long(Shape shape) => Array.ConvertAll(shape.Axes.ToArray(), a => (long)a);

    /// <summary>Softmax along the last axis; where a row may be all minus infinity it becomes zeros instead of NaN.</summary>
    internal static Tensor Softmax(Tensor x, bool mayBeHidden)
    {
        if (!mayBeHidden || x.numel() == 0)
            return x.softmax(-1);
        Tensor hidden;
        using (no_grad())
            hidden = x.amax([-1L], keepdim: true) == float.NegativeInfinity;
        if (!hidden.any().item<bool>())
            return x.softmax(-1);
        // The hidden rows are replaced before the softmax too, so that no NaN reaches the gradient.
        return x.masked_fill(hidden, 0).softmax(-1).masked_fill(hidden, 0);
    }

    private static Tensor Unary(UnaryKind kind, Tensor x) => kind switch
    {
        UnaryKind.Negate => x.neg(),
        UnaryKind.Abs => x.abs(),
        UnaryKind.Exp => x.exp(),
        UnaryKind.Log => x.log(),
        UnaryKind.Sqrt => x.sqrt(),
        UnaryKind.Rsqrt => x.rsqrt(),
        UnaryKind.Square => x.square(),
        UnaryKind.Tanh => x.tanh(),
        UnaryKind.Sigmoid => x.sigmoid(),
        UnaryKind.Relu => x.relu(),
        UnaryKind.Erf => x.erf(),
        UnaryKind.Softplus => logaddexp(x, zeros_like(x)),
        UnaryKind.Cos => x.cos(),
        UnaryKind.Sin => x.sin(),
        _ => throw new UnsupportedOpException(TorchExecutor.ExecutorName, kind.ToString()),
    };

    private static Tensor Activation(ActivationKind kind, Tensor x) => kind switch
    {
        ActivationKind.SquaredRelu => x.relu().square(),
        ActivationKind.Silu => x.silu(),
        ActivationKind.Gelu => x.gelu(),
        ActivationKind.GeluTanh => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh, inplace: false),
        ActivationKind.QuickGelu => x * x.Times(1.702).sigmoid(),
        _ => throw new UnsupportedOpException(TorchExecutor.ExecutorName, kind.ToString()),
    };

    private static Tensor Binary(BinaryKind kind, Tensor a, Tensor b) => kind switch
    {
        BinaryKind.Add => KeptScalars.Sum(a, b),
        BinaryKind.Subtract => KeptScalars.Difference(a, b),
        BinaryKind.Multiply => a * b,
        BinaryKind.Divide => a / b,
        BinaryKind.Maximum => maximum(a, b),
        BinaryKind.Minimum => minimum(a, b),
        _ => throw new UnsupportedOpException(TorchExecutor.ExecutorName, kind.ToString()),
    };

    private static Tensor Compare(CompareKind kind, Tensor a, Tensor b) => kind switch
    {
        CompareKind.Equal => a.eq(b),
        CompareKind.Less => a.lt(b),
        _ => a.le(b),
    };

    private static Tensor Reduce(ReduceOp op, Tensor x) => op.Kind switch
    {
        ReduceKind.Sum => x.sum(op.AxisIndex, op.KeepAxis),
        ReduceKind.Mean => x.mean([op.AxisIndex], op.KeepAxis),
        _ => x.amax([(long)op.AxisIndex], op.KeepAxis),
    };

    // Wider than the target on the way, because a float below 2^31 cannot be as large as the largest I32.
    private static Tensor Cast(Tensor x, ScalarType type) => type == ScalarType.Int32 && x.dtype == ScalarType.Float32
        ? x.nan_to_num(0).clamp(-2147483648f, 2147483648f).to_type(ScalarType.Int64).clamp(int.MinValue, int.MaxValue).to_type(type)
        : x.to_type(type);

    private static Tensor Gather(Value node, Tensor[] x)
    {
        CheckRows(x[1], node.Inputs[0].Shape[0], "Gather");
        return x[0].index_select(0, x[1].reshape(-1)).reshape(Long(node.Shape));
    }

    private static void CheckRows(Tensor indices, int rows, string op)
    {
        if (indices.numel() == 0)
            return;
        using Tensor flat = indices.contiguous();
        foreach (int index in TorchMemory.Ints(flat))
            if ((uint)index >= (uint)rows)
                throw new VlmException($"{op}: index {index} lies outside the table's {rows} rows.");
    }

    private static Tensor AveragePool(AveragePool2dOp op, Value node, Tensor x) => node.Shape.Count == 0
        ? zeros(Long(node.Shape))
        : nn.functional.avg_pool2d(x, (long)op.Size, op.Stride);

    private static Tensor RmsNorm(RmsNormOp op, Tensor[] x)
    {
        Tensor weight = op.Offset == 0 ? x[1] : x[1] + op.Offset;
        return x[0] * (x[0].square().mean([-1L], true) + op.Epsilon).rsqrt() * weight;
    }

    private static Tensor Rope(RopeOp op, Value node, Tensor[] x, TorchRun run)
    {
        (Tensor cos, Tensor sin) = run.Once((node.Inputs[1], node.Inputs.Count > 2 ? node.Inputs[2] : null, op), () => Turns(op, x));
        int head = node.Shape[3];
        Tensor turned = op.Width == head ? x[0] : x[0].narrow(3, 0, op.Width), swapped;
        if (op.Layout == RopeLayout.HalfSplit)
        {
            swapped = turned.roll(op.Width / 2, -1);
        }
        else
        {
            long[] pairs = [node.Shape[0], node.Shape[1], node.Shape[2], op.Width / 2, 2];
            swapped = turned.reshape(pairs).flip(-1).reshape(turned.shape);
        }
        Tensor result = turned * cos + swapped * sin;
        return op.Width == head ? result : cat([result, x[0].narrow(3, op.Width, head - op.Width)], 3);
    }

    /// <summary>Cosines and signed sines [B, T, 1, Width] for every entry; the partner of an entry is multiplied by the sine.</summary>
    private static (Tensor Cos, Tensor Sin) Turns(RopeOp op, Tensor[] x)
    {
        // In double: the angle of a far position loses its fraction in single precision.
        Tensor frequency = tensor(Array.ConvertAll(op.Frequencies(), f => (double)f));
        if (x.Length > 2)
            frequency /= x[2].to_type(ScalarType.Float64);
        Tensor angle = x[1].to_type(ScalarType.Float64).unsqueeze(-1).unsqueeze(-1) * frequency;
        Tensor cos = angle.cos().to_type(ScalarType.Float32), sin = angle.sin().to_type(ScalarType.Float32);
        return op.Layout == RopeLayout.HalfSplit
            ? (cat([cos, cos], -1), cat([-sin, sin], -1))
            : (stack([cos, cos], -1).flatten(-2), stack([-sin, sin], -1).flatten(-2));
    }
}
