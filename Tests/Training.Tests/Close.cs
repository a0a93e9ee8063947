using VlmSdk.Tensors;

namespace VlmSdk.Tests.Training;

/// <summary>Comparison of float tensors.</summary>
internal static class Close
{
    /// <summary>Largest difference, relative to the expected value or to 1, whichever is larger; infinite when one side is not a number.</summary>
    internal static double Worst(HostTensor actual, HostTensor expected)
    {
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape));
        return Worst(actual.Floats, expected.Floats);
    }

    /// <summary>The same over plain numbers.</summary>
    internal static double Worst(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i]) / Math.Max(1, Math.Abs(expected[i]));
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
        }
        return worst;
    }
}
