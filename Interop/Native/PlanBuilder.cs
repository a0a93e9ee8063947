using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Native;

/// <summary>
/// Turns a graph into a <see cref="NativePlan"/>: every value gets a place (reshapes and contiguous slices share their
/// source's), every operation becomes kernel calls, intermediate values share one arena.
/// </summary>
internal sealed unsafe partial class PlanBuilder
{
    private readonly Graph _graph;
    private readonly WeightBinding _binding;
    private readonly WeightStore _store;
    private readonly Dictionary<Value, Place> _places = [];
    private readonly Dictionary<(Value, float, int, Value?), Place> _ropeTables = [];
    private readonly Dictionary<string, HostTensor> _inputs = [], _outputs = [];
    private readonly List<NodeBuffer> _buffers = [];
    private readonly List<Call> _calls = [];
    private readonly List<PackedWeight> _weights = [];
    private readonly HashSet<string> _multiplied;
    private readonly List<object> _kept = [];

    internal PlanBuilder(Graph graph, WeightBinding binding, WeightStore store)
    {
        (_graph, _binding, _store) = (graph, binding, store);
        _multiplied = [.. graph.Nodes.Where(n => n.Op is LinearOp).Select(n => n.Inputs[1].Op).OfType<WeightOp>().Select(w => w.WeightName)];
    }

    /// <summary>Whether there is a kernel.</summary>
    internal static bool Supports(Op op) => op is InputOp or WeightOp or ConstantOp or ReshapeOp or PermuteOp or SliceOp or ConcatOp or GatherOp
        or ScatterRowsOp or MatMulOp or LinearOp or Conv2dOp or AveragePool2dOp or UnaryOp or ActivationOp or BinaryOp or CompareOp or SelectOp
        or ReduceOp or SoftmaxOp or LogSoftmaxOp or ArgMaxOp or CastOp or LayerNormOp or RmsNormOp or RopeOp or AttentionOp;

    internal NativePlan Build(ContextHandle context)
    {
        HashSet<NodeBuffer> results = [];
        foreach (Value node in _graph.Nodes)
            if (PlaceOf(node) is { } place)
            {
                _places.Add(node, place);
                if (_graph.Outputs.Values.Contains(node))
                    results.Add(place.Buffer);
            }
        // Results stay until the next run, outside the arena, in memory that the caller may read as a tensor.
        foreach (NodeBuffer buffer in results.Where(b => b.Tensor is null))
            buffer.Tensor = FixedTensor.Allocate(DType.I8, new Shape(checked((int)buffer.Bytes)));
        foreach (Value node in _graph.Nodes)
            if (node.Shape.Count > 0 || node.Op is AttentionOp)
                Emit(node);
        foreach ((string name, Value value) in _graph.Outputs)
            _outputs.Add(name, Find(value).View(value.Type, value.Shape));

        long bytes = MemoryPlan.Assign(_buffers);
        var arena = new NativeBlock(bytes);
        var operations = new NativeBlock((long)sizeof(NativeOp) * _calls.Count);
        for (int i = 0; i < _calls.Count; i++)
            ((NativeOp*)operations.Pointer)[i] = _calls[i].Resolve(arena.Pointer);
        _kept.AddRange(_buffers.Where(b => b.Tensor is not null).Select(b => b.Tensor!));
        return new NativePlan(_graph, context, _inputs, _outputs, arena, operations, _calls.Count, [.. _weights], [.. _kept]) { ArenaBytes = bytes };
    }

    // Where a value lies; null for weights, whose form depends on who asks (see Find).
    private Place? PlaceOf(Value node)
    {
        switch (node.Op)
        {
            case InputOp input:
                FixedTensor tensor = FixedTensor.Allocate(node.Type, node.Shape);
                _inputs.Add(input.InputName, tensor.Tensor);
                return New(tensor);
            case WeightOp:
                return null;
            case ConstantOp constant:
                return New(new FixedTensor(constant.Tensor));
            case ReshapeOp:
                return Find(node.Inputs[0]);
            case SliceOp slice when node.Inputs[0].Shape[..slice.AxisIndex].Count == 1:
                Place source = Find(node.Inputs[0]);
                return source with { Offset = source.Offset + slice.Start * node.Inputs[0].Shape[(slice.AxisIndex + 1)..].Count * 4 };
            default:
                return New(node.Shape.Count * 4);
        }
    }

    // A weight that no matrix product takes is needed as floats.
    private Place Find(Value value)
    {
        if (_places.TryGetValue(value, out Place place))
            return place;
        place = New(_store.Floats(_binding, (WeightOp)value.Op));
        _places.Add(value, place);
        return place;
    }

    private Place New(long bytes)
    {
        var buffer = new NodeBuffer(bytes);
        _buffers.Add(buffer);
        return new Place(buffer, 0);
    }

    private Place New(FixedTensor tensor)
    {
        var buffer = new NodeBuffer(tensor);
        _buffers.Add(buffer);
        return new Place(buffer, 0);
    }

    private Place New(Shape shape, ReadOnlySpan<float> values) => New(new FixedTensor(HostTensor.From(shape, values)));

    private Call Add(Kernel kernel, Place result, params ReadOnlySpan<Place?> inputs)
    {
        var call = new Call(kernel, result, inputs);
        result.Buffer.Touch(_calls.Count);
        foreach (Place? input in inputs)
            input?.Buffer.Touch(_calls.Count);
        _calls.Add(call);
        return call;
    }

    /// <summary>An operation whose addresses are still places.</summary>
    private sealed class Call
    {
        private readonly Place _result;
        private readonly Place?[] _inputs;
        private NativeOp _op;

        internal Call(Kernel kernel, Place result, ReadOnlySpan<Place?> inputs)
        {
            _op.Kind = (int)kernel;
            _op.Slot = -1;
            _result = result;
            _inputs = inputs.ToArray();
        }

        internal ref NativeOp Op => ref _op;

        internal Call Mode(int mode)
        {
            _op.Mode = mode;
            return this;
        }

        internal Call Scalars(float first, float second = 0)
        {
            _op.Scalars[0] = first;
            _op.Scalars[1] = second;
            return this;
        }

        internal Call Dims(params ReadOnlySpan<long> dims)
        {
            for (int i = 0; i < dims.Length; i++)
                _op.Dim[i] = dims[i];
            return this;
        }

        internal NativeOp Resolve(byte* arena)
        {
            NativeOp op = _op;
            for (int i = 0; i < _inputs.Length; i++)
                op.In[i] = _inputs[i]?.Address(arena) ?? 0;
            op.Out = _result.Address(arena);
            return op;
        }
    }
}
