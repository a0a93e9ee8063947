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

    internal Tensor Conv2d(Conv2dOp op, Value node, Tensor[] x)
    {
        Tensor? bias = x.Length > 2 ? x[2] : null;
        if (Blocked(x[0], x[1], op))
        {
            long[] strides = [op.Stride, op.Stride], padding = [op.Padding, op.Padding];
            return halfProducts
                ? Single(nn.functional.conv2d(Half(x[0]), Half(x[1]), bias is null ? null : Half(bias), strides, padding))
                : nn.functional.conv2d(x[0], x[1], bias, strides, padding);
        }
        Tensor result = halfProducts ? Single(Columns(op, node, Half(x[0]), Half(x[1]))) : Columns(op, node, x[0], x[1]);
        return bias is null ? result : KeptScalars.Sum(result, bias.reshape(-1, 1, 1));
    }

    /// <summary>
    /// Whether the library's convolution may be used. The oneDNN kernels of libtorch 2.10 pad channels to blocks of 16 and
    /// read the padding uninitialised, so that other channel counts give NaN now and then, forwards and backwards. Small
    /// pictures do not go to oneDNN at all, but to kernels that are no faster than the product.
    /// </summary>
    private static bool Blocked(Tensor x, Tensor weight, Conv2dOp op) =>
        op.Groups == 1 && x.numel() > 20_480 && weight.shape[0] % 16 == 0 && (weight.shape[1] % 16 == 0 || weight.shape[1] == 3);

    /// <summary>The convolution as one product per group over the unfolded windows.</summary>
    private static Tensor Columns(Conv2dOp op, Value node, Tensor x, Tensor weight)
    {
        long[] w = weight.shape;
        long b = node.Shape[0], places = (long)node.Shape[2] * node.Shape[3], patch = w[1] * w[2] * w[3];
        if (node.Shape.Count == 0 || x.numel() == 0 || patch == 0)
            return zeros(TorchKernels.Long(node.Shape), x.dtype);
        Tensor columns = nn.functional.unfold(x, (w[2], w[3]), (1, 1), (op.Padding, op.Padding), (op.Stride, op.Stride));
        columns = columns.reshape(b, op.Groups, patch, places);
        return weight.reshape(1, op.Groups, w[0] / op.Groups, patch).matmul(columns).reshape(TorchKernels.Long(node.Shape));
    }

    private Tensor Half(Tensor x) => weights.Contains(x)
        // A weight is rounded once a run however often it is used.
        ? Once(x, () => x.to_type(ScalarType.BFloat16))
        : x.to_type(ScalarType.BFloat16);

    private static Tensor Single(Tensor x) => x.to_type(ScalarType.Float32);
}
