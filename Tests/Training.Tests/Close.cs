using VlmSdk.Tensors;

namespace VlmSdk.Tests.Training;

/// <summary>Comparison of float tensors.</summary>
internal static class Close
{
    /// <summary>
    /// Largest difference, relative to the largest of: the expected value, the root mean square of all expected values,
    /// and 1. Infinite when one side is not a number.
    /// </summary>
    internal static double Worst(HostTensor actual, HostTensor expected)
    {
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape));
        return Worst(actual.Floats, expected.Floats);
    }

    /// <summary>The same over plain numbers.</summary>
    internal static double Worst(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double worst = 0, square = 0;
        foreach (float v in expected)
            square += (double)v * v;
        // The stem's features are in the thousands: what cancels there is small against its neighbours, not against 1.
        double scale = Math.Max(1, Math.Sqrt(square / Math.Max(1, expected.Length)));
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i]) / Math.Max(scale, Math.Abs(expected[i]));
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
        }
        return worst;
    }
}
