using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;

namespace VlmSdk.Benchmarks;

/// <summary>The embedded Scout, its cache, and numbers to feed it.</summary>
internal static class EmbeddedScout
{
    internal static (ScoutConfig Config, WeightBinding Weights) Load()
    {
        ScoutCheckpoint checkpoint = ScoutCheckpoint.Load("scout");
        return (checkpoint.Config, new WeightBinding(checkpoint.Source, checkpoint.Tensors));
    }

    internal static KvCacheSpec Cache(ScoutConfig c) => new(c.DecoderLayers, c.DecoderWidth / c.HeadWidth, c.HeadWidth, c.PictureTokens + 64);

    internal static void Fill(HostTensor tensor, float low, float high)
    {
        var random = new Random(5);
        foreach (ref float value in tensor.Floats)
            value = low + (high - low) * random.NextSingle();
    }
}
