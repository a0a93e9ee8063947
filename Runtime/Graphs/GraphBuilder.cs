using VlmSdk.Tensors;

namespace VlmSdk.Graphs;

/// <summary>
/// Records a <see cref="Graph"/>. Every method checks shapes at once and returns the recorded <see cref="Value"/>; axes
/// may be negative (-1 is the last). Not thread-safe; a value must not be used with another builder.
/// </summary>
public sealed class GraphBuilder
{
    private readonly List<Value> _nodes = [];
    private readonly Dictionary<string, Value> _inputs = [], _weights = [], _outputs = [], _taps = [];

    /// <summary>Declares a run-time input; asking again for the same name returns the same value.</summary>
    /// <exception cref="ShapeMismatchException">The name was declared with another shape or type.</exception>
    public Value Input(string name, DType type, params ReadOnlySpan<int> shape) =>
        Once(_inputs, name, new InputOp(name, new Shape(shape), type), new Shape(shape), type);

    /// <summary>Refers to a weight; asking again for the same name returns the same value.</summary>
    /// <exception cref="ShapeMismatchException">The name was declared with another shape.</exception>
    public Value Weight(string name, params ReadOnlySpan<int> shape) =>
        Once(_weights, name, new WeightOp(name, new Shape(shape)), new Shape(shape), DType.F32);

    /// <summary>Records a constant F32 or I32 tensor.</summary>
    public Value Constant(HostTensor tensor) => Add(new ConstantOp(tensor));

    /// <summary>Records a constant scalar.</summary>
    public Value Scalar(float value) => Constant(HostTensor.From(new Shape(), [value]));

    /// <summary>Same elements, other shape; one axis may be -1 and is worked out.</summary>
    public Value Reshape(Value x, params ReadOnlySpan<int> shape)
    {
        int[] axes = shape.ToArray();
        int free = Array.IndexOf(axes, -1);
        if (free >= 0)
        {
            long known = axes.Where(a => a != -1).Aggregate(1L, (p, a) => p * a);
            axes[free] = known == 0 ? 0 : (int)(x.Shape.Count / known);
        }
        var target = new Shape(axes);
        return target == x.Shape ? x : Add(new ReshapeOp(target), x);
    }

    /// <summary>Reorders the axes.</summary>
    public Value Permute(Value x, params int[] axes) => Add(new PermuteOp(axes), x);

    /// <summary>Takes a range of one axis.</summary>
    public Value Slice(Value x, int axis, int start, int length) => Add(new SliceOp(x.Shape.Axis(axis), start, length), x);

    /// <summary>Splits an axis into parts of the given sizes, which must add up to it.</summary>
    public Value[] Split(Value x, int axis, params ReadOnlySpan<int> sizes)
    {
        var parts = new Value[sizes.Length];
        int start = 0;
        for (int i = 0; i < sizes.Length; start += sizes[i++])
            parts[i] = Slice(x, axis, start, sizes[i]);
        return start == x.Shape[x.Shape.Axis(axis)]
            ? parts
            : throw new ShapeMismatchException($"The parts of a split of {x.Shape} along axis {axis} add up to {start}.");
    }

    /// <summary>Joins values along one axis.</summary>
    public Value Concat(int axis, params Value[] parts) => Add(new ConcatOp(parts[0].Shape.Axis(axis)), parts);

    /// <summary>Rows of a table by I32 indices.</summary>
    public Value Gather(Value table, Value indices) => Add(new GatherOp(), table, indices);

    /// <summary>A copy of <paramref name="target"/> with some rows replaced.</summary>
    public Value ScatterRows(Value target, Value indices, Value rows) => Add(new ScatterRowsOp(), target, indices, rows);

    /// <summary>Batched matrix product.</summary>
    public Value MatMul(Value a, Value b) => Add(new MatMulOp(), a, b);

    /// <summary>x times the transposed weight [O, I], plus an optional bias [O].</summary>
    public Value Linear(Value x, Value weight, Value? bias = null) => Add(new LinearOp(), bias is null ? [x, weight] : [x, weight, bias]);

    /// <summary>2-D convolution, see <see cref="Conv2dOp"/>.</summary>
    public Value Conv2d(Value x, Value weight, Value? bias = null, int stride = 1, int padding = 0, int groups = 1) =>
        Add(new Conv2dOp(stride, padding, groups), bias is null ? [x, weight] : [x, weight, bias]);

    /// <summary>2-D mean pooling.</summary>
    public Value AveragePool2d(Value x, int size, int stride) => Add(new AveragePool2dOp(size, stride), x);

    /// <summary>An elementwise function.</summary>
    public Value Unary(UnaryKind kind, Value x) => Add(new UnaryOp(kind), x);

    /// <summary>A broadcasting elementwise function of two values.</summary>
    public Value Binary(BinaryKind kind, Value a, Value b) => Add(new BinaryOp(kind), a, b);

    /// <summary>A broadcasting comparison, 1 or 0.</summary>
    public Value Compare(CompareKind kind, Value a, Value b) => Add(new CompareOp(kind), a, b);

    /// <summary>Where the condition is not 0 the first choice, else the second.</summary>
    public Value Select(Value condition, Value whenTrue, Value whenFalse) => Add(new SelectOp(), condition, whenTrue, whenFalse);

    /// <summary>Every element held inside a range.</summary>
    public Value Clamp(Value x, float low, float high) =>
        Binary(BinaryKind.Minimum, Binary(BinaryKind.Maximum, x, Scalar(low)), Scalar(high));

    /// <summary>Every element held smoothly inside a bound: bound * tanh(x / bound).</summary>
    public Value SoftCap(Value x, float bound) => Unary(UnaryKind.Tanh, x / bound) * bound;

    /// <summary>A reduction along one axis.</summary>
    public Value Reduce(ReduceKind kind, Value x, int axis, bool keepAxis = false) => Add(new ReduceOp(kind, x.Shape.Axis(axis), keepAxis), x);

    /// <summary>Sum of all elements, a scalar.</summary>
    public Value Sum(Value x) => Reduce(ReduceKind.Sum, Reshape(x, -1), 0);

    /// <summary>Softmax along the last axis.</summary>
    public Value Softmax(Value x) => Add(new SoftmaxOp(), x);

    /// <summary>Logarithm of the softmax along the last axis.</summary>
    public Value LogSoftmax(Value x) => Add(new LogSoftmaxOp(), x);

    /// <summary>Index of the largest element along the last axis.</summary>
    public Value ArgMax(Value x) => Add(new ArgMaxOp(), x);

    /// <summary>Conversion between I32 and F32.</summary>
    public Value Cast(Value x, DType type) => x.Type == type ? x : Add(new CastOp(type), x);

    /// <summary>An activation function.</summary>
    public Value Activation(ActivationKind kind, Value x) => Add(new ActivationOp(kind), x);

    /// <summary>Layer normalisation along the last axis.</summary>
    public Value LayerNorm(Value x, Value weight, Value bias, float epsilon) => Add(new LayerNormOp(epsilon), x, weight, bias);

    /// <summary>Root-mean-square normalisation along the last axis.</summary>
    public Value RmsNorm(Value x, Value weight, float epsilon, float offset = 0) => Add(new RmsNormOp(epsilon, offset), x, weight);

    /// <summary>Rotary positions on x [B, T, N, H].</summary>
    public Value Rope(Value x, Value positions, float theta, int width, RopeLayout layout, Value? factors = null) =>
        Add(new RopeOp(theta, width, layout), factors is null ? [x, positions] : [x, positions, factors]);

    /// <summary>Attention, see <see cref="AttentionOp"/>; the scale defaults to 1 / sqrt(head width).</summary>
    public Value Attention(Value q, Value k, Value v, AttentionMask mask, int? slot = null, float? scale = null, Value? maskInput = null, float softCap = 0, int window = 0) =>
        Add(new AttentionOp(mask, scale ?? 1 / MathF.Sqrt(q.Shape[^1]), slot, softCap, window), maskInput is null ? [q, k, v] : [q, k, v, maskInput]);

    /// <summary>Names an intermediate for comparison; returns it unchanged. Taps nobody reads cost nothing.</summary>
    public Value Tap(string name, Value x)
    {
        _taps.Add(name, x);
        return x;
    }

    /// <summary>A value tapped before, for losses that look inside a model.</summary>
    /// <exception cref="KeyNotFoundException">No tap of this name was recorded.</exception>
    public Value Tapped(string name) => _taps.TryGetValue(name, out Value? value)
        ? value
        : throw new KeyNotFoundException($"No tap '{name}' was recorded; there are {string.Join(", ", _taps.Keys)}.");

    /// <summary>Names a result of the graph.</summary>
    public void Output(string name, Value x) => _outputs.Add(name, x);

    /// <summary>The finished graph; with <paramref name="taps"/> the tapped values become outputs too. Nodes no output needs are left out.</summary>
    public Graph Build(bool taps = false)
    {
        var outputs = new Dictionary<string, Value>(_outputs);
        if (taps)
            foreach ((string name, Value value) in _taps)
                outputs.Add(name, value);
        return new Graph(_nodes, outputs);
    }

    /// <summary>Records any operation of the closed set.</summary>
    /// <exception cref="ShapeMismatchException">The inputs do not fit the operation.</exception>
    /// <exception cref="ArgumentException">An input belongs to another builder.</exception>
    public Value Add(Op op, params Value[] inputs)
    {
        foreach (Value input in inputs)
            if (!ReferenceEquals(input.Builder, this))
                throw new ArgumentException($"An input of {op.Name} was recorded by another builder.", nameof(inputs));
        (Shape shape, DType type) = op.Infer(inputs);
        var value = new Value(this, _nodes.Count, op, inputs, shape, type);
        _nodes.Add(value);
        return value;
    }

    private Value Once(Dictionary<string, Value> known, string name, Op op, Shape shape, DType type)
    {
        if (!known.TryGetValue(name, out Value? value))
            known.Add(name, value = Add(op));
        else if (value.Shape != shape || value.Type != type)
            throw new ShapeMismatchException($"'{name}' is declared as {value.Type}{value.Shape} and as {type}{shape}.");
        return value;
    }
}
