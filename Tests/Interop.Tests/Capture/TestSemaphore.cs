using Silk.NET.Vulkan;
using VlmSdk.Vulkan;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>A semaphore of the engine.</summary>
internal sealed unsafe class TestSemaphore : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly Semaphore _handle;

    internal TestSemaphore(VulkanDevice device, bool timeline)
    {
        _device = device;
        var kind = new SemaphoreTypeCreateInfo { SType = StructureType.SemaphoreTypeCreateInfo, SemaphoreType = timeline ? SemaphoreType.Timeline : SemaphoreType.Binary };
        var info = new SemaphoreCreateInfo { SType = StructureType.SemaphoreCreateInfo, PNext = &kind };
        Semaphore made;
        TestTarget.Ok(device.Api.CreateSemaphore(device.Device, &info, null, &made));
        _handle = made;
    }

    internal SemaphorePoint Binary => _device.BinarySemaphore(_handle.Handle);

    internal SemaphorePoint At(ulong value) => _device.TimelineSemaphore(_handle.Handle, value);

    /// <summary>Signals a timeline from the host.</summary>
    internal void Signal(ulong value)
    {
        var info = new SemaphoreSignalInfo { SType = StructureType.SemaphoreSignalInfo, Semaphore = _handle, Value = value };
        TestTarget.Ok(_device.Api.SignalSemaphore(_device.Device, &info));
    }

    internal ulong Value
    {
        get
        {
            ulong value;
            TestTarget.Ok(_device.Api.GetSemaphoreCounterValue(_device.Device, _handle, &value));
            return value;
        }
    }

    public void Dispose() => _device.Api.DestroySemaphore(_device.Device, _handle, null);
}
