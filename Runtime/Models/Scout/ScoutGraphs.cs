using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Models.Scout;

/// <summary>Scout's model functions recorded as the graphs a runtime prepares: encode a picture, let the decoder read it, read and write text.</summary>
public static class ScoutGraphs
{
    /// <summary>"pixels" [1, 3, S, S] to "picture" [1, T, D].</summary>
    public static Graph Encode(ScoutConfig c)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, 1, 3, c.ImageSide, c.ImageSide);
        g.Output("picture", ScoutModel.Projector(g, c, ScoutModel.VisionEncoder(g, c, pixels)));
        return g.Build();
    }

    /// <summary>"picture" [1, T, D] at "positions" [1, T] into the cache; "hidden" [1, T, D]. Picture tokens see each other.</summary>
    public static Graph Prefix(ScoutConfig c)
    {
        var g = new GraphBuilder();
        Value picture = g.Input("picture", DType.F32, 1, c.PictureTokens, c.DecoderWidth);
        Value positions = g.Input("positions", DType.I32, 1, c.PictureTokens);
        g.Output("hidden", ScoutModel.Decoder(g, c, picture, positions, AttentionMask.Full, cached: true));
        return g.Build();
    }

    /// <summary>"tokens" I32 [1, n] at "positions" [1, n] behind the cache; "logits" [1, n, V].</summary>
    public static Graph Text(ScoutConfig c, int tokens)
    {
        var g = new GraphBuilder();
        Value ids = g.Input("tokens", DType.I32, 1, tokens);
        Value positions = g.Input("positions", DType.I32, 1, tokens);
        Value hidden = ScoutModel.Decoder(g, c, ScoutModel.Embed(g, c, ids), positions, AttentionMask.Causal, cached: true);
        g.Output("logits", ScoutModel.Head(g, c, hidden));
        return g.Build();
    }
}
