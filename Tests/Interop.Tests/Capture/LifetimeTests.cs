using Silk.NET.Vulkan;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>Ring, semaphores, resize, detach and cancellation on the device.</summary>
internal sealed class LifetimeTests : GpuTests
{
    private static readonly PatchGridSpec Small =
        FormatTests.Spec(32, 32, FitKind.Stretch, ResizeFilter.Bilinear, PatchLayout.Planar, 1) with { Lookup = PixelNormalization.Linear(1, 0) };

    private static VulkanDevice Device => TestGpu.Device;

    [Test]
    public async Task The_newest_frame_wins()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using FrameCapture capture = Attach(target);
        FrameTicket first = default;
        for (int i = 1; i <= 3; i++)
        {
            target.Clear(i / 255f, 0, 0);
            FrameTicket ticket = capture.Submit();
            first = i == 1 ? ticket : first;
            await capture.IdleAsync();
        }
        using PatchGrid grid = await first.TakeAsync();
        Assert.That(grid.Values.Floats[0], Is.EqualTo(3f));
        Assert.That(capture.Counters, Is.EqualTo(new FrameCaptureCounters(Captured: 3, Dropped: 0, Superseded: 2, Delivered: 1)));
        Assert.That(async () => await first.TakeAsync(), Throws.TypeOf<CaptureException>());
    }

    [Test]
    public async Task A_dropped_frame_is_counted_and_serves_its_semaphores_and_layout()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using var semaphore = new TestSemaphore(Device, timeline: true);
        using FrameCapture capture = FrameCapture.Attach(Device, target.Describe(ImageLayout.ShaderReadOnlyOptimal), new() { Grid = Small });
        var held = new List<PatchGrid>();
        for (int i = 0; i < CaptureRing.Slots; i++)
        {
            target.Clear(i / 255f, 0, 0);
            held.Add(await capture.Submit().TakeAsync());
        }
        target.Clear(1, 1, 1, signalTo: semaphore.At(1));
        FrameTicket dropped = capture.Submit(semaphore.At(1), semaphore.At(2));
        target.Clear(0, 0, 0, waitFor: semaphore.At(2), signalTo: semaphore.At(3));
        target.WaitIdle();

        Assert.That(dropped.Dropped);
        Assert.That(semaphore.Value, Is.EqualTo(3));
        Assert.That(async () => await dropped.TakeAsync(), Throws.TypeOf<CaptureException>().With.Message.Contains("dropped"));
        Assert.That(capture.Counters, Is.EqualTo(new FrameCaptureCounters(Captured: 3, Dropped: 1, Superseded: 0, Delivered: 3)));
        for (int i = 0; i < held.Count; i++)
            Assert.That(held[i].Values.Floats[0], Is.EqualTo((float)i), "a held grid keeps its frame");

        held[0].Dispose();
        held[0].Dispose();
        target.Clear(9 / 255f, 0, 0);
        using PatchGrid next = await capture.Submit().TakeAsync();
        Assert.That(next.Values.Floats[0], Is.EqualTo(9f));
        held.ForEach(g => g.Dispose());
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Semaphores_order_drawing_and_capture(bool timeline)
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using TestSemaphore drawn = new(Device, timeline), captured = new(Device, timeline);
        using FrameCapture capture = Attach(target);
        for (uint i = 1; i <= 6; i++)
        {
            target.Clear(i / 255f, 0, 0, i == 1 ? null : timeline ? captured.At(i - 1) : captured.Binary, timeline ? drawn.At(i) : drawn.Binary);
            FrameTicket ticket = capture.Submit(timeline ? drawn.At(i) : drawn.Binary, timeline ? captured.At(i) : captured.Binary);
            using PatchGrid grid = await ticket.TakeAsync();
            Assert.That(grid.Values.Floats[0], Is.EqualTo((float)i));
        }
        target.WaitIdle();
    }

    [Test]
    public async Task The_target_can_be_resized_between_frames()
    {
        using var first = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using FrameCapture capture = FrameCapture.Attach(Device, first.Describe());
        first.Clear(1, 0, 0);
        FrameTicket early = capture.Submit();
        foreach ((int width, int height, Format format) in new[] { (200, 100, Format.B8G8R8A8Unorm), (31, 77, Format.R16G16B16A16Sfloat), (1, 1, Format.R8G8B8A8Srgb) })
        {
            using var target = new TestTarget(Device, format, width, height);
            byte[] texels = TestPictures.Texels(format, width, height);
            target.Upload(texels);
            capture.Resize(target.Describe());
            using (PatchGrid grid = await capture.Submit().TakeAsync())
            using (PatchGrid expected = ImageProcessor.Process(TestPictures.Decode(format, width, height, texels), capture.Grid))
            {
                Assert.That(grid.Map, Is.EqualTo(expected.Map));
                float most = 0;
                for (int i = 0; i < expected.Values.Floats.Length; i++)
                    most = Math.Max(most, Math.Abs(grid.Values.Floats[i] - expected.Values.Floats[i]) * 64);
                Assert.That(most, Is.Zero);
            }
            capture.Resize(first.Describe());
            await capture.IdleAsync();
        }
        Assert.That(() => capture.Resize(first.Describe() with { Width = 0 }), Throws.TypeOf<CaptureException>());
        using PatchGrid still = await capture.Submit().TakeAsync();
        Assert.That(still.Map.SourceWidth, Is.EqualTo(64));
        Assert.That(early.Dropped, Is.False);
    }

    [Test]
    public async Task A_frame_before_a_resize_is_still_delivered()
    {
        using TestTarget small = new(Device, Format.R8G8B8A8Unorm, 64, 64), wide = new(Device, Format.R8G8B8A8Unorm, 90, 30);
        using var gate = new TestSemaphore(Device, timeline: true);
        small.Clear(7 / 255f, 0, 0);
        wide.Clear(8 / 255f, 0, 0);
        using FrameCapture capture = Attach(small);
        FrameTicket before = capture.Submit(gate.At(1));
        ValueTask<PatchGrid> pending = before.TakeAsync();
        capture.Resize(wide.Describe());
        FrameTicket after = capture.Submit();
        gate.Signal(1);
        using PatchGrid old = await pending;
        using PatchGrid next = await after.TakeAsync();
        Assert.That((old.Map.SourceWidth, old.Values.Floats[0]), Is.EqualTo((64, 7f)));
        Assert.That((next.Map.SourceWidth, next.Values.Floats[0]), Is.EqualTo((90, 8f)));
    }

    [Test]
    public async Task Detach_with_work_in_flight_fails_waiters_and_frees_everything_later()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using var gate = new TestSemaphore(Device, timeline: true);
        Dictionary<VulkanCall, long> before = Balance(Device);
        target.Clear(0, 0, 0);
        FrameCapture capture = Attach(target);
        FrameTicket ticket = capture.Submit(gate.At(1));
        ValueTask<PatchGrid> pending = ticket.TakeAsync();
        ValueTask disposal = capture.DisposeAsync();

        Assert.That(async () => await pending, Throws.TypeOf<CaptureException>().With.Message.Contains("detached"));
        Assert.That(async () => await ticket.TakeAsync(), Throws.TypeOf<CaptureException>());
        Assert.That(() => capture.Submit(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(disposal.IsCompleted, Is.False, "the GPU still waits for the engine");
        gate.Signal(1);
        await disposal;
        capture.Dispose();
        Assert.That(Balance(Device), Is.EqualTo(before));
    }

    [Test]
    public async Task A_held_grid_outlives_its_capture_and_device_reference()
    {
        VulkanDevice own = TestGpu.NewDevice();
        var target = new TestTarget(own, Format.R8G8B8A8Unorm, 64, 64);
        target.Clear(5 / 255f, 0, 0);
        FrameCapture capture = FrameCapture.Attach(own, target.Describe(), new() { Grid = Small });
        PatchGrid grid = await capture.Submit().TakeAsync();
        capture.Dispose();
        target.Dispose();
        own.Dispose();
        Assert.That(grid.Values.Floats.ToArray(), Has.Some.EqualTo(5f));
        ValueTask closed = capture.DisposeAsync();
        Assert.That(closed.IsCompleted, Is.False);
        grid.Dispose();
        await closed;
    }

    [Test]
    public async Task A_cancelled_wait_leaves_the_frame_available()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 64, 64);
        using var gate = new TestSemaphore(Device, timeline: true);
        target.Clear(4 / 255f, 0, 0);
        using FrameCapture capture = Attach(target);
        FrameTicket ticket = capture.Submit(gate.At(1));
        using var cancel = new CancellationTokenSource();
        ValueTask<PatchGrid> pending = ticket.TakeAsync(cancel.Token);
        await cancel.CancelAsync();
        Assert.That(async () => await pending, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await ticket.TakeAsync(cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        gate.Signal(1);
        using PatchGrid grid = await ticket.TakeAsync();
        Assert.That(grid.Values.Floats[0], Is.EqualTo(4f));
    }

    /// <summary>Objects made minus objects destroyed, by kind.</summary>
    internal static Dictionary<VulkanCall, long> Balance(VulkanDevice device)
    {
        (VulkanCall Make, VulkanCall Destroy)[] pairs =
        [
            (VulkanCall.AllocateMemory, VulkanCall.FreeMemory), (VulkanCall.CreateBuffer, VulkanCall.DestroyBuffer),
            (VulkanCall.CreateCommandPool, VulkanCall.DestroyCommandPool), (VulkanCall.CreateComputePipelines, VulkanCall.DestroyPipeline),
            (VulkanCall.CreateDescriptorPool, VulkanCall.DestroyDescriptorPool), (VulkanCall.CreateImage, VulkanCall.DestroyImage),
            (VulkanCall.CreateDescriptorSetLayout, VulkanCall.DestroyDescriptorSetLayout), (VulkanCall.CreateImageView, VulkanCall.DestroyImageView),
            (VulkanCall.CreatePipelineLayout, VulkanCall.DestroyPipelineLayout), (VulkanCall.CreateSemaphore, VulkanCall.DestroySemaphore),
            (VulkanCall.CreateShaderModule, VulkanCall.DestroyShaderModule),
        ];
        return pairs.ToDictionary(p => p.Make, p => device.Dispatch.Count(p.Make) - device.Dispatch.Count(p.Destroy));
    }

    private static FrameCapture Attach(TestTarget target) => FrameCapture.Attach(Device, target.Describe(), new() { Grid = Small });
}
