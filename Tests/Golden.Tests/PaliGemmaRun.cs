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
        Value hidden = Record(g, config, ids, pixels, cached: false, segments is not null);
        g.Output("logits", PaliGemmaModel.Head(g, config, hidden));
        g.Output("logits_softcapped", PaliGemmaModel.Head(g, config, hidden, softCap: true));
        return GoldenCase.Run(executor, g, weights, Inputs(config, ids, pixels, positions, segments));
    }

    /// <summary>Greedy words of one sequence through the cache, and the logits that chose each.</summary>
    internal (int[] Ids, float[] Logits) Greedy(ReadOnlySpan<int> prompt, HostTensor pixels, int steps)
    {
        GemmaConfig d = config.Decoder;
        HostTensor ids = HostTensor.From(new Shape(1, prompt.Length), prompt);
        using KvCache cache = executor.CreateCache(new KvCacheSpec(d.Layers, d.KeyValueHeads, d.HeadWidth, prompt.Length + steps));
        var g = new GraphBuilder();
        g.Output("logits", PaliGemmaModel.Head(g, config, Record(g, config, ids, pixels, cached: true, masked: false)));
        HostTensor last = GoldenCase.Run(executor, g, weights, Inputs(config, ids, pixels, null, null), cache)["logits"];

        var step = new GraphBuilder();
        Value hidden = PaliGemmaModel.Step(step, config, step.Input("ids", DType.I32, 1, 1), step.Input("positions", DType.I32, 1, 1));
        step.Output("logits", PaliGemmaModel.Head(step, config, hidden));
        return GoldenCase.Greedy(executor, step, weights, cache, last, steps, config.ImageToken);
    }

    /// <summary>The largest logit among the words; the rows behind them are filler.</summary>
    internal int Largest(ReadOnlySpan<float> logits) => Logits.ArgMax(logits[..config.ImageToken]);

    /// <summary>The graph from pixels and ids to hidden states [B, T, D].</summary>
    internal static Value Record(GraphBuilder g, PaliGemmaConfig config, HostTensor ids, HostTensor pixels, bool cached, bool masked)
    {
        int rows = pixels.Shape[0] * config.ImageRows;
        Value pictures = PaliGemmaModel.Projector(g, config, PaliGemmaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, pixels.Shape.Axes)));
        return PaliGemmaModel.Decoder(g, config, g.Input("ids", DType.I32, ids.Shape.Axes), g.Input("places", DType.I32, rows), pictures,
            g.Input("positions", DType.I32, ids.Shape.Axes), cached, masked ? g.Input("segments", DType.I32, ids.Shape.Axes) : null);
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
}
