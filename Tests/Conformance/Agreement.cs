using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Comparison of results.</summary>
internal static class Agreement
{
    /// <summary>
    /// Integers are equal; floats differ by at most <paramref name="tolerance"/> of the expected value or of the root
    /// mean square of all finite expected values, whichever is larger; infinities and NaN stand at the same places.
    /// </summary>
    internal static void Check(HostTensor actual, HostTensor expected, double tolerance, string what)
    {
        Assert.That((actual.Type, actual.Shape), Is.EqualTo((expected.Type, expected.Shape)), what);
        if (expected.Type == DType.I32)
        {
            Assert.That(actual.Ints.ToArray(), Is.EqualTo(expected.Ints.ToArray()), what);
            return;
        }
        Span<float> a = actual.Floats, e = expected.Floats;
        double square = 0;
        int finite = 0;
        foreach (float v in e)
            if (float.IsFinite(v))
                (square, finite) = (square + (double)v * v, finite + 1);
        double scale = Math.Sqrt(square / Math.Max(1, finite));
        for (int i = 0; i < e.Length; i++)
        {
            bool same = a[i].Equals(e[i]) || Math.Abs((double)a[i] - e[i]) <= tolerance * Math.Max(scale, Math.Abs(e[i]));
            if (!same)
                Assert.Fail($"{what}: element {i} of {expected.Shape} is {a[i]:R}, expected {e[i]:R} (scale {scale:G4})");
        }
    }
}
