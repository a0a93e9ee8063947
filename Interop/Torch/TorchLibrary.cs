using TorchSharp;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Torch;

/// <summary>Loading and process-wide settings of libtorch.</summary>
internal static class TorchLibrary
{
    internal static void Load(TorchOptions options)
    {
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception fault) when (fault is NotSupportedException or DllNotFoundException or TypeInitializationException)
        {
            throw new DeviceUnavailableException(
                "libtorch could not be loaded. Publish for the system you run on, so that the libtorch-cpu package of that system is beside " +
                $"the program, or choose another backend. The loader said: {fault.Message}", fault);
        }
        if (options.Threads is { } threads)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1, "options.Threads");
            torch.set_num_threads(threads);
        }
    }

    /// <summary>A weight as floats: the tensor itself when it is stored so, else dequantized.</summary>
    internal static HostTensor Floats(HostTensor weight) => weight.Type == DType.F32 ? weight : Dequantizer.ToFloats(weight);
}
