using System.Diagnostics;
using Silk.NET.Vulkan;
using VlmSdk.Samples.Scenes;
using VlmSdk.Scheduling;
using VlmSdk.Vulkan;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Samples.SceneQuery;

/// <summary>
/// Stands for the game: its own Vulkan device, a render target and a render thread that draws frames of a moving camera.
/// After each frame it hands the target to the capture and goes on at once; the GPU, not the thread, keeps the order
/// through two timeline semaphores: "frame n is drawn" and "frame n has been read".
/// </summary>
internal sealed unsafe class Engine : IDisposable
{
    private const int FramesInFlight = 2;

    private readonly VulkanDevice _device = VulkanDevice.Create();
    private readonly SceneRenderer _renderer;
    private readonly SceneTarget _target;
    private readonly VulkanDevice _borrowed;
    private readonly Semaphore _drawn, _read;
    private readonly CommandPool _pool;
    private readonly CommandBuffer[] _commands = new CommandBuffer[FramesInFlight];
    private ulong _frame;

    internal Engine(int width, int height)
    {
        _renderer = new SceneRenderer(_device);
        _target = _renderer.CreateTarget(width, height);
        _borrowed = VulkanDevice.Borrow(_device.Instance.Handle, _device.PhysicalDevice.Handle, _device.Device.Handle,
            _device.Queue.Handle, _device.QueueFamily, _device.SubmitLock);
        _drawn = TimelineSemaphore();
        _read = TimelineSemaphore();
        var pool = new CommandPoolCreateInfo
        {
            SType = StructureType.CommandPoolCreateInfo,
            Flags = CommandPoolCreateFlags.ResetCommandBufferBit,
            QueueFamilyIndex = _device.QueueFamily,
        };
        Check(_device.Api.CreateCommandPool(_device.Device, &pool, null, out _pool), "vkCreateCommandPool");
        var allocate = new CommandBufferAllocateInfo
        {
            SType = StructureType.CommandBufferAllocateInfo,
            CommandPool = _pool,
            Level = CommandBufferLevel.Primary,
            CommandBufferCount = FramesInFlight,
        };
        fixed (CommandBuffer* commands = _commands)
            Check(_device.Api.AllocateCommandBuffers(_device.Device, &allocate, commands), "vkAllocateCommandBuffers");
    }

    internal string DeviceName => _device.Name;

    /// <summary>The device as the capture sees it: borrowed, never owned.</summary>
    internal VulkanDevice Device => _borrowed;

    /// <summary>The render target as the capture must know it.</summary>
    internal RenderTarget Target => new()
    {
        Image = _borrowed.Image(_target.Colour.Handle),
        Format = SceneTarget.ColourFormat,
        Width = _target.Width,
        Height = _target.Height,
        Layout = ImageLayout.ShaderReadOnlyOptimal,
        Usage = ImageUsageFlags.ColorAttachmentBit | ImageUsageFlags.SampledBit | ImageUsageFlags.TransferSrcBit,
    };

    /// <summary>
    /// The render thread: draws the scene while the camera swings to its final heading, submits every frame to the
    /// capture, and returns the last frame's ticket with the mean time the thread spent in Submit.
    /// </summary>
    internal (FrameTicket Last, TimeSpan SubmitCost) Run(SceneDescription scene, FrameCapture capture, int frames)
    {
        TimeSpan spent = TimeSpan.Zero;
        FrameTicket ticket = default;
        for (int i = 0; i < frames; i++)
        {
            float turn = 0.4f * (frames - 1 - i) / frames;
            Draw(scene with { Camera = scene.Camera with { Yaw = scene.Camera.Yaw + turn } });
            long start = Stopwatch.GetTimestamp();
            ticket = capture.Submit(
                waitFor: _borrowed.TimelineSemaphore(_drawn.Handle, _frame), signalTo: _borrowed.TimelineSemaphore(_read.Handle, _frame));
            spent += Stopwatch.GetElapsedTime(start);
        }
        return (ticket, spent / frames);
    }

    /// <summary>Draws a scene to host memory, as a screenshot would.</summary>
    internal RenderedScene Picture(SceneDescription scene) => _renderer.Render(scene);

    private void Draw(SceneDescription scene)
    {
        _frame++;
        // The engine's own pacing: a command buffer is used again when its last frame has been drawn.
        if (_frame > FramesInFlight)
            WaitDrawn(_frame - FramesInFlight);
        CommandBuffer commands = _commands[_frame % FramesInFlight];
        var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo, Flags = CommandBufferUsageFlags.OneTimeSubmitBit };
        Check(_device.Api.BeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
        _renderer.Record(commands, scene, _target, ImageLayout.ShaderReadOnlyOptimal);
        Check(_device.Api.EndCommandBuffer(commands), "vkEndCommandBuffer");

        // Drawing over the target waits, on the GPU, until the capture has read the frame before.
        var wait = new SemaphoreSubmitInfo
        {
            SType = StructureType.SemaphoreSubmitInfo,
            Semaphore = _read,
            Value = _frame - 1,
            StageMask = PipelineStageFlags2.AllCommandsBit,
        };
        var signal = new SemaphoreSubmitInfo
        {
            SType = StructureType.SemaphoreSubmitInfo,
            Semaphore = _drawn,
            Value = _frame,
            StageMask = PipelineStageFlags2.AllCommandsBit,
        };
        var buffer = new CommandBufferSubmitInfo { SType = StructureType.CommandBufferSubmitInfo, CommandBuffer = commands };
        var submit = new SubmitInfo2
        {
            SType = StructureType.SubmitInfo2,
            WaitSemaphoreInfoCount = 1,
            PWaitSemaphoreInfos = &wait,
            CommandBufferInfoCount = 1,
            PCommandBufferInfos = &buffer,
            SignalSemaphoreInfoCount = 1,
            PSignalSemaphoreInfos = &signal,
        };
        lock (_device.SubmitLock)
            Check(_device.Api.QueueSubmit2(_device.Queue, 1, &submit, default), "vkQueueSubmit2");
    }

    private void WaitDrawn(ulong frame)
    {
        Semaphore drawn = _drawn;
        var wait = new SemaphoreWaitInfo { SType = StructureType.SemaphoreWaitInfo, SemaphoreCount = 1, PSemaphores = &drawn, PValues = &frame };
        Check(_device.Api.WaitSemaphores(_device.Device, &wait, ulong.MaxValue), "vkWaitSemaphores");
    }

    private Semaphore TimelineSemaphore()
    {
        var type = new SemaphoreTypeCreateInfo { SType = StructureType.SemaphoreTypeCreateInfo, SemaphoreType = SemaphoreType.Timeline };
        var create = new SemaphoreCreateInfo { SType = StructureType.SemaphoreCreateInfo, PNext = &type };
        Check(_device.Api.CreateSemaphore(_device.Device, &create, null, out Semaphore semaphore), "vkCreateSemaphore");
        return semaphore;
    }

    public void Dispose()
    {
        lock (_device.SubmitLock)
            _ = _device.Api.QueueWaitIdle(_device.Queue);
        _device.Api.DestroyCommandPool(_device.Device, _pool, null);
        _device.Api.DestroySemaphore(_device.Device, _drawn, null);
        _device.Api.DestroySemaphore(_device.Device, _read, null);
        _borrowed.Dispose();
        _target.Dispose();
        _renderer.Dispose();
        _device.Dispose();
    }

    private static void Check(Result result, string call)
    {
        if (result == Result.ErrorDeviceLost)
            throw new DeviceLostException($"{call} found the device lost.");
        if (result != Result.Success)
            throw new DeviceUnavailableException($"{call} failed with {result}.");
    }
}
