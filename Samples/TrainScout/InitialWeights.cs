using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Weights to start from nothing.</summary>
internal static class InitialWeights
{
    /// <summary>
    /// Matrices keep the variance of what they read; the last convolution of each residual and the output matrices of the
    /// layers start small, so that a deep network begins near the identity.
    /// </summary>
    internal static WeightBinding Create(Graph graph, int seed)
    {
        var random = new Random(seed);
        var tensors = new Dictionary<string, HostTensor>();
        foreach (WeightOp weight in graph.Weights.DistinctBy(w => w.WeightName).OrderBy(w => w.WeightName, StringComparer.Ordinal))
        {
            var tensor = new HostTensor(DType.F32, weight.WeightShape);
            float deviation = Deviation(weight.WeightName, weight.WeightShape);
            foreach (ref float value in tensor.Floats)
                value = weight.WeightShape.Rank == 1 ? Vector(weight.WeightName) : deviation * Normal(random);
            tensors.Add(weight.WeightName, tensor);
        }
        return new WeightBinding("initial weights", tensors);
    }

    private static float Vector(string name) => name.EndsWith("bias", StringComparison.Ordinal) ? 0 : 1;

    private static float Deviation(string name, Shape shape)
    {
        if (name is "pos" or "emb.weight")
            return 0.02f;
        if (name is "lh.weight" or "aux.weight" or "aux2.weight")
            return 0.005f;
        long inputs = shape.Count / shape[0];
        bool convolution = shape.Rank == 4, last = name.EndsWith(".b.weight", StringComparison.Ordinal)
            || name.EndsWith("att.o.weight", StringComparison.Ordinal) || name.EndsWith("f2.weight", StringComparison.Ordinal) || name.EndsWith("dn.weight", StringComparison.Ordinal);
        return MathF.Sqrt((convolution ? 2f : 1f) / inputs) * (last ? 0.3f : 1);
    }

    private static float Normal(Random random) =>
        MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
}
