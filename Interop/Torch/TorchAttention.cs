using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>Attention as two batched products with a softmax between them; masks are added to the scores.</summary>
internal static class TorchAttention
{
    internal static Tensor Run(AttentionOp op, Value node, Tensor[] x, TorchRun run)
    {
        Tensor keys = x[1], values = x[2];
        int past = 0;
        if (op.Slot is { } slot)
        {
            KvCache cache = run.Cache!;
            past = cache.Length;
            keys = Append(keys, cache.Keys(slot), past);
            values = Append(values, cache.Values(slot), past);
        }
        long b = node.Shape[0], t = node.Shape[1], n = node.Shape[2], h = node.Shape[3], heads = keys.shape[2], s = keys.shape[1];
        if (node.Shape.Count == 0 || s == 0)
            return zeros(b, t, n, h);
        Tensor q = x[0].Times(op.Scale).transpose(1, 2), k = keys.permute(0, 2, 3, 1), v = values.transpose(1, 2);
        // Query heads that share a key head become rows of one product.
        Tensor scores = run.MatMul(q.reshape(b, heads, n / heads * t, h), k);
        if (op.SoftCap > 0)
            scores = scores.Times(1 / op.SoftCap).tanh().Times(op.SoftCap);
        if (Bias(op, node, x, run, past, s) is { } bias)
            scores = (scores.reshape(b, n, t, s) + bias).reshape(b, heads, n / heads * t, s);
        Tensor weights = TorchKernels.Softmax(scores, mayBeHidden: op.Mask == AttentionMask.Bias || (op.IsPlain && x.Length > 3));
        return run.MatMul(weights, v).reshape(b, n, t, h).transpose(1, 2);
    }

    private static Tensor? Bias(AttentionOp op, Value node, Tensor[] x, TorchRun run, int past, long s)
    {
        int t = node.Shape[1];
        switch (op.Mask)
        {
            case AttentionMask.Causal when t == 1 && op.Window == 0 && x.Length == 3:
            case AttentionMask.Full when x.Length == 3:
                return null;
            case AttentionMask.Full:
            case AttentionMask.Causal:
                return run.Once((op.Mask, t, s, op.Window, node.Inputs.ElementAtOrDefault(3)), () =>
                {
                    Tensor visible = ones(t, s, ScalarType.Bool);
                    if (op.Mask == AttentionMask.Causal)
                        visible = visible.tril(past);
                    if (op.Window > 0)
                        visible = visible.triu(past - op.Window + 1);
                    return Hide(x.Length == 3 ? visible : visible & arange(s).ge(x[3].reshape(-1, 1, 1, 1)));
                });
            case AttentionMask.PackedPrefix:
                return run.Once((op.Mask, node.Inputs[3]), () =>
                {
                    Tensor query = x[3].unsqueeze(1).unsqueeze(-1), key = x[3].unsqueeze(1).unsqueeze(1);
                    return Hide((query.eq(key) & ones(t, t, ScalarType.Bool).tril()) | key.eq(0));
                });
            case AttentionMask.Bias:
                return x[3];
            default:
                throw new UnsupportedOpException(TorchExecutor.ExecutorName, op.Name, $"mask {op.Mask}");
        }
    }

    private static Tensor Hide(Tensor visible) =>
        zeros(visible.shape).masked_fill(visible.logical_not(), float.NegativeInfinity);

    /// <summary>Writes a chunk behind the tokens held and gives all of them as one tensor [B, past + T, K, H].</summary>
    private static Tensor Append(Tensor chunk, HostTensor slot, int past)
    {
        int batch = slot.Shape[0], capacity = slot.Shape[1], row = slot.Shape[2] * slot.Shape[3], tokens = (int)chunk.shape[1];
        Tensor all = empty(batch, past + tokens, slot.Shape[2], slot.Shape[3]);
        if (all.numel() == 0)
            return all;
        using Tensor plain = chunk.contiguous();
        Span<float> added = TorchMemory.Floats(plain), joined = TorchMemory.Floats(all);
        for (int b = 0; b < batch; b++)
        {
            Span<float> held = slot.Floats.Slice(b * capacity * row, (past + tokens) * row);
            added.Slice(b * tokens * row, tokens * row).CopyTo(held[(past * row)..]);
            held.CopyTo(joined[(b * (past + tokens) * row)..]);
        }
        return all;
    }
}
