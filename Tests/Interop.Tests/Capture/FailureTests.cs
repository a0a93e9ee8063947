using Silk.NET.Vulkan;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>Bad targets, missing software, a lost device, no memory: one specific exception each, nothing leaked, no hang.</summary>
internal sealed class FailureTests : GpuTests
{
    [Test]
    public void A_target_that_cannot_be_captured_is_refused_with_the_remedy()
    {
        VulkanDevice device = TestGpu.Device;
        using var target = new TestTarget(device, Format.R8G8B8A8Unorm, 16, 16);
        RenderTarget good = target.Describe();
        Dictionary<VulkanCall, long> before = LifetimeTests.Balance(device);
        (RenderTarget Bad, string Says)[] cases =
        [
            (good with { Format = Format.D32Sfloat }, "Accepted: R8G8B8A8"),
            (good with { Format = Format.R32G32B32A32Sfloat }, "Accepted: R8G8B8A8"),
            (good with { Width = 0 }, "0 x 16"),
            (good with { Height = -1 }, "16 x -1"),
            (good with { Width = 1 << 20 }, "limit"),
            (good with { Image = default }, "VulkanDevice.Image"),
            (good with { Usage = ImageUsageFlags.ColorAttachmentBit }, "VK_IMAGE_USAGE_SAMPLED_BIT"),
            (good with { Layout = ImageLayout.Undefined }, "Layout is Undefined"),
            (good with { LayoutAfter = ImageLayout.Preinitialized }, "LayoutAfter is Preinitialized"),
            (good with { Exposure = float.NaN }, "exposure"),
        ];
        foreach ((RenderTarget bad, string says) in cases)
            Assert.That(() => FrameCapture.Attach(device, bad), Throws.TypeOf<CaptureException>().With.Message.Contains(says));
        Assert.That(() => FrameCapture.Attach(device, good, new() { Grid = new FrameCaptureOptions().Grid with { Lookup = new float[3] } }), Throws.TypeOf<ImageException>());
        Assert.That(() => device.Image(0), Throws.ArgumentException);
        Assert.That(() => device.BinarySemaphore(0), Throws.ArgumentException);
        using (FrameCapture capture = FrameCapture.Attach(device, good))
            Assert.That(() => capture.Submit(default(SemaphorePoint)), Throws.ArgumentException);
        Assert.That(LifetimeTests.Balance(device), Is.EqualTo(before));
    }

    [Test]
    public void Missing_software_is_named_with_the_way_to_install_it()
    {
        Assert.That(
            () => VulkanDevice.Create(new() { LoaderLibrary = "libvulkan-that-is-not-there.so.1" }),
            Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("libvulkan-that-is-not-there.so.1").And.Message.Contains("apt-get install libvulkan1"));
        string other = OperatingSystem.IsWindows() ? "kernel32.dll" : "libm.so.6";
        Assert.That(
            () => VulkanDevice.Create(new() { LoaderLibrary = other }),
            Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains($"'{other}' is no Vulkan loader").And.Message.Contains("LoaderLibrary"));
        Assert.That(
            () => VulkanDevice.Create(new() { DeviceName = "no such device" }),
            Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("no such device").And.Message.Contains("Found:"));
        Assert.That(() => VulkanDevice.Borrow(0, 0, 0, 0, 0, new object()), Throws.ArgumentException);

        TestGpu.SetNativeVariable("VK_DRIVER_FILES", "/nowhere/driver.json");
        TestGpu.SetNativeVariable("VK_ICD_FILENAMES", "/nowhere/driver.json");
        try
        {
            Assert.That(() => VulkanDevice.Create(), Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("mesa-vulkan-drivers"));
        }
        finally
        {
            TestGpu.SetNativeVariable("VK_DRIVER_FILES", null);
            TestGpu.SetNativeVariable("VK_ICD_FILENAMES", null);
        }

        TestGpu.SetNativeVariable("VK_LAYER_PATH", "/nowhere");
        try
        {
            Assert.That(
                () => VulkanDevice.Create(new() { Validation = true }),
                Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("vulkan-validationlayers"));
        }
        finally
        {
            TestGpu.SetNativeVariable("VK_LAYER_PATH", null);
        }
    }

    [Test]
    public async Task A_device_lost_in_a_wait_ends_everything_with_that_error()
    {
        using VulkanDevice device = TestGpu.NewDevice();
        using var target = new TestTarget(device, Format.R8G8B8A8Unorm, 64, 64);
        target.Clear(0, 0, 0);
        using FrameCapture capture = FrameCapture.Attach(device, target.Describe());
        using (await capture.Submit().TakeAsync())
        {
        }
        var raised = new TaskCompletionSource();
        int events = 0;
        device.Lost += (_, _) =>
        {
            Interlocked.Increment(ref events);
            raised.TrySetResult();
        };
        FailNext(device, VulkanCall.WaitSemaphores, Result.ErrorDeviceLost);
        FrameTicket ticket = capture.Submit();
        Assert.That(async () => await ticket.TakeAsync(), Throws.TypeOf<DeviceLostException>());
        await raised.Task;
        Assert.That(device.IsLost);
        Assert.That(() => capture.Submit(), Throws.TypeOf<DeviceLostException>());
        Assert.That(() => capture.Resize(target.Describe()), Throws.TypeOf<DeviceLostException>());
        Assert.That(() => FrameCapture.Attach(device, target.Describe()), Throws.TypeOf<DeviceLostException>());
        await capture.IdleAsync();
        await capture.DisposeAsync();
        Assert.That(events, Is.EqualTo(1));
        Assert.That(LifetimeTests.Balance(device).Values, Is.All.Zero);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_device_lost_while_a_capture_is_made_leaves_nothing(bool resizing)
    {
        using VulkanDevice device = TestGpu.NewDevice();
        using var target = new TestTarget(device, Format.R8G8B8A8Unorm, 64, 64);
        target.Clear(0, 0, 0);
        using (FrameCapture? capture = resizing ? FrameCapture.Attach(device, target.Describe()) : null)
        {
            FailNext(device, VulkanCall.EndCommandBuffer, Result.ErrorDeviceLost);
            Assert.That(
                () => { if (capture is null) FrameCapture.Attach(device, target.Describe()); else capture.Resize(target.Describe()); },
                Throws.TypeOf<DeviceLostException>().With.Message.Contains("vkEndCommandBuffer"));
            Assert.That(device.IsLost);
        }
        Assert.That(LifetimeTests.Balance(device).Values, Is.All.Zero);
    }

    [Test]
    public void A_disposed_device_takes_no_capture()
    {
        VulkanDevice device = TestGpu.NewDevice();
        RenderTarget description;
        using (var target = new TestTarget(device, Format.R8G8B8A8Unorm, 16, 16))
            description = target.Describe();
        device.Dispose();
        Assert.That(() => FrameCapture.Attach(device, description), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task A_device_lost_in_a_submit_fails_whoever_waits()
    {
        using VulkanDevice device = TestGpu.NewDevice();
        using var target = new TestTarget(device, Format.R8G8B8A8Unorm, 64, 64);
        using var gate = new TestSemaphore(device, timeline: true);
        target.Clear(0, 0, 0);
        FrameCapture capture = FrameCapture.Attach(device, target.Describe());
        ValueTask<PatchGrid> pending = capture.Submit(gate.At(1)).TakeAsync();
        FailNext(device, VulkanCall.QueueSubmit, Result.ErrorDeviceLost);
        Assert.That(() => capture.Submit(), Throws.TypeOf<DeviceLostException>().With.Message.Contains("vkQueueSubmit"));
        Assert.That(async () => await pending, Throws.TypeOf<DeviceLostException>());
        gate.Signal(1);
        await capture.DisposeAsync();
        Assert.That(LifetimeTests.Balance(device).Values, Is.All.Zero);
    }

    [Test]
    public async Task A_submit_without_memory_fails_and_the_next_one_works()
    {
        VulkanDevice device = TestGpu.Device;
        using var target = new TestTarget(device, Format.R8G8B8A8Unorm, 64, 64);
        target.Clear(0, 0, 0);
        using FrameCapture capture = FrameCapture.Attach(device, target.Describe());
        FailNext(device, VulkanCall.QueueSubmit, Result.ErrorOutOfDeviceMemory);
        Assert.That(() => capture.Submit(), Throws.TypeOf<CaptureException>().With.Message.Contains("memory"));
        using PatchGrid grid = await capture.Submit().TakeAsync();
        Assert.That(capture.Counters, Is.EqualTo(new FrameCaptureCounters(1, 0, 0, 1)));
    }

    [Test]
    public void An_attach_that_fails_at_any_call_leaks_nothing()
    {
        VulkanDevice device = TestGpu.Device;
        using var target = new TestTarget(device, Format.B8G8R8A8Unorm, 20, 20, usage: ImageUsageFlags.TransferSrcBit | ImageUsageFlags.ColorAttachmentBit);
        PatchGridSpec spec = FormatTests.Spec(8, 8, FitKind.Stretch, ResizeFilter.Box, PatchLayout.Planar, 1);
        HashSet<VulkanCall> mayFail =
        [
            VulkanCall.AllocateMemory, VulkanCall.CreateBuffer, VulkanCall.CreateImage, VulkanCall.CreateImageView, VulkanCall.MapMemory,
            VulkanCall.BindBufferMemory, VulkanCall.BindImageMemory, VulkanCall.CreateCommandPool, VulkanCall.AllocateCommandBuffers,
            VulkanCall.CreateComputePipelines, VulkanCall.CreateDescriptorPool, VulkanCall.CreateDescriptorSetLayout, VulkanCall.AllocateDescriptorSets,
            VulkanCall.CreatePipelineLayout, VulkanCall.CreateSemaphore, VulkanCall.CreateShaderModule, VulkanCall.BeginCommandBuffer, VulkanCall.EndCommandBuffer,
        ];
        Dictionary<VulkanCall, long> before = LifetimeTests.Balance(device);
        int failures = 0;
        for (int at = 1; ; at++)
        {
            int seen = 0;
            VulkanCall failed = default;
            device.Dispatch.Interceptor = call =>
            {
                if (!mayFail.Contains(call) || ++seen != at)
                    return Result.Success;
                failed = call;
                return Result.ErrorOutOfHostMemory;
            };
            try
            {
                FrameCapture.Attach(device, target.Describe(), new() { Grid = spec }).Dispose();
                break;
            }
            catch (CaptureException failure)
            {
                failures++;
                device.Dispatch.Interceptor = null;
                Dictionary<VulkanCall, long> after = LifetimeTests.Balance(device);
                if (after.TryGetValue(failed, out long counted))
                    after[failed] = counted - 1; // the refused call was counted but made nothing
                Assert.That(failure.Message, Does.Contain("vk" + failed));
                Assert.That(after, Is.EqualTo(before), $"after a failure of {failed}, number {at}");
                before = LifetimeTests.Balance(device);
            }
            finally
            {
                device.Dispatch.Interceptor = null;
            }
        }
        Assert.That(failures, Is.GreaterThan(30));
    }

    [Test]
    public async Task A_borrowed_device_captures_and_is_left_alone()
    {
        VulkanDevice engine = TestGpu.Device;
        using var target = new TestTarget(engine, Format.R8G8B8A8Unorm, 64, 64);
        target.Clear(0, 0, 0);
        using VulkanDevice borrowed = VulkanDevice.Borrow(
            engine.Instance.Handle, engine.PhysicalDevice.Handle, engine.Device.Handle, engine.Queue.Handle, engine.QueueFamily, engine.SubmitLock);
        using (FrameCapture capture = FrameCapture.Attach(borrowed, target.Describe()))
        using (PatchGrid grid = await capture.Submit().TakeAsync())
            Assert.That(grid.Map.SourceWidth, Is.EqualTo(64));
        Assert.That(
            () => VulkanDevice.Borrow(engine.Instance.Handle, engine.PhysicalDevice.Handle, engine.Device.Handle, engine.Queue.Handle, 99, engine.SubmitLock),
            Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("family 99"));
    }

    private static void FailNext(VulkanDevice device, VulkanCall which, Result result) => device.Dispatch.Interceptor = call =>
    {
        if (call != which)
            return Result.Success;
        device.Dispatch.Interceptor = null;
        return result;
    };
}
