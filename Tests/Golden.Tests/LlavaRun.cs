using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Llava;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>LLaVA's graphs on one executor with one set of weights.</summary>
internal sealed class LlavaRun(IExecutor executor, LlavaConfig config, IReadOnlyDictionary<string, HostTensor> weights)
{
    /// <summary>All logits of a batch at once, with every tap. With a mask [B, T] its zeros are hidden from every query.</summary>
    internal Dictionary<string, HostTensor> Whole(HostTensor ids, HostTensor pixels, HostTensor? positions = null, HostTensor? mask = null)
    {
        int batch = ids.Shape[0];
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids.Ints, pixels.Shape[0]);
        var shape = new Shape(batch, expanded.Length / batch);
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, shape, pixels.Shape, places.Length, cached: false, mask is not null));
        return GoldenCase.Run(executor, g, weights, Inputs(shape, expanded, places, pixels, positions, mask));
    }

    /// <summary>Greedy tokens of one sequence through the cache, and the logits that chose each.</summary>
    internal (int[] Ids, float[] Logits) Greedy(ReadOnlySpan<int> prompt, HostTensor pixels, int steps)
    {
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, prompt, pixels.Shape[0]);
        LlamaConfig d = config.Decoder;
        using KvCache cache = executor.CreateCache(new KvCacheSpec(d.Layers, d.KeyValueHeads, d.HeadWidth, expanded.Length + steps));
        var shape = new Shape(1, expanded.Length);
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, shape, pixels.Shape, places.Length, cached: true, masked: false));
        HostTensor logits = GoldenCase.Run(executor, g, weights, Inputs(shape, expanded, places, pixels, null, null), cache)["logits"];
        return Steps(executor, d, weights, cache, logits, steps);
    }

    /// <summary>Greedy tokens of a Llama decoder after a prompt that lies in the cache and gave logits [1, T, V], and the logits that chose each.</summary>
    internal static (int[] Ids, float[] Logits) Steps(
        IExecutor executor, LlamaConfig d, IReadOnlyDictionary<string, HostTensor> weights, KvCache cache, HostTensor prompt, int steps)
    {
        var g = new GraphBuilder();
        Value x = LlamaDecoder.Embed(g, d, g.Input("ids", DType.I32, 1, 1));
        g.Output("logits", LlamaDecoder.Head(g, d, LlamaDecoder.Layers(g, d, x, g.Input("positions", DType.I32, 1, 1), cached: true)));
        return GoldenCase.Greedy(executor, g, weights, cache, prompt, steps, d.VocabularySize);
    }

    /// <summary>The graph from pixels and ids to logits [B, T, V].</summary>
    internal static Value Record(GraphBuilder g, LlavaConfig config, Shape ids, Shape pixels, int places, bool cached, bool masked)
    {
        Value pictures = LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, pixels.Axes)));
        Value? bias = masked ? g.Input("bias", DType.F32, ids[0], 1, ids[1], ids[1]) : null;
        Value hidden = LlavaModel.Decoder(g, config, g.Input("ids", DType.I32, ids.Axes), g.Input("places", DType.I32, places),
            pictures, g.Input("positions", DType.I32, ids.Axes), cached, bias);
        return LlavaModel.Head(g, config, hidden);
    }

    internal static Dictionary<string, HostTensor> Inputs(Shape shape, int[] ids, int[] places, HostTensor pixels, HostTensor? positions, HostTensor? mask)
    {
        int length = shape[1];
        var inputs = new Dictionary<string, HostTensor>
        {
            ["pixels"] = pixels,
            ["ids"] = HostTensor.From(shape, ids),
            ["places"] = HostTensor.From(new Shape(places.Length), places),
            ["positions"] = positions ?? HostTensor.From(shape, Enumerable.Range(0, ids.Length).Select(i => i % length).ToArray()),
        };
        if (mask is not null)
            inputs["bias"] = Bias(mask);
        return inputs;
    }

    /// <summary>The attention bias [B, 1, T, T] of a mask [B, T] whose zeros are padding.</summary>
    internal static HostTensor Bias(HostTensor mask)
    {
        int length = mask.Shape[1];
        // Causal, and padding hidden; padding sees itself, so that no row is without a key.
        var bias = new HostTensor(DType.F32, new Shape(mask.Shape[0], 1, length, length));
        for (int i = 0; i < bias.Floats.Length; i++)
        {
            int key = i % length, query = i / length % length, row = i / length / length;
            bias.Floats[i] = key == query || (key < query && mask.Ints[row * length + key] != 0) ? 0 : float.NegativeInfinity;
        }
        return bias;
    }
}
