using System.Runtime.Intrinsics.X86;

namespace VlmSdk.Torch;

/// <summary>Settings of the torch executor and of training plans.</summary>
public sealed record TorchOptions
{
    /// <summary>
    /// Threads of one operation, for the whole process (libtorch has one setting); null leaves libtorch's choice, the
    /// number of cores.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Computes the heavy products (Linear, MatMul, Conv2d, the products of attention) in bfloat16, with their results and
    /// all else (losses, norms, softmax, weights, gradients of weights) in float32. Left null, an executor computes in
    /// float32, being an oracle, and a training plan in bfloat16 where the processor has instructions for it: there a
    /// training step of Scout takes about half the time.
    /// </summary>
    public bool? BFloat16Products { get; init; }

    /// <summary>Whether this processor multiplies bfloat16 (AVX512_BF16 or AMX-BF16).</summary>
    internal static bool HasBFloat16Products
    {
        get
        {
            if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
                return false;
            (int subleaves, _, _, int edx) = X86Base.CpuId(7, 0);
            return (edx & (1 << 22)) != 0 || (subleaves >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0);
        }
    }
}
