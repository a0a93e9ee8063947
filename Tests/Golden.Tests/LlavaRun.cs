using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Llava;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>LLaVA's graphs on one executor with one set of weights.</summary>
internal sealed class LlavaRun(IExecutor executor, LlavaConfig config, IReadOnlyDictionary<string, HostTensor> weights)
{
    /// <summary>All logits of a batch at once, with every tap. With a mask [B, T] its zeros on the left are padding.</summary>
    internal Dictionary<string, HostTensor> Whole(HostTensor ids, HostTensor pixels, HostTensor? positions = null, HostTensor? mask = null)
    {
        int batch = ids.Shape[0];
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids.Ints, pixels.Shape[0]);
        var shape = new Shape(batch, expanded.Length / batch);
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, shape, pixels.Shape, places.Length, cached: false, mask is not null));
        return GoldenCase.Run(executor, g, weights, Inputs(shape, expanded, places, pixels, positions, mask));
    }

    /// <summary>The logits of prompts [B, T, V] and greedy tokens behind them through the cache, with the logits that chose each. A mask is as for <see cref="Whole"/>.</summary>
    internal (HostTensor Prompt, int[] Ids, float[] Logits) Greedy(HostTensor ids, HostTensor pixels, int steps, HostTensor? positions = null, HostTensor? mask = null)
    {
        int batch = ids.Shape[0];
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids.Ints, pixels.Shape[0]);
        var shape = new Shape(batch, expanded.Length / batch);
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, shape, pixels.Shape, places.Length, cached: true, mask is not null));
        return Greedy(executor, config.Decoder, weights, g, Inputs(shape, expanded, places, pixels, positions, mask), steps);
    }

    /// <summary>The same for any graph of prompts with a Llama decoder.</summary>
    internal static (HostTensor Prompt, int[] Ids, float[] Logits) Greedy(
        IExecutor executor, LlamaConfig d, IReadOnlyDictionary<string, HostTensor> weights, GraphBuilder prompts, IReadOnlyDictionary<string, HostTensor> inputs, int steps)
    {
        (int batch, int length) = (inputs["ids"].Shape[0], inputs["ids"].Shape[1]);
        HostTensor? padding = inputs.GetValueOrDefault("padding");
        using KvCache cache = executor.CreateCache(new KvCacheSpec(d.Layers, d.KeyValueHeads, d.HeadWidth, length + steps, batch));
        HostTensor logits = GoldenCase.Run(executor, prompts, weights, inputs, cache)["logits"];
        var g = new GraphBuilder();
        Value x = LlamaDecoder.Embed(g, d, g.Input("ids", DType.I32, batch, 1));
        g.Output("logits", LlamaDecoder.Head(g, d, LlamaDecoder.Layers(g, d, x, g.Input("positions", DType.I32, batch, 1), cached: true, Hidden(g, batch, padding is not null))));
        (int[] chosen, float[] each) = GoldenCase.Greedy(executor, g, weights, cache, logits, inputs["positions"], padding, steps, d.VocabularySize);
        return (logits, chosen, each);
    }

    /// <summary>The input that counts padding, if there is any.</summary>
    internal static Value? Hidden(GraphBuilder g, int batch, bool padded) => padded ? g.Input("padding", DType.I32, batch) : null;

    /// <summary>The graph from pixels and ids to logits [B, T, V].</summary>
    internal static Value Record(GraphBuilder g, LlavaConfig config, Shape ids, Shape pixels, int places, bool cached, bool masked)
    {
        Value pictures = LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, pixels.Axes)));
        Value hidden = LlavaModel.Decoder(g, config, g.Input("ids", DType.I32, ids.Axes), g.Input("places", DType.I32, places),
            pictures, g.Input("positions", DType.I32, ids.Axes), cached, Hidden(g, ids[0], masked));
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
            inputs["padding"] = Padding.Of(mask);
        return inputs;
    }
}
