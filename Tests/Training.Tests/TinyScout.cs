using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Training;

/// <summary>The tiny Scout's loss graph with made-up weights and inputs, the same on every run.</summary>
internal static class TinyScout
{
    internal const int Batch = 2, Text = 7, Boxes = 2;

    internal static ScoutConfig Config => ScoutConfig.Tiny;

    internal static Graph Loss() => ScoutLoss.Full(Config, Batch, Text, Boxes);

    internal static WeightBinding Weights(Graph graph)
    {
        var random = new Random(3);
        return new WeightBinding("made up", graph.Weights.ToDictionary(w => w.WeightName, w =>
        {
            bool gain = w.WeightName.Contains("n1.weight", StringComparison.Ordinal) || w.WeightName.Contains("n2.weight", StringComparison.Ordinal)
                || w.WeightName is "en.weight" or "dn.weight";
            int fan = w.WeightShape.Rank < 2 ? 4 : (int)w.WeightShape[1..].Count;
            return Fill(w.WeightShape, () => (gain ? 1 : 0) + (random.NextSingle() - 0.5f) * 1.6f / MathF.Sqrt(fan));
        }));
    }

    /// <summary>Values in the ranges a batch has: weights that add up to about 1, boxes inside the picture.</summary>
    internal static Dictionary<string, HostTensor> Inputs(Graph graph)
    {
        var random = new Random(5);
        return graph.Inputs.ToDictionary(i => i.InputName, i => Make(i, random));
    }

    private static HostTensor Make(InputOp input, Random random)
    {
        Shape shape = input.InputShape;
        int count = (int)shape.Count, row = 0;
        switch (input.InputName)
        {
            case "pixels": return Fill(shape, () => random.NextSingle() * 4 - 2);
            case "tokens": return HostTensor.From(shape, Numbers(count, _ => random.Next(Config.VocabularySize)));
            case "positions": return HostTensor.From(shape, Numbers(count, i => i % shape[1]));
            case "segments": return HostTensor.From(shape, Numbers(count, i => i % shape[1] < Config.PictureTokens ? 0 : 1 + (i % shape[1] - Config.PictureTokens) / 4));
            case "box_rows": return HostTensor.From(shape, Numbers(count, i => i));
            case "answer": return Fill(shape, () => random.NextSingle() / count);
        }
        if (input.InputName.EndsWith("box", StringComparison.Ordinal))
            return Fill(shape, () => (row++ % 4 < 2 ? 0.1f : 0.6f) + 0.3f * random.NextSingle());
        if (input.InputName.EndsWith("weight", StringComparison.Ordinal))
            return Fill(shape, () => 2 * random.NextSingle() / count);
        if (input.InputName.EndsWith("shape", StringComparison.Ordinal) || input.InputName.EndsWith("colour", StringComparison.Ordinal))
            return Fill(shape, () => random.NextSingle() / count);
        return Fill(shape, () => random.Next(2));
    }

    internal static HostTensor Fill(Shape shape, Func<float> next)
    {
        var tensor = new HostTensor(DType.F32, shape);
        foreach (ref float v in tensor.Floats)
            v = next();
        return tensor;
    }

    private static int[] Numbers(int count, Func<int, int> number) => [.. Enumerable.Range(0, count).Select(number)];
}
