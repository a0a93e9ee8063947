using System.Diagnostics;
using Silk.NET.Vulkan;
using VlmSdk.Samples.Scenes;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Benchmarks;

/// <summary>
/// What a capture costs the render thread and the whole frame, against the same frames drawn without one; how long a grid
/// takes from submit to host memory, against the same grid made by the CPU from a frame already in host memory.
/// </summary>
internal static class CaptureBenchmark
{
    internal static void Run(Report report)
    {
        using VulkanDevice device = VulkanDevice.Create();
        using var renderer = new SceneRenderer(device);
        foreach ((int width, int height) in new[] { (1280, 720), (1920, 1080) })
            Run(report, device, renderer, width, height);
    }

    private static void Run(Report report, VulkanDevice device, SceneRenderer renderer, int width, int height)
    {
        int frames = report.Quick ? 12 : 60;
        SceneDescription scene = SceneGenerator.Create(1, new SceneOptions { FrameSize = (width, height) });
        RenderedScene picture = renderer.Render(scene);
        using SceneTarget target = renderer.CreateTarget(width, height);
        using var engine = new FrameDrawing(device, renderer, scene, target);
        engine.Submit();
        engine.Finish();
        using FrameCapture capture = FrameCapture.Attach(device, new RenderTarget
        {
            Image = device.Image(target.Colour.Handle),
            Format = SceneTarget.ColourFormat,
            Width = width,
            Height = height,
            Layout = ImageLayout.ShaderReadOnlyOptimal,
            Usage = ImageUsageFlags.SampledBit,
        });
        double[] plainSubmit = new double[frames], plainFrame = new double[frames], bothSubmit = new double[frames], capturedFrame = new double[frames],
            submit = new double[frames], latency = new double[frames], processor = new double[frames];
        var pixels = new PixelBuffer(width, height, PixelFormat.Rgba8, picture.Rgba);
        for (int i = -5; i < frames; i++)
        {
            int at = Math.Max(i, 0);
            // The same frame without and with a capture, in turn; nothing else is on the queue.
            long start = Stopwatch.GetTimestamp();
            engine.Submit();
            plainSubmit[at] = Since(start);
            engine.Finish();
            plainFrame[at] = Since(start);

            start = Stopwatch.GetTimestamp();
            engine.Submit();
            long drawn = Stopwatch.GetTimestamp();
            FrameTicket ticket = capture.Submit();
            submit[at] = Since(drawn);
            bothSubmit[at] = Since(start);
            engine.Finish();
            capturedFrame[at] = Since(start);
            Take(ticket).Dispose();

            start = Stopwatch.GetTimestamp();
            Take(capture.Submit()).Dispose();
            latency[at] = Since(start);
            start = Stopwatch.GetTimestamp();
            ImageProcessor.Process(pixels, capture.Grid).Dispose();
            processor[at] = Since(start);
        }
        Times cost = Times.Of(submit), grid = Times.Of(latency), frame = Times.Of(plainFrame), captured = Times.Of(capturedFrame);
        report.Add(new VlmSdk.Benchmarks.Result($"capture-{width}x{height}", $"to {capture.Grid.Width} x {capture.Grid.Height} on {device.Name}; {frames} frames each way, in turn",
            Environment.ProcessorCount, "vulkan", Math.Max(grid.Spread, frame.Spread),
        [
            new("submit", cost.Median * 1000, "us"), new("submit best", cost.Best * 1000, "us"), new("of a 60 Hz frame", cost.Median / 16.67 * 100, "%"),
            new("render thread without", Times.Of(plainSubmit).Median * 1000, "us"), new("render thread with", Times.Of(bothSubmit).Median * 1000, "us"),
            new("frame without", frame.Median, "ms"), new("frame with", captured.Median, "ms"),
            new("frame ratio", Times.Of([.. capturedFrame.Zip(plainFrame, (a, b) => a / b)]).Median, ""),
            new("grid latency", grid.Median, "ms"), new("grid latency best", grid.Best, "ms"),
            new("CPU path", Times.Of(processor).Median, "ms"), new("latency over CPU path", Times.Of([.. latency.Zip(processor, (a, b) => a / b)]).Median, ""),
        ]));
    }

    private static double Since(long start) => Stopwatch.GetElapsedTime(start).TotalMilliseconds;

    private static PatchGrid Take(FrameTicket ticket) => ticket.TakeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>An engine's frame: one command buffer, recorded once and submitted again and again.</summary>
    private sealed unsafe class FrameDrawing : IDisposable
    {
        private readonly VulkanDevice _device;
        private readonly CommandPool _pool;
        private readonly CommandBuffer _commands;

        internal FrameDrawing(VulkanDevice device, SceneRenderer renderer, SceneDescription scene, SceneTarget target)
        {
            _device = device;
            var pool = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = device.QueueFamily };
            Check(device.Api.CreateCommandPool(device.Device, &pool, null, out _pool));
            var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = _pool, CommandBufferCount = 1 };
            Check(device.Api.AllocateCommandBuffers(device.Device, &allocate, out _commands));
            var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo };
            Check(device.Api.BeginCommandBuffer(_commands, &begin));
            renderer.Record(_commands, scene, target, ImageLayout.ShaderReadOnlyOptimal);
            Check(device.Api.EndCommandBuffer(_commands));
        }

        /// <summary>Hands the frame to the queue; the one before must be finished.</summary>
        internal void Submit()
        {
            CommandBuffer commands = _commands;
            var submit = new SubmitInfo { SType = StructureType.SubmitInfo, CommandBufferCount = 1, PCommandBuffers = &commands };
            lock (_device.SubmitLock)
                Check(_device.Api.QueueSubmit(_device.Queue, 1, &submit, default));
        }

        /// <summary>Waits until the queue has nothing left to do.</summary>
        internal void Finish()
        {
            lock (_device.SubmitLock)
                Check(_device.Api.QueueWaitIdle(_device.Queue));
        }

        public void Dispose()
        {
            Finish();
            _device.Api.DestroyCommandPool(_device.Device, _pool, null);
        }

        private static void Check(Silk.NET.Vulkan.Result result)
        {
            if (result != Silk.NET.Vulkan.Result.Success)
                throw new InvalidOperationException($"Drawing the benchmark's frame failed with {result}.");
        }
    }
}
