using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>One plain loop per operation; the definition of what it computes.</summary>
internal static class ReferenceKernels
{
    internal static bool Knows(Op op) => op is PermuteOp or SliceOp or ConcatOp or GatherOp or ScatterRowsOp or MatMulOp or LinearOp
        or Conv2dOp or AveragePool2dOp or UnaryOp or ActivationOp or BinaryOp or CompareOp or SelectOp or ReduceOp or SoftmaxOp
        or LogSoftmaxOp or ArgMaxOp or CastOp or LayerNormOp or RmsNormOp or RopeOp or AttentionOp;

    internal static void Run(Op op, HostTensor[] x, HostTensor y, KvCache? cache)
    {
        switch (op)
        {
            case PermuteOp permute: Permute(permute, x[0], y); break;
            case SliceOp slice: Slice(slice, x[0], y); break;
            case ConcatOp concat: Concat(concat, x, y); break;
            case GatherOp: Gather(x[0], x[1], y); break;
            case ScatterRowsOp: ScatterRows(x, y); break;
            case MatMulOp: MatMul(x[0], x[1], y); break;
            case LinearOp: Linear(x[0].Floats, x[1], x.Length > 2 ? x[2].Floats : default, y.Floats); break;
            case Conv2dOp conv: Conv2d(conv, x, y); break;
            case AveragePool2dOp pool: AveragePool2d(pool, x[0], y); break;
            case UnaryOp unary: Map(x[0], y, Function(unary.Kind)); break;
            case ActivationOp activation: Map(x[0], y, Function(activation.Kind)); break;
            case BinaryOp binary: Broadcast([x[0], x[1]], y, Function(binary.Kind)); break;
            case CompareOp compare: Compare(compare, x, y); break;
            case SelectOp: Select(x, y); break;
            case ReduceOp reduce: Reduce(reduce, x[0], y); break;
            case SoftmaxOp: Rows(x[0], y, Softmax); break;
            case LogSoftmaxOp: Rows(x[0], y, LogSoftmax); break;
            case ArgMaxOp: ArgMax(x[0], y); break;
            case CastOp: Cast(x[0], y); break;
            case LayerNormOp norm: LayerNorm(norm, x, y); break;
            case RmsNormOp norm: RmsNorm(norm, x, y); break;
            case RopeOp rope: Rope(rope, x, y); break;
            case AttentionOp attention: ReferenceAttention.Run(attention, x, y, cache); break;
            default: throw new UnsupportedOpException("reference", op.Name);
        }
    }

    private static Func<double, double> Function(UnaryKind kind) => kind switch
    {
        UnaryKind.Negate => v => -v,
        UnaryKind.Abs => Math.Abs,
        UnaryKind.Exp => Math.Exp,
        UnaryKind.Log => Math.Log,
        UnaryKind.Sqrt => Math.Sqrt,
        UnaryKind.Rsqrt => v => 1 / Math.Sqrt(v),
        UnaryKind.Square => v => v * v,
        UnaryKind.Tanh => Math.Tanh,
        UnaryKind.Sigmoid => Sigmoid,
        UnaryKind.Relu => v => v > 0 || double.IsNaN(v) ? v : 0,
        UnaryKind.Erf => SpecialFunctions.Erf,
        UnaryKind.Softplus => v => Math.Max(v, 0) + SpecialFunctions.Log1P(Math.Exp(-Math.Abs(v))),
        UnaryKind.Cos => Math.Cos,
        UnaryKind.Sin => Math.Sin,
        _ => throw new UnsupportedOpException("reference", kind.ToString()),
    };

    private static Func<double, double> Function(ActivationKind kind) => kind switch
    {
        ActivationKind.SquaredRelu => v => v > 0 || double.IsNaN(v) ? v * v : 0,
        ActivationKind.Silu => v => v * Sigmoid(v),
        ActivationKind.QuickGelu => v => v * Sigmoid(1.702 * v),
        ActivationKind.Gelu => v => 0.5 * v * (1 + SpecialFunctions.Erf(v * Math.Sqrt(0.5))),
        ActivationKind.GeluTanh => v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))),
        _ => throw new UnsupportedOpException("reference", kind.ToString()),
    };

    private static Func<float, float, float> Function(BinaryKind kind) => kind switch
    {
        BinaryKind.Add => (a, b) => a + b,
        BinaryKind.Subtract => (a, b) => a - b,
        BinaryKind.Multiply => (a, b) => a * b,
        BinaryKind.Divide => (a, b) => a / b,
        BinaryKind.Maximum => MathF.Max,
        BinaryKind.Minimum => MathF.Min,
        _ => throw new UnsupportedOpException("reference", kind.ToString()),
    };

    private static double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));

    private static void Map(HostTensor x, HostTensor y, Func<double, double> function)
    {
        Span<float> source = x.Floats, target = y.Floats;
        for (int i = 0; i < target.Length; i++)
            target[i] = (float)function(source[i]);
    }

    /// <summary>Calls visit(linear index, offsets) for every element of a shape, with one offset per stride table.</summary>
    private static void Walk(Shape shape, int[][] strides, Action<int, int[]> visit)
    {
        int total = checked((int)shape.Count);
        var index = new int[shape.Rank];
        var offsets = new int[strides.Length];
        for (int i = 0; i < total; i++)
        {
            visit(i, offsets);
            for (int axis = shape.Rank - 1; axis >= 0; axis--)
            {
                bool carry = ++index[axis] == shape[axis];
                for (int s = 0; s < strides.Length; s++)
                    offsets[s] += carry ? -strides[s][axis] * (shape[axis] - 1) : strides[s][axis];
                if (!carry)
                    break;
                index[axis] = 0;
            }
        }
    }

    private static void Broadcast(HostTensor[] x, HostTensor y, Func<float, float, float> function)
    {
        int[][] strides = [.. x.Select(t => ShapeRules.BroadcastStrides(t.Shape, y.Shape))];
        Walk(y.Shape, strides, (i, o) => y.Floats[i] = function(x[0].Floats[o[0]], x[1].Floats[o[1]]));
    }

    private static void Compare(CompareOp op, HostTensor[] x, HostTensor y)
    {
        int[][] strides = [.. x.Select(t => ShapeRules.BroadcastStrides(t.Shape, y.Shape))];
        bool integers = x[0].Type == DType.I32;
        Walk(y.Shape, strides, (i, o) =>
        {
            double a = integers ? x[0].Ints[o[0]] : x[0].Floats[o[0]], b = integers ? x[1].Ints[o[1]] : x[1].Floats[o[1]];
            y.Floats[i] = op.Kind switch { CompareKind.Equal => a == b, CompareKind.Less => a < b, _ => a <= b } ? 1 : 0;
        });
    }

    private static void Select(HostTensor[] x, HostTensor y)
    {
        int[][] strides = [.. x.Select(t => ShapeRules.BroadcastStrides(t.Shape, y.Shape))];
        Walk(y.Shape, strides, (i, o) => y.Floats[i] = x[0].Floats[o[0]] != 0 ? x[1].Floats[o[1]] : x[2].Floats[o[2]]);
    }

    private static void Permute(PermuteOp op, HostTensor x, HostTensor y)
    {
        int[] own = x.Shape.Strides();
        int[] strides = op.Axes.Select(a => own[a]).ToArray();
        bool integers = x.Type == DType.I32;
        Walk(y.Shape, [strides], (i, o) =>
        {
            if (integers)
                y.Ints[i] = x.Ints[o[0]];
            else
                y.Floats[i] = x.Floats[o[0]];
        });
    }

    // Slice and Concat move runs of bytes: everything right of the axis is contiguous.
    private static void Slice(SliceOp op, HostTensor x, HostTensor y)
    {
        int inner = Inner(x.Shape, op.AxisIndex), run = op.Length * inner, step = x.Shape[op.AxisIndex] * inner;
        for (int outer = 0; outer < Outer(x.Shape, op.AxisIndex); outer++)
            x.Data.Slice((outer * step + op.Start * inner) * 4, run * 4).CopyTo(y.Data[(outer * run * 4)..]);
    }

    private static void Concat(ConcatOp op, HostTensor[] x, HostTensor y)
    {
        int inner = Inner(y.Shape, op.AxisIndex), step = y.Shape[op.AxisIndex] * inner, start = 0;
        foreach (HostTensor part in x)
        {
            int run = part.Shape[op.AxisIndex] * inner;
            for (int outer = 0; outer < Outer(y.Shape, op.AxisIndex); outer++)
                part.Data.Slice(outer * run * 4, run * 4).CopyTo(y.Data[((outer * step + start) * 4)..]);
            start += run;
        }
    }

    private static int Outer(Shape shape, int axis) => checked((int)shape[..axis].Count);

    private static int Inner(Shape shape, int axis) => checked((int)shape[(axis + 1)..].Count);

    private static void Gather(HostTensor table, HostTensor indices, HostTensor y)
    {
        int row = Inner(table.Shape, 0);
        for (int i = 0; i < indices.Ints.Length; i++)
            table.Data.Slice(Row(indices.Ints[i], table.Shape[0], "Gather") * row * 4, row * 4).CopyTo(y.Data[(i * row * 4)..]);
    }

    private static void ScatterRows(HostTensor[] x, HostTensor y)
    {
        x[0].Data.CopyTo(y.Data);
        int row = Inner(y.Shape, 0);
        for (int i = 0; i < x[1].Ints.Length; i++)
            x[2].Data.Slice(i * row * 4, row * 4).CopyTo(y.Data[(Row(x[1].Ints[i], y.Shape[0], "ScatterRows") * row * 4)..]);
    }

    private static int Row(int index, int rows, string op) =>
        (uint)index < (uint)rows ? index : throw new VlmException($"{op}: index {index} lies outside the table's {rows} rows.");

    private static void MatMul(HostTensor a, HostTensor b, HostTensor y)
    {
        int m = a.Shape[^2], k = a.Shape[^1], n = b.Shape[^1];
        Shape batch = y.Shape[..^2];
        int[][] strides = [ShapeRules.BroadcastStrides(a.Shape[..^2], batch), ShapeRules.BroadcastStrides(b.Shape[..^2], batch)];
        Walk(batch, strides, (i, o) =>
        {
            Span<float> left = a.Floats.Slice(o[0] * m * k, m * k), right = b.Floats.Slice(o[1] * k * n, k * n), result = y.Floats.Slice(i * m * n, m * n);
            for (int r = 0; r < m; r++)
                for (int c = 0; c < n; c++)
                {
                    double sum = 0;
                    for (int j = 0; j < k; j++)
                        sum += (double)left[r * k + j] * right[j * n + c];
                    result[r * n + c] = (float)sum;
                }
        });
    }

    private static void Linear(ReadOnlySpan<float> x, HostTensor weight, ReadOnlySpan<float> bias, Span<float> y)
    {
        int outputs = weight.Shape[0], width = weight.Shape[1];
        ReadOnlySpan<float> w = weight.Floats;
        for (int r = 0; r < (outputs == 0 ? 0 : y.Length / outputs); r++)
            for (int o = 0; o < outputs; o++)
                y[r * outputs + o] = (float)(Dot(x.Slice(r * width, width), w.Slice(o * width, width)) + (bias.IsEmpty ? 0 : bias[o]));
    }

    internal static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double even = 0, odd = 0;
        int i = 0;
        for (; i + 1 < a.Length; i += 2)
        {
            even += (double)a[i] * b[i];
            odd += (double)a[i + 1] * b[i + 1];
        }
        return i < a.Length ? even + odd + (double)a[i] * b[i] : even + odd;
    }

    private static void Conv2d(Conv2dOp op, HostTensor[] x, HostTensor y)
    {
        Shape xs = x[0].Shape, ws = x[1].Shape, ys = y.Shape;
        int channels = ws[1], kh = ws[2], kw = ws[3], height = xs[2], width = xs[3], perGroup = ws[0] / op.Groups;
        int patch = channels * kh * kw;
        Span<float> source = x[0].Floats, weights = x[1].Floats, target = y.Floats;
        var window = new float[patch];
        for (int b = 0; b < ys[0]; b++)
            for (int g = 0; g < op.Groups; g++)
                for (int oy = 0; oy < ys[2]; oy++)
                    for (int ox = 0; ox < ys[3]; ox++)
                    {
                        int at = 0;
                        for (int c = 0; c < channels; c++)
                            for (int ky = 0; ky < kh; ky++)
                                for (int kx = 0; kx < kw; kx++, at++)
                                {
                                    int iy = oy * op.Stride - op.Padding + ky, ix = ox * op.Stride - op.Padding + kx;
                                    bool inside = (uint)iy < (uint)height && (uint)ix < (uint)width;
                                    window[at] = inside ? source[((b * xs[1] + g * channels + c) * height + iy) * width + ix] : 0;
                                }
                        for (int o = g * perGroup; o < (g + 1) * perGroup; o++)
                        {
                            double sum = Dot(window, weights.Slice(o * patch, patch)) + (x.Length > 2 ? x[2].Floats[o] : 0);
                            target[((b * ys[1] + o) * ys[2] + oy) * ys[3] + ox] = (float)sum;
                        }
                    }
    }

    private static void AveragePool2d(AveragePool2dOp op, HostTensor x, HostTensor y)
    {
        int height = x.Shape[2], width = x.Shape[3], oh = y.Shape[2], ow = y.Shape[3];
        for (int plane = 0; plane < y.Shape[0] * y.Shape[1]; plane++)
            for (int oy = 0; oy < oh; oy++)
                for (int ox = 0; ox < ow; ox++)
                {
                    double sum = 0;
                    for (int ky = 0; ky < op.Size; ky++)
                        for (int kx = 0; kx < op.Size; kx++)
                            sum += x.Floats[(plane * height + oy * op.Stride + ky) * width + ox * op.Stride + kx];
                    y.Floats[(plane * oh + oy) * ow + ox] = (float)(sum / (op.Size * op.Size));
                }
    }

    private static void Reduce(ReduceOp op, HostTensor x, HostTensor y)
    {
        int inner = Inner(x.Shape, op.AxisIndex), size = x.Shape[op.AxisIndex];
        for (int outer = 0; outer < Outer(x.Shape, op.AxisIndex); outer++)
            for (int i = 0; i < inner; i++)
            {
                double result = op.Kind == ReduceKind.Max ? double.NegativeInfinity : 0;
                for (int a = 0; a < size; a++)
                {
                    double v = x.Floats[(outer * size + a) * inner + i];
                    result = op.Kind == ReduceKind.Max ? Math.Max(result, v) : result + v;
                }
                y.Floats[outer * inner + i] = (float)(op.Kind == ReduceKind.Mean ? result / size : result);
            }
    }

    private delegate void RowKernel(ReadOnlySpan<float> x, Span<float> y);

    private static void Rows(HostTensor x, HostTensor y, RowKernel kernel)
    {
        int width = x.Shape[^1];
        for (int start = 0; start < y.Floats.Length; start += width)
            kernel(x.Floats.Slice(start, width), y.Floats.Slice(start, width));
    }

    internal static void Softmax(ReadOnlySpan<float> x, Span<float> y)
    {
        double max = Largest(x), sum = 0;
        if (double.IsNegativeInfinity(max))
        {
            y.Clear();
            return;
        }
        foreach (float v in x)
            sum += Math.Exp(v - max);
        for (int i = 0; i < y.Length; i++)
            y[i] = (float)(Math.Exp(x[i] - max) / sum);
    }

    private static void LogSoftmax(ReadOnlySpan<float> x, Span<float> y)
    {
        double max = Largest(x), sum = 0;
        foreach (float v in x)
            sum += Math.Exp(v - max);
        for (int i = 0; i < y.Length; i++)
            y[i] = (float)(x[i] - max - Math.Log(sum));
    }

    private static double Largest(ReadOnlySpan<float> x)
    {
        double max = double.NegativeInfinity;
        foreach (float v in x)
            max = Math.Max(max, v);
        return max;
    }

    private static void ArgMax(HostTensor x, HostTensor y)
    {
        int width = x.Shape[^1];
        for (int row = 0; row < y.Ints.Length; row++)
        {
            ReadOnlySpan<float> v = x.Floats.Slice(row * width, width);
            int best = 0;
            for (int i = 1; i < width; i++)
                if (v[i] > v[best])
                    best = i;
            y.Ints[row] = best;
        }
    }

    private static void Cast(HostTensor x, HostTensor y)
    {
        for (int i = 0; i < checked((int)y.Shape.Count); i++)
            if (y.Type == DType.F32)
                y.Floats[i] = x.Ints[i];
            else
                y.Ints[i] = (int)x.Floats[i];
    }

    private static void LayerNorm(LayerNormOp op, HostTensor[] x, HostTensor y) => Rows(x[0], y, (source, target) =>
    {
        double mean = 0, variance = 0;
        foreach (float v in source)
            mean += v;
        mean /= source.Length;
        foreach (float v in source)
            variance += (v - mean) * (v - mean);
        double scale = 1 / Math.Sqrt(variance / source.Length + op.Epsilon);
        for (int i = 0; i < target.Length; i++)
            target[i] = (float)((source[i] - mean) * scale * x[1].Floats[i] + x[2].Floats[i]);
    });

    private static void RmsNorm(RmsNormOp op, HostTensor[] x, HostTensor y) => Rows(x[0], y, (source, target) =>
    {
        double scale = 1 / Math.Sqrt(Dot(source, source) / source.Length + op.Epsilon);
        for (int i = 0; i < target.Length; i++)
            target[i] = (float)(source[i] * scale * (x[1].Floats[i] + op.Offset));
    });

    private static void Rope(RopeOp op, HostTensor[] x, HostTensor y)
    {
        x[0].Data.CopyTo(y.Data);
        int heads = y.Shape[2], head = y.Shape[3], half = op.Width / 2;
        float[] frequencies = op.Frequencies();
        for (int token = 0; token < x[1].Ints.Length; token++)
            for (int i = 0; i < half; i++)
            {
                double angle = (double)x[1].Ints[token] * frequencies[i] / (x.Length > 2 ? x[2].Floats[i] : 1);
                double cos = Math.Cos(angle), sin = Math.Sin(angle);
                (int a, int b) = op.Layout == RopeLayout.HalfSplit ? (i, i + half) : (2 * i, 2 * i + 1);
                for (int n = 0; n < heads; n++)
                {
                    Span<float> row = y.Floats.Slice((token * heads + n) * head, head);
                    (row[a], row[b]) = ((float)(row[a] * cos - row[b] * sin), (float)(row[b] * cos + row[a] * sin));
                }
            }
    }
}
