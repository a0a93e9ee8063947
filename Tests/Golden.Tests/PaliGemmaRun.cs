using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>PaliGemma's graphs on one executor with one set of weights.</summary>
internal sealed class PaliGemmaRun(IExecutor executor, PaliGemmaConfig config, IReadOnlyDictionary<string, HostTensor> weights)
{
    internal PaliGemmaConfig Config => config;

    /// <summary>All logits of a batch at once, plain and inside the final bound, with every tap.</summary>
    internal Dictionary<string, HostTensor> Whole(HostTensor ids, HostTensor pixels, HostTensor? positions = null, HostTensor? segments = null)
    {
        var g = new GraphBuilder();
        Value hidden = segments is null ? Prompts(g, ids.Shape, pixels.Shape, cached: false, padded: false) : TeacherForced(g, config, ids.Shape, pixels.Shape);
        g.Output("logits", PaliGemmaModel.Head(g, config, hidden));
        g.Output("logits_softcapped", PaliGemmaModel.Head(g, config, hidden, softCap: true));
        return GoldenCase.Run(executor, g, weights, Inputs(config, ids, pixels, positions, segments));
    }

    /// <summary>
    /// The logits of prompts [B, T, V] and greedy words behind them through the cache, with the logits that chose each. With a mask [B, T]
    /// its zeros on the left are padding.
    /// </summary>
    internal (HostTensor Prompt, int[] Ids, float[] Logits) Greedy(HostTensor ids, HostTensor pixels, int steps, HostTensor? positions = null, HostTensor? mask = null)
    {
        GemmaConfig d = config.Decoder;
        int batch = ids.Shape[0];
        HostTensor? padding = mask is null ? null : Padding.Of(mask);
        Dictionary<string, HostTensor> inputs = Inputs(config, ids, pixels, positions, null);
        if (padding is not null)
            inputs["padding"] = padding;
        using KvCache cache = executor.CreateCache(new KvCacheSpec(d.Layers, d.KeyValueHeads, d.HeadWidth, ids.Shape[1] + steps, batch));
        var g = new GraphBuilder();
        g.Output("logits", PaliGemmaModel.Head(g, config, Prompts(g, ids.Shape, pixels.Shape, cached: true, padding is not null)));
        HostTensor prompt = GoldenCase.Run(executor, g, weights, inputs, cache)["logits"];

        var step = new GraphBuilder();
        Value hidden = PaliGemmaModel.Step(step, config, step.Input("ids", DType.I32, batch, 1), step.Input("positions", DType.I32, batch, 1),
            LlavaRun.Hidden(step, batch, padding is not null));
        step.Output("logits", PaliGemmaModel.Head(step, config, hidden));
        (int[] chosen, float[] logits) = GoldenCase.Greedy(executor, step, weights, cache, prompt, inputs["positions"], padding, steps, config.ImageToken);
        return (prompt, chosen, logits);
    }

    /// <summary>The largest logit among the words; the rows behind them are filler.</summary>
    internal int Largest(ReadOnlySpan<float> logits) => Logits.ArgMax(logits[..config.ImageToken]);

    /// <summary>The graph from pixels and the ids of prompts with answers to hidden states [B, T, D].</summary>
    internal static Value TeacherForced(GraphBuilder g, PaliGemmaConfig config, Shape ids, Shape pixels)
    {
        (Value pictures, Value places) = Pictures(g, config, pixels);
        return PaliGemmaModel.TeacherForced(g, config, g.Input("ids", DType.I32, ids.Axes), places, pictures,
            g.Input("positions", DType.I32, ids.Axes), g.Input("segments", DType.I32, ids.Axes));
    }

    internal static Dictionary<string, HostTensor> Inputs(PaliGemmaConfig config, HostTensor ids, HostTensor pixels, HostTensor? positions, HostTensor? segments)
    {
        (int[] expanded, int[] places) = PaliGemmaPrompt.Expand(config, ids.Ints, pixels.Shape[0]);
        int length = ids.Shape[1];
        var inputs = new Dictionary<string, HostTensor>
        {
            ["pixels"] = pixels,
            ["ids"] = HostTensor.From(ids.Shape, expanded),
            ["places"] = HostTensor.From(new Shape(places.Length), places),
            ["positions"] = positions ?? HostTensor.From(ids.Shape, Enumerable.Range(0, expanded.Length).Select(i => i % length).ToArray()),
        };
        if (segments is not null)
            inputs["segments"] = segments;
        return inputs;
    }

    private Value Prompts(GraphBuilder g, Shape ids, Shape pixels, bool cached, bool padded)
    {
        (Value pictures, Value places) = Pictures(g, config, pixels);
        return PaliGemmaModel.Decoder(g, config, g.Input("ids", DType.I32, ids.Axes), places, pictures,
            g.Input("positions", DType.I32, ids.Axes), cached, LlavaRun.Hidden(g, ids[0], padded));
    }

    private static (Value Pictures, Value Places) Pictures(GraphBuilder g, PaliGemmaConfig config, Shape pixels) =>
        (PaliGemmaModel.Projector(g, config, PaliGemmaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, pixels.Axes))),
            g.Input("places", DType.I32, pixels[0] * config.ImageRows));
}
