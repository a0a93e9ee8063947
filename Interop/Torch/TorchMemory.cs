using System.Runtime.InteropServices;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Torch;

/// <summary>Copies between host tensors and libtorch tensors on the CPU.</summary>
internal static class TorchMemory
{
    /// <summary>A new libtorch tensor with the values of an F32 or I32 host tensor.</summary>
    internal static Tensor ToTorch(HostTensor source)
    {
        Tensor result = empty(TorchKernels.Long(source.Shape), TorchKernels.Type(source.Type));
        Fill(result, source);
        return result;
    }

    /// <summary>Overwrites a contiguous libtorch tensor of the same type and size.</summary>
    internal static void Fill(Tensor target, HostTensor source)
    {
        if (source.Data.Length > 0)
            source.Data.Span.CopyTo(target.bytes);
    }

    /// <summary>Copies a libtorch tensor of the same type and size into a host tensor.</summary>
    internal static void Read(Tensor source, HostTensor target)
    {
        if (target.Data.Length == 0)
            return;
        using Tensor plain = source.detach().contiguous();
        plain.bytes.CopyTo(target.Data.Span);
    }

    /// <summary>The elements of a contiguous I32 tensor.</summary>
    internal static ReadOnlySpan<int> Ints(Tensor tensor) => MemoryMarshal.Cast<byte, int>(tensor.bytes);

    /// <summary>The elements of a contiguous F32 tensor.</summary>
    internal static Span<float> Floats(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);
}
