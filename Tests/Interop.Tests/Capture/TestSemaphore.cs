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

    /// <summary>
    /// Signals a timeline from the host, while the one capture that waits for the GPU is kept out of vkWaitSemaphores.
    /// </summary>
    /// <remarks>
    /// The validation layer until July 2023 ends a wait with its lock held until its own books show the signal, and books a
    /// signal with the same lock after the driver has made it. A wait that returns in between holds the lock for ten seconds
    /// and reports UNASSIGNED-VkSemaphore-state-timeout (Vulkan-ValidationLayers issue 4968). Nothing is wrong with the calls.
    /// </remarks>
    internal void Signal(ulong value)
    {
        VulkanDispatch dispatch = _device.Dispatch;
        TaskCompletionSource arrived = new(), signalled = new();
        dispatch.Interceptor = call =>
        {
            if (call == VulkanCall.WaitSemaphores)
            {
                arrived.TrySetResult();
                signalled.Task.Wait();
            }
            return Result.Success;
        };
        try
        {
            Assert.That(arrived.Task.Wait(TimeSpan.FromSeconds(30)), "no capture waits on this device");
            var info = new SemaphoreSignalInfo { SType = StructureType.SemaphoreSignalInfo, Semaphore = _handle, Value = value };
            TestTarget.Ok(_device.Api.SignalSemaphore(_device.Device, &info));
        }
        finally
        {
            dispatch.Interceptor = null;
            signalled.SetResult();
        }
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
