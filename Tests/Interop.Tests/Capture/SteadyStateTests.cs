using Silk.NET.Vulkan;
using VlmSdk.Scheduling;
using VlmSdk.Tests.Queries;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>What a capture costs the thread that renders, and that every grid is one frame's.</summary>
internal sealed class SteadyStateTests : GpuTests
{
    private static VulkanDevice Device => TestGpu.Device;

    [Test]
    public async Task The_render_thread_only_submits_and_never_waits()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 320, 180);
        target.Clear(0, 0, 0);
        using FrameCapture capture = FrameCapture.Attach(Device, target.Describe());
        var onRenderThread = new List<VulkanCall>();
        int renderThread = 0;
        Device.Dispatch.Interceptor = call =>
        {
            if (Environment.CurrentManagedThreadId == Volatile.Read(ref renderThread))
                onRenderThread.Add(call);
            return Result.Success;
        };
        try
        {
            await Task.Factory.StartNew(
                () =>
                {
                    Volatile.Write(ref renderThread, Environment.CurrentManagedThreadId);
                    for (int i = 0; i < 30; i++)
                    {
                        target.Clear(i / 30f, 0, 0);
                        capture.Submit();
                        Thread.Sleep(2);
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await capture.IdleAsync();
        }
        finally
        {
            Device.Dispatch.Interceptor = null;
        }
        Assert.That(capture.Counters.Captured, Is.GreaterThan(0));
        Assert.That(onRenderThread, Is.All.EqualTo(VulkanCall.QueueSubmit));
        Assert.That(onRenderThread, Has.Count.EqualTo((int)capture.Counters.Captured));
        Assert.That(capture.Counters.Captured + capture.Counters.Dropped, Is.EqualTo(30));
    }

    [Test]
    public async Task The_host_reads_the_grid_and_nothing_else()
    {
        string folder = Directory.CreateTempSubdirectory("capture").FullName;
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyScout.Write(folder), new VlmModelOptions { Backend = Backend.Reference });
        Directory.Delete(folder, recursive: true);
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 320, 180);
        target.Clear(0, 0, 0);
        long mapped = Device.Dispatch.MappedBytes, maps = Device.Dispatch.Count(VulkanCall.MapMemory);
        using FrameCapture capture = FrameCapture.Attach(Device, target.Describe(), new() { Grid = vlm.PatchGridSpec });
        int gridBytes = capture.Grid.Count * sizeof(float);
        for (int i = 0; i < 5; i++)
        {
            long read = Device.Dispatch.ReadBytes;
            PatchGrid grid = await capture.Submit().TakeAsync();
            Assert.That(Device.Dispatch.ReadBytes, Is.EqualTo(read), "the capture itself reads nothing");
            using EncodedImage view = await vlm.EncodeAsync(grid);
            Assert.That(Device.Dispatch.ReadBytes - read, Is.EqualTo(gridBytes), "the model reads the grid, once");
        }
        Assert.That(Device.Dispatch.Count(VulkanCall.MapMemory) - maps, Is.EqualTo(CaptureRing.Slots));
        Assert.That(Device.Dispatch.MappedBytes - mapped, Is.EqualTo(CaptureRing.Slots * gridBytes));
    }

    [Test]
    public void A_steady_frame_allocates_nothing()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 160, 120);
        target.Clear(0.5f, 0.5f, 0.5f);
        target.WaitIdle();
        using FrameCapture capture = FrameCapture.Attach(Device, target.Describe());
        for (int i = 0; i < 60; i++)
            Frame(capture);

        // Other threads of the test process may allocate now and then; what the capture itself needs shows in every round.
        long render = long.MaxValue, process = long.MaxValue;
        for (int round = 0; round < 8 && process > 0; round++)
        {
            long renderBefore = GC.GetAllocatedBytesForCurrentThread(), processBefore = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < 20; i++)
                Frame(capture);
            long processAfter = GC.GetTotalAllocatedBytes(precise: true), renderAfter = GC.GetAllocatedBytesForCurrentThread();
            (render, process) = (Math.Min(render, renderAfter - renderBefore), Math.Min(process, processAfter - processBefore));
        }
        Assert.That(render, Is.Zero, "bytes allocated by the thread that submits and takes");
        Assert.That(process, Is.Zero, "bytes allocated by all threads");
    }

    [Test]
    public async Task Every_grid_is_exactly_one_frame_of_a_changing_scene()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 640, 360);
        PatchGridSpec spec = FormatTests.Spec(64, 64, FitKind.Stretch, ResizeFilter.Bilinear, PatchLayout.Planar, 1) with { Lookup = PixelNormalization.Linear(1, 0) };
        target.Clear(0, 0, 0);
        using FrameCapture capture = FrameCapture.Attach(Device, target.Describe(), new() { Grid = spec });
        var tickets = System.Threading.Channels.Channel.CreateUnbounded<FrameTicket>();
        Task render = Task.Run(() =>
        {
            for (int frame = 1; frame <= 120; frame++)
            {
                target.Clear(frame / 255f, (255 - frame) / 255f, frame * 2 / 255f);
                tickets.Writer.TryWrite(capture.Submit());
                Thread.Sleep(1);
            }
            tickets.Writer.Complete();
        });
        int last = 0, delivered = 0;
        await foreach (FrameTicket ticket in tickets.Reader.ReadAllAsync())
        {
            PatchGrid grid;
            try
            {
                grid = await ticket.TakeAsync();
            }
            catch (CaptureException)
            {
                continue; // dropped, or delivered through an older ticket
            }
            using (grid)
            {
                float[] values = grid.Values.Floats.ToArray();
                int frame = (int)values[0];
                Assert.That(frame, Is.GreaterThanOrEqualTo((int)ticket.Frame).And.GreaterThan(last));
                Assert.That(values[..4096], Is.All.EqualTo((float)frame));
                Assert.That(values[4096..8192], Is.All.EqualTo(255f - frame));
                Assert.That(values[8192..], Is.All.EqualTo(2f * frame));
                last = frame;
                delivered++;
            }
        }
        await render;
        Assert.That(delivered, Is.GreaterThan(0).And.EqualTo((int)capture.Counters.Delivered));
        Assert.That(capture.Counters.Captured + capture.Counters.Dropped, Is.EqualTo(120));
    }

    [Test]
    public async Task Two_captures_share_a_device_and_a_target()
    {
        using var target = new TestTarget(Device, Format.R8G8B8A8Unorm, 128, 128);
        target.Upload(TestPictures.Texels(target.Format, 128, 128));
        using FrameCapture one = FrameCapture.Attach(Device, target.Describe()), two = FrameCapture.Attach(Device, target.Describe());
        for (int i = 0; i < 4; i++)
        {
            FrameTicket first = one.Submit(), second = two.Submit();
            using PatchGrid a = await first.TakeAsync(), b = await second.TakeAsync();
            Assert.That(a.Values.Data.Span.SequenceEqual(b.Values.Data.Span));
        }
        FrameTicket foreign = one.Submit();
        Assert.That(() => two.TakeAsync(foreign), Throws.ArgumentException);
    }

    private static void Frame(FrameCapture capture)
    {
        ValueTask<PatchGrid> pending = capture.Submit().TakeAsync();
        while (!pending.IsCompleted)
            Thread.Yield();
        pending.GetAwaiter().GetResult().Dispose();
    }
}
