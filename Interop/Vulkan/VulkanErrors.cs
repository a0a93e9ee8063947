using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>Vulkan result codes as exceptions.</summary>
internal static class VulkanErrors
{
    internal static void Check(Result result, string call)
    {
        if (result < Result.Success)
            throw Create(result, call);
    }

    internal static VlmException Create(Result result, string call) => result switch
    {
        Result.ErrorDeviceLost => Lost(call),
        Result.ErrorOutOfDeviceMemory or Result.ErrorOutOfHostMemory => new CaptureException(
            $"{call} failed: the device has no memory left ({result}). Free resources, or capture a smaller target or grid."),
        _ => new CaptureException($"{call} failed with {result}. Run with the validation layer to see why."),
    };

    internal static DeviceLostException Lost(string call) => new(
        $"{call} reported that the Vulkan device is lost. Create the device, its images and the capture anew.");
}
