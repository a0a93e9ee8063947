using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// What the kernels of one run share: the cache, the precision of the heavy products, and tensors that several nodes need
/// (masks, rotary turns, weights in half precision) and that are made once.
/// </summary>
internal sealed class TorchRun(KvCache? cache, bool halfProducts, HashSet<Tensor> weights)
{
    private readonly Dictionary<object, object> _shared = [];

    internal KvCache? Cache { get; } = cache;

    /// <summary>A value made by the first who asks; its tensors live until the end of the run.</summary>
    internal T Once<T>(object key, Func<T> make) where T : notnull
    {
        if (_shared.TryGetValue(key, out object? known))
            return (T)known;
        T made = make();
        switch (made)
        {
            case Tensor one:
                one.MoveToOuterDisposeScope();
                break;
            case ValueTuple<Tensor, Tensor> two:
                two.Item1.MoveToOuterDisposeScope();
                two.Item2.MoveToOuterDisposeScope();
                break;
        }
        _shared.Add(key, made);
        return made;
    }

    internal Tensor MatMul(Tensor a, Tensor b) => halfProducts ? Single(Half(a).matmul(Half(b))) : a.matmul(b);

    internal Tensor Linear(Tensor[] x) => halfProducts
        ? Single(nn.functional.linear(Half(x[0]), Half(x[1]), x.Length > 2 ? Half(x[2]) : null))
        : nn.functional.linear(x[0], x[1], x.Length > 2 ? x[2] : null);

    internal Tensor Conv2d(Conv2dOp op, Tensor[] x)
    {
        Tensor? bias = x.Length > 2 ? x[2] : null;
        long[] strides = [op.Stride, op.Stride], padding = [op.Padding, op.Padding];
        return halfProducts
            ? Single(nn.functional.conv2d(Half(x[0]), Half(x[1]), bias is null ? null : Half(bias), strides, padding, null, op.Groups))
            : nn.functional.conv2d(x[0], x[1], bias, strides, padding, null, op.Groups);
    }

    private Tensor Half(Tensor x) => weights.Contains(x)
        // A weight is rounded once a run however often it is used.
        ? Once(x, () => x.to_type(ScalarType.BFloat16))
        : x.to_type(ScalarType.BFloat16);

    private static Tensor Single(Tensor x) => x.to_type(ScalarType.Float32);
}
