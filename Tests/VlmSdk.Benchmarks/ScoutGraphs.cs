using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;

namespace VlmSdk.Benchmarks;

/// <summary>Scout's three graphs and the embedded weights.</summary>
internal static class ScoutGraphs
{
    internal static (ScoutConfig Config, WeightBinding Weights) Load()
    {
        ScoutCheckpoint checkpoint = ScoutCheckpoint.Load("scout");
        return (checkpoint.Config, new WeightBinding(checkpoint.Source, checkpoint.Tensors));
    }

    internal static Graph Encoder(ScoutConfig c)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, 1, 3, c.ImageSide, c.ImageSide);
        g.Output("picture", ScoutModel.Projector(g, c, ScoutModel.VisionEncoder(g, c, pixels)));
        return g.Build();
    }

    internal static Graph Prefix(ScoutConfig c)
    {
        var g = new GraphBuilder();
        Value picture = g.Input("picture", DType.F32, 1, c.PictureTokens, c.DecoderWidth);
        g.Output("hidden", ScoutModel.Decoder(g, c, picture, g.Input("positions", DType.I32, 1, c.PictureTokens), AttentionMask.Full, cached: true));
        return g.Build();
    }

    internal static Graph Step(ScoutConfig c)
    {
        var g = new GraphBuilder();
        Value x = ScoutModel.Embed(g, c, g.Input("tokens", DType.I32, 1, 1));
        Value hidden = ScoutModel.Decoder(g, c, x, g.Input("positions", DType.I32, 1, 1), AttentionMask.Causal, cached: true);
        g.Output("logits", ScoutModel.Head(g, c, hidden));
        return g.Build();
    }

    internal static KvCacheSpec Cache(ScoutConfig c) => new(c.DecoderLayers, c.DecoderWidth / c.HeadWidth, c.HeadWidth, c.PictureTokens + 64);

    internal static void Fill(HostTensor tensor, float low, float high)
    {
        var random = new Random(5);
        foreach (ref float value in tensor.Floats)
            value = low + (high - low) * random.NextSingle();
    }
}
