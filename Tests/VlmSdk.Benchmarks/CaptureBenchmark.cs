using System.Diagnostics;
using Silk.NET.Vulkan;
using VlmSdk.Samples.Scenes;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Benchmarks;

/// <summary>
/// What a capture costs the render thread, how long a grid takes from submit to host memory, and how that compares with
/// the same grid made by the CPU from a frame that is already in host memory.
/// </summary>
internal static class CaptureBenchmark
{
    private const int Frames = 120;

    internal static void Run(TextWriter output)
    {
        using VulkanDevice device = VulkanDevice.Create();
        using var renderer = new SceneRenderer(device);
        output.WriteLine($"capture to 256 x 256 on {device.Name}, {Environment.ProcessorCount} processors");
        foreach ((int width, int height) in new[] { (1280, 720), (1920, 1080) })
            Run(output, device, renderer, width, height);
    }

    private static void Run(TextWriter output, VulkanDevice device, SceneRenderer renderer, int width, int height)
    {
        SceneDescription scene = SceneGenerator.Create(1, new SceneOptions { FrameSize = (width, height) });
        RenderedScene picture = renderer.Render(scene);
        using SceneTarget target = renderer.CreateTarget(width, height);
        Draw(device, renderer, scene, target);
        using FrameCapture capture = FrameCapture.Attach(device, new RenderTarget
        {
            Image = device.Image(target.Colour.Handle),
            Format = SceneTarget.ColourFormat,
            Width = width,
            Height = height,
            Layout = ImageLayout.ShaderReadOnlyOptimal,
            Usage = ImageUsageFlags.SampledBit,
        });
        for (int i = 0; i < 20; i++)
            Take(capture.Submit()).Dispose();

        var latency = new double[Frames];
        TimeSpan work = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < Frames; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Take(capture.Submit()).Dispose();
            latency[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        double perGrid = (Environment.CpuUsage.TotalTime - work).TotalMilliseconds / Frames;

        // 60 frames a second, each captured, a consumer reading whatever is newest.
        var submit = new List<double>(Frames);
        FrameCaptureCounters before = capture.Counters;
        Task? reader = null;
        for (int i = 0; i < Frames; i++)
        {
            long start = Stopwatch.GetTimestamp();
            FrameTicket ticket = capture.Submit();
            if (!ticket.Dropped)
                submit.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            if (reader is null or { IsCompleted: true } && !ticket.Dropped)
                reader = Read(ticket);
            Thread.Sleep(Math.Max(0, 16 - (int)Stopwatch.GetElapsedTime(start).TotalMilliseconds));
        }
        reader?.Wait();
        FrameCaptureCounters after = capture.Counters;

        var processor = new double[20];
        var pixels = new PixelBuffer(width, height, PixelFormat.Rgba8, picture.Rgba);
        for (int i = 0; i < processor.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            ImageProcessor.Process(pixels, capture.Grid).Dispose();
            processor[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        double cost = At(submit, 0.5), done = At(latency, 0.5);
        output.WriteLine(
            $"  {width} x {height}: submit {cost * 1000:F0} us median, {At(submit, 0.99) * 1000:F0} us p99 ({cost / 16.67:P2} of a 60 Hz frame); " +
            $"grid after {done:F2} ms median, {At(latency, 0.99):F2} ms p99, {perGrid:F1} ms of processor time; CPU path alone {At(processor, 0.5):F2} ms (ratio {done / At(processor, 0.5):F2}); " +
            $"of {Frames} frames {after.Captured - before.Captured} captured, {after.Dropped - before.Dropped} dropped");
    }

    private static async Task Read(FrameTicket ticket)
    {
        using PatchGrid grid = await ticket.TakeAsync().ConfigureAwait(false);
    }

    private static PatchGrid Take(FrameTicket ticket) => ticket.TakeAsync().AsTask().GetAwaiter().GetResult();

    private static double At(IReadOnlyCollection<double> values, double share) => values.Order().ElementAt((int)(share * (values.Count - 1)));

    private static unsafe void Draw(VulkanDevice device, SceneRenderer renderer, SceneDescription scene, SceneTarget target)
    {
        Vk vk = device.Api;
        var pool = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = device.QueueFamily };
        Check(vk.CreateCommandPool(device.Device, &pool, null, out CommandPool made));
        var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = made, CommandBufferCount = 1 };
        Check(vk.AllocateCommandBuffers(device.Device, &allocate, out CommandBuffer commands));
        var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo, Flags = CommandBufferUsageFlags.OneTimeSubmitBit };
        Check(vk.BeginCommandBuffer(commands, &begin));
        renderer.Record(commands, scene, target, ImageLayout.ShaderReadOnlyOptimal);
        Check(vk.EndCommandBuffer(commands));
        var submit = new SubmitInfo { SType = StructureType.SubmitInfo, CommandBufferCount = 1, PCommandBuffers = &commands };
        lock (device.SubmitLock)
        {
            Check(vk.QueueSubmit(device.Queue, 1, &submit, default));
            Check(vk.QueueWaitIdle(device.Queue));
        }
        vk.DestroyCommandPool(device.Device, made, null);
    }

    private static void Check(Result result)
    {
        if (result != Result.Success)
            throw new InvalidOperationException($"Drawing the benchmark's frame failed with {result}.");
    }
}
