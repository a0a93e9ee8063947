using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Execution;

/// <summary>Attention with and without a KV cache, one query and one head at a time.</summary>
internal static class ReferenceAttention
{
    internal static void Run(AttentionOp op, HostTensor[] x, HostTensor y, KvCache? cache)
    {
        HostTensor keys = x[1], values = x[2];
        int past = 0;
        if (op.Slot is { } slot)
        {
            past = cache!.Length;
            Append(keys, cache.Keys(slot), past);
            Append(values, cache.Values(slot), past);
            (keys, values) = (cache.Keys(slot), cache.Values(slot));
        }
        int batch = y.Shape[0], chunk = y.Shape[1], heads = y.Shape[2], width = y.Shape[3], kvHeads = keys.Shape[2];
        int visible = op.Slot is null ? keys.Shape[1] : past + chunk, stride = keys.Shape[1];
        var scores = new float[visible];
        for (int b = 0; b < batch; b++)
            for (int n = 0; n < heads; n++)
                for (int t = 0; t < chunk; t++)
                {
                    int kvHead = n / (heads / kvHeads);
                    ReadOnlySpan<float> query = x[0].Floats.Slice(((b * chunk + t) * heads + n) * width, width);
                    for (int s = 0; s < visible; s++)
                        scores[s] = (float)(Cap(op.Scale * ReferenceKernels.Dot(query, Row(keys, s)), op.SoftCap) + Bias(op, x, b, n, t, s, past));
                    ReferenceKernels.Softmax(scores, scores);
                    Span<float> result = y.Floats.Slice(((b * chunk + t) * heads + n) * width, width);
                    for (int h = 0; h < width; h++)
                    {
                        double sum = 0;
                        for (int s = 0; s < visible; s++)
                            sum += (double)scores[s] * Row(values, s)[h];
                        result[h] = (float)sum;
                    }

                    Span<float> Row(HostTensor tensor, int s) => tensor.Floats.Slice(((b * stride + s) * kvHeads + kvHead) * width, width);
                }
    }

    private static double Cap(double score, float bound) => bound > 0 ? bound * Math.Tanh(score / bound) : score;

    private static float Bias(AttentionOp op, HostTensor[] x, int b, int n, int t, int s, int past)
    {
        if (op.IsPlain && x.Length > 3 && s < x[3].Ints[b])
            return float.NegativeInfinity;
        switch (op.Mask)
        {
            case AttentionMask.Causal:
                return s <= past + t && (op.Window == 0 || s > past + t - op.Window) ? 0 : float.NegativeInfinity;
            case AttentionMask.PackedPrefix:
                ReadOnlySpan<int> segments = x[3].Ints.Slice(b * x[3].Shape[1], x[3].Shape[1]);
                return segments[s] == 0 || (segments[s] == segments[t] && s <= t) ? 0 : float.NegativeInfinity;
            case AttentionMask.Bias:
                int[] strides = ShapeRules.BroadcastStrides(x[3].Shape, new Shape(x[0].Shape[0], x[0].Shape[2], x[0].Shape[1], x[1].Shape[1]));
                return x[3].Floats[b * strides[0] + n * strides[1] + t * strides[2] + s * strides[3]];
            default:
                return 0;
        }
    }

    private static void Append(HostTensor chunk, HostTensor slot, int past)
    {
        int row = chunk.Shape[2] * chunk.Shape[3], tokens = chunk.Shape[1], capacity = slot.Shape[1];
        for (int b = 0; b < chunk.Shape[0]; b++)
            chunk.Floats.Slice(b * tokens * row, tokens * row).CopyTo(slot.Floats[((b * capacity + past) * row)..]);
    }
}
