using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Pixtral;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Pixtral's graphs on one executor with one set of weights. Pictures are F32 [1, 3, h, w], each of its own size.</summary>
internal sealed class PixtralRun(IExecutor executor, PixtralConfig config, IReadOnlyDictionary<string, HostTensor> weights)
{
    /// <summary>All logits of a batch at once, with every tap. With a mask [B, T] its zeros on the left are padding.</summary>
    internal Dictionary<string, HostTensor> Whole(HostTensor ids, HostTensor[] pictures, HostTensor? mask = null)
    {
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, ids.Shape, pictures, cached: false, masked: mask is not null));
        return GoldenCase.Run(executor, g, weights, Inputs(config, ids, pictures, mask));
    }

    /// <summary>The logits of a padded batch [B, T, V] and greedy tokens behind it through the cache, with the logits that chose each.</summary>
    internal (HostTensor Prompt, int[] Ids, float[] Logits) Greedy(HostTensor ids, HostTensor[] pictures, HostTensor mask, int steps)
    {
        var g = new GraphBuilder();
        g.Output("logits", Record(g, config, ids.Shape, pictures, cached: true, masked: true));
        return LlavaRun.Greedy(executor, config.Decoder, weights, g, Inputs(config, ids, pictures, mask), steps);
    }

    /// <summary>Patch features of pictures after the last block, [1, P, E].</summary>
    internal HostTensor Encode(params HostTensor[] pictures)
    {
        var g = new GraphBuilder();
        g.Output("features", PixtralModel.VisionEncoder(g, config, Pixels(g, pictures)));
        return GoldenCase.Run(executor, g, weights, Named(pictures), taps: false)["features"];
    }

    /// <summary>
    /// Greedy tokens of one sequence and the logits that chose each, as a runtime makes them: the rows of every picture, the
    /// prompt with them into the cache, then token by token.
    /// </summary>
    internal (int[] Ids, float[] Logits) Greedy(IPrefixModel model, HostTensor ids, HostTensor[] pictures, int steps)
    {
        var g = new GraphBuilder();
        var rows = new List<float>();
        foreach (HostTensor picture in pictures)
        {
            var alone = new GraphBuilder();
            alone.Output("rows", model.Rows(alone, Pixels(alone, [picture])[0]));
            rows.AddRange(GoldenCase.Run(executor, alone, weights, Named([picture]), taps: false)["rows"].Floats);
        }
        Dictionary<string, HostTensor> inputs = Inputs(config, ids, pictures, null);
        inputs["rows"] = HostTensor.From(new Shape(inputs["places"].Shape[0], config.Decoder.Width), rows.ToArray());
        Value hidden = model.Hidden(g, g.Input("ids", DType.I32, ids.Shape.Axes), g.Input("positions", DType.I32, ids.Shape.Axes),
            g.Input("places", DType.I32, inputs["places"].Shape.Axes), g.Input("rows", DType.F32, inputs["rows"].Shape.Axes));
        g.Output("logits", model.Logits(g, hidden));
        (_, int[] chosen, float[] logits) = LlavaRun.Greedy(executor, config.Decoder, weights, g, inputs, steps);
        return (chosen, logits);
    }

    /// <summary>The graph from pixels and ids to logits [B, T, V].</summary>
    internal static Value Record(GraphBuilder g, PixtralConfig config, Shape ids, HostTensor[] pictures, bool cached, bool masked)
    {
        Value features = PixtralModel.Projector(g, config, PixtralModel.VisionEncoder(g, config, Pixels(g, pictures)));
        Value hidden = PixtralModel.Decoder(g, config, g.Input("ids", DType.I32, ids.Axes), g.Input("places", DType.I32, features.Shape[1]),
            features, g.Input("positions", DType.I32, ids.Axes), cached, LlavaRun.Hidden(g, ids[0], masked));
        return PixtralModel.Head(g, config, hidden);
    }

    internal static Dictionary<string, HostTensor> Inputs(PixtralConfig config, HostTensor ids, HostTensor[] pictures, HostTensor? mask)
    {
        int length = ids.Shape[1], patch = config.Vision.PatchSize;
        int[] places = PixtralPrompt.Places(config, ids.Ints, [.. pictures.Select(p => (p.Shape[2] / patch, p.Shape[3] / patch))]);
        var positions = new HostTensor(DType.I32, ids.Shape);
        // The real tokens before each, so that padding on the left takes no position.
        for (int i = 0, before = 0; i < positions.Ints.Length; i++)
        {
            before = i % length == 0 ? 0 : before + (mask is null || mask.Ints[i - 1] != 0 ? 1 : 0);
            positions.Ints[i] = before;
        }
        Dictionary<string, HostTensor> inputs = Named(pictures);
        inputs["ids"] = ids;
        inputs["places"] = HostTensor.From(new Shape(places.Length), places);
        inputs["positions"] = positions;
        if (mask is not null)
            inputs["padding"] = Padding.Of(mask);
        return inputs;
    }

    private static Value[] Pixels(GraphBuilder g, HostTensor[] pictures) =>
        [.. pictures.Select((p, i) => g.Input($"pixels.{i}", DType.F32, p.Shape.Axes))];

    private static Dictionary<string, HostTensor> Named(HostTensor[] pictures) =>
        pictures.Select((p, i) => (Name: $"pixels.{i}", Picture: p)).ToDictionary(p => p.Name, p => p.Picture);
}
