using TorchSharp;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>
/// Arithmetic with numbers that stay alive for the length of the call. TorchSharp hands libtorch a pointer to the number
/// and has a finalizer free it; a number that only the call's own argument held was seen freed while libtorch still read
/// it (a step then failed, or could have used another number in silence).
/// </summary>
internal static class KeptScalars
{
    private static readonly Scalar One = 1f.ToScalar(), MinusOne = (-1f).ToScalar();

    /// <summary>a + b.</summary>
    internal static Tensor Sum(Tensor a, Tensor b) => a.add(b, One);

    /// <summary>a - b.</summary>
    internal static Tensor Difference(Tensor a, Tensor b) => a.add(b, MinusOne);

    /// <summary>x * factor.</summary>
    internal static Tensor Times(this Tensor x, double factor)
    {
        using Scalar kept = factor.ToScalar();
        return x.mul(kept);
    }

    /// <summary>x *= factor.</summary>
    internal static Tensor TimesInPlace(this Tensor x, double factor)
    {
        using Scalar kept = factor.ToScalar();
        return x.mul_(kept);
    }

    /// <summary>x + offset.</summary>
    internal static Tensor Plus(this Tensor x, double offset)
    {
        using Scalar kept = offset.ToScalar();
        return x.add(kept);
    }

    /// <summary>x += factor * y.</summary>
    internal static Tensor PlusInPlace(this Tensor x, Tensor y, double factor)
    {
        using Scalar kept = factor.ToScalar();
        return x.add_(y, kept);
    }

    /// <summary>x += factor * a * b.</summary>
    internal static Tensor PlusProductInPlace(this Tensor x, Tensor a, Tensor b, double factor)
    {
        using Scalar kept = factor.ToScalar();
        return x.addcmul_(a, b, kept);
    }

    /// <summary>x += factor * a / b.</summary>
    internal static Tensor PlusQuotientInPlace(this Tensor x, Tensor a, Tensor b, double factor)
    {
        using Scalar kept = factor.ToScalar();
        return x.addcdiv_(a, b, kept);
    }
}
