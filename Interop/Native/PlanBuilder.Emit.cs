using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Native;

// One method per operation that needs more than its sizes. Slices and concatenations are copies of runs of bytes.
internal sealed unsafe partial class PlanBuilder
{
    // Numbers of the activations among the kernels' elementwise functions, after those of UnaryKind.
    private const int FirstActivation = 14;

    private void Emit(Value node)
    {
        IReadOnlyList<Value> x = node.Inputs;
        Shape shape = node.Shape;
        switch (node.Op)
        {
            case InputOp or WeightOp or ConstantOp or ReshapeOp:
                break;
            case PermuteOp permute:
                int[] strides = x[0].Shape.Strides();
                Strides.Write(ref Simple(Kernel.Permute, node).Op, 0, permute, shape, permute.Axes.Select(a => strides[a]).ToArray());
                break;
            case SliceOp slice:
                if (Find(node).Buffer != Find(x[0]).Buffer)
                    Runs(Find(x[0]), Find(node), shape, slice.AxisIndex, slice.Start, 0, x[0].Shape[slice.AxisIndex], slice.Length, slice.Length);
                break;
            case ConcatOp concat:
                int start = 0;
                foreach (Value part in x)
                {
                    int length = part.Shape[concat.AxisIndex];
                    if (part.Shape.Count > 0)
                        Runs(Find(part), Find(node), shape, concat.AxisIndex, 0, start, length, shape[concat.AxisIndex], length);
                    start += length;
                }
                break;
            case GatherOp:
                Gather(node);
                break;
            case ScatterRowsOp:
                Simple(Kernel.ScatterRows, node).Dims(shape[0], shape[1..].Count * 4, x[1].Shape[0]);
                break;
            case MatMulOp:
                MatMul(node.Op, Find(x[0]), x[0].Shape, Find(x[1]), x[1].Shape, Find(node), shape);
                break;
            case LinearOp:
                Linear(node);
                break;
            case Conv2dOp conv:
                Shape xs = x[0].Shape, ws = x[1].Shape;
                Simple(Kernel.Conv2d, node).Dims(xs[0], xs[1], xs[2], xs[3], ws[0], ws[2], ws[3], shape[2], shape[3], conv.Stride, conv.Padding, conv.Groups);
                break;
            case AveragePool2dOp pool:
                Simple(Kernel.AveragePool, node).Dims(shape[0] * shape[1], x[0].Shape[2], x[0].Shape[3], shape[2], shape[3], pool.Size, pool.Stride);
                break;
            case UnaryOp unary:
                Simple(Kernel.Unary, node).Mode((int)unary.Kind).Dims(shape.Count);
                break;
            case ActivationOp activation:
                Simple(Kernel.Unary, node).Mode(FirstActivation + (int)activation.Kind).Dims(shape.Count);
                break;
            case BinaryOp binary:
                Broadcast(Kernel.Binary, node).Mode((int)binary.Kind);
                break;
            case CompareOp compare:
                Broadcast(Kernel.Compare, node).Mode((int)compare.Kind + (x[0].Type == DType.I32 ? 16 : 0));
                break;
            case SelectOp:
                Broadcast(Kernel.Select, node);
                break;
            case ReduceOp reduce:
                Shape rs = x[0].Shape;
                Simple(Kernel.Reduce, node).Mode((int)reduce.Kind).Dims(rs[..reduce.AxisIndex].Count, rs[reduce.AxisIndex], rs[(reduce.AxisIndex + 1)..].Count);
                break;
            case SoftmaxOp:
                Rows(Kernel.Softmax, node);
                break;
            case LogSoftmaxOp:
                Rows(Kernel.LogSoftmax, node);
                break;
            case ArgMaxOp:
                Rows(Kernel.ArgMax, node);
                break;
            case CastOp cast:
                if (x[0].Type == cast.Target)
                    Runs(Find(x[0]), Find(node), new Shape(1, checked((int)shape.Count)), 1, 0, 0, (int)shape.Count, (int)shape.Count, (int)shape.Count);
                else
                    Simple(Kernel.Cast, node).Mode(cast.Target == DType.F32 ? 0 : 1).Dims(shape.Count);
                break;
            case LayerNormOp norm:
                Rows(Kernel.LayerNorm, node).Scalars(norm.Epsilon);
                break;
            case RmsNormOp norm:
                Rows(Kernel.RmsNorm, node).Scalars(norm.Epsilon, norm.Offset);
                break;
            case RopeOp rope:
                Rope(rope, node);
                break;
            case AttentionOp attention:
                Attention(attention, node);
                break;
            default:
                throw new UnsupportedOpException("native", node.Op.Name);
        }
    }

    private Call Simple(Kernel kernel, Value node) => Add(kernel, Find(node), node.Inputs.Select(i => (Place?)Find(i)).ToArray());

    private Call Rows(Kernel kernel, Value node)
    {
        Shape x = node.Inputs[0].Shape;
        return Simple(kernel, node).Dims(x[..^1].Count, x[^1]);
    }

    private Call Broadcast(Kernel kernel, Value node)
    {
        Call call = Simple(kernel, node);
        Strides.Write(ref call.Op, 0, node.Op, node.Shape, node.Inputs.Select(i => ShapeRules.BroadcastStrides(i.Shape, node.Shape)).ToArray());
        return call;
    }

    /// <summary>Copies "length" entries of an axis between tensors that agree in all others; sizes are those of the axis on either side.</summary>
    private void Runs(Place source, Place target, Shape shape, int axis, int sourceStart, int targetStart, int sourceSize, int targetSize, int length)
    {
        long outer = shape[..axis].Count, inner = shape[(axis + 1)..].Count * 4;
        Add(Kernel.Copy2D, target with { Offset = target.Offset + targetStart * inner }, source with { Offset = source.Offset + sourceStart * inner })
            .Dims(outer, length * inner, sourceSize * inner, targetSize * inner);
    }

    // A table of weights stays as stored; its rows are expanded as they are taken. One that is multiplied as well (a tied
    // embedding) is held once, packed.
    private void Gather(Value node)
    {
        Value table = node.Inputs[0];
        if (table.Op is WeightOp tied && (_multiplied.Contains(tied.WeightName) || _store.IsPacked(_binding, tied)))
        {
            Add(Kernel.Gather, Find(node), null, Find(node.Inputs[1])).Dims(table.Shape[0], table.Shape[1], node.Inputs[1].Shape.Count).Op.Weight = Packed(tied);
            return;
        }
        Place source;
        int mode = 0;
        DType type = DType.F32;
        if (table.Op is WeightOp weight && table.Shape.Rank > 1)
        {
            FixedTensor rows = _store.Rows(_binding, weight);
            type = rows.Tensor.Type;
            mode = WeightStore.StorageType(type)!.Value;
            source = New(rows);
        }
        else
        {
            source = Find(table);
        }
        Shape row = table.Shape[1..];
        Add(Kernel.Gather, Find(node), source, Find(node.Inputs[1])).Mode(mode)
            .Dims(table.Shape[0], row.Count, node.Inputs[1].Shape.Count, type.ByteCount(row));
    }

    private void MatMul(Op op, Place a, Shape aShape, Place b, Shape bShape, Place result, Shape shape)
    {
        Shape batch = shape[..^2];
        int[] left = ShapeRules.BroadcastStrides(aShape[..^2], batch), right = ShapeRules.BroadcastStrides(bShape[..^2], batch);
        long m = shape[^2];
        // One right side for all: the batch is nothing but more rows.
        if (right.All(s => s == 0) && aShape[..^2].Count == batch.Count)
            (m, batch, left, right) = (m * batch.Count, new Shape(), [], []);
        Call call = Add(Kernel.MatMul, result, a, b).Dims(m, aShape[^1], shape[^1]);
        Strides.Write(ref call.Op, 3, op, batch, left, right);
    }

    private void Linear(Value node)
    {
        Value x = node.Inputs[0], w = node.Inputs[1];
        Place? bias = node.Inputs.Count > 2 ? Find(node.Inputs[2]) : null;
        long rows = x.Shape[..^1].Count;
        if (w.Op is WeightOp weight)
        {
            Add(Kernel.Linear, Find(node), Find(x), bias).Dims(rows).Op.Weight = Packed(weight);
            return;
        }
        // A computed weight is turned and multiplied like any other matrix.
        int outputs = w.Shape[0], inputs = w.Shape[1];
        Place turned = New(w.Shape.Count * 4), product = bias is null ? Find(node) : New(node.Shape.Count * 4);
        Call call = Add(Kernel.Permute, turned, Find(w));
        Strides.Write(ref call.Op, 0, node.Op, new Shape(inputs, outputs), [1, inputs]);
        MatMul(node.Op, Find(x), new Shape(checked((int)rows), inputs), turned, new Shape(inputs, outputs), product, new Shape((int)rows, outputs));
        if (bias is not null)
        {
            call = Add(Kernel.Binary, Find(node), product, bias).Mode((int)BinaryKind.Add);
            Strides.Write(ref call.Op, 0, node.Op, new Shape((int)rows, outputs), [outputs, 1], [0, 1]);
        }
    }

    private nint Packed(WeightOp weight)
    {
        PackedWeight packed = _store.Packed(_binding, weight);
        _weights.Add(packed);
        return packed.DangerousGetHandle();
    }

    private void Rope(RopeOp rope, Value node)
    {
        IReadOnlyList<Value> x = node.Inputs;
        Value? factors = x.Count > 2 ? x[2] : null;
        long tokens = x[1].Shape.Count;
        int pairs = rope.Width / 2;
        if (!_ropeTables.TryGetValue((x[1], rope.Theta, rope.Width, factors), out Place table))
        {
            table = New(tokens * pairs * 8);
            Add(Kernel.RopeTable, table, Find(x[1]), New(new Shape(pairs), rope.Frequencies()), factors is null ? null : Find(factors)).Dims(tokens, pairs);
            _ropeTables.Add((x[1], rope.Theta, rope.Width, factors), table);
        }
        Add(Kernel.Rope, Find(node), Find(x[0]), table).Mode(rope.Layout == RopeLayout.Interleaved ? 1 : 0).Dims(tokens, node.Shape[2], node.Shape[3], pairs);
    }

    private void Attention(AttentionOp attention, Value node)
    {
        Shape q = node.Shape, k = node.Inputs[1].Shape;
        if (q.Count == 0 && attention.Slot is null)
            return;
        Call call = Simple(Kernel.Attention, node).Mode((int)attention.Mask).Scalars(attention.Scale, attention.SoftCap).Dims(q[0], q[1], q[2], q[3], k[1], k[2]);
        call.Op.Slot = attention.Slot ?? -1;
        call.Op.Dim[10] = attention.Window;
        if (attention.Mask == AttentionMask.Bias)
        {
            int[] strides = ShapeRules.BroadcastStrides(node.Inputs[3].Shape, new Shape(q[0], q[2], q[1], k[1]));
            for (int i = 0; i < 4; i++)
                call.Op.Dim[6 + i] = strides[i];
        }
    }
}
