using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>One frame on its way to host memory: a target, a command buffer, and a mapped buffer its pixels are copied to.</summary>
internal sealed unsafe class SceneReadback : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly SceneTarget _target;
    private CommandPool _pool;
    private CommandBuffer _commands;
    private Fence _fence;
    private Silk.NET.Vulkan.Buffer _buffer;
    private DeviceMemory _memory;
    private byte* _mapped;
    private SceneDescription? _scene;

    /// <summary>Takes over the target.</summary>
    public SceneReadback(VulkanDevice device, SceneTarget target)
    {
        _device = device;
        _target = target;
        try
        {
            Create();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Width => _target.Width;

    public int Height => _target.Height;

    public void Submit(SceneRenderer renderer, SceneDescription scene)
    {
        if (_scene is not null)
            throw new InvalidOperationException("This frame is still in flight: finish one RenderAll before the next call.");
        Vk vk = _device.Api;
        var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo, Flags = CommandBufferUsageFlags.OneTimeSubmitBit };
        VulkanHelp.Check(vk.ResetCommandPool(_device.Device, _pool, 0), "vkResetCommandPool");
        VulkanHelp.Check(vk.BeginCommandBuffer(_commands, &begin), "vkBeginCommandBuffer");
        renderer.Record(_commands, scene, _target);
        Copy(_target.Colour, scene, 0);
        Copy(_target.Ids, scene, IdOffset(scene));
        SceneBarriers.BeforeHostRead(vk, _commands);
        VulkanHelp.Check(vk.EndCommandBuffer(_commands), "vkEndCommandBuffer");
        var buffer = new CommandBufferSubmitInfo { SType = StructureType.CommandBufferSubmitInfo, CommandBuffer = _commands };
        var submit = new SubmitInfo2 { SType = StructureType.SubmitInfo2, CommandBufferInfoCount = 1, PCommandBufferInfos = &buffer };
        Fence fence = _fence;
        VulkanHelp.Check(vk.ResetFences(_device.Device, 1, &fence), "vkResetFences");
        lock (_device.SubmitLock)
            VulkanHelp.Check(vk.QueueSubmit2(_device.Queue, 1, &submit, _fence), "vkQueueSubmit2");
        _scene = scene;
    }

    /// <summary>Waits for the submitted frame and copies its pixels out.</summary>
    public RenderedScene Collect()
    {
        SceneDescription scene = _scene ?? throw new InvalidOperationException("No frame was submitted.");
        Wait();
        int pixels = scene.Width * scene.Height;
        return new RenderedScene(
            scene, new ReadOnlySpan<byte>(_mapped, pixels * 4).ToArray(), new ReadOnlySpan<byte>(_mapped + IdOffset(scene), pixels).ToArray());
    }

    public void Dispose()
    {
        Vk vk = _device.Api;
        if (_scene is not null)
            Wait();
        vk.DestroyFence(_device.Device, _fence, null);
        vk.DestroyCommandPool(_device.Device, _pool, null);
        vk.DestroyBuffer(_device.Device, _buffer, null);
        vk.FreeMemory(_device.Device, _memory, null);
        (_fence, _pool, _buffer, _memory) = (default, default, default, default);
        _target.Dispose();
    }

    private static ulong IdOffset(SceneDescription scene) => (ulong)(scene.Width * scene.Height * 4);

    private void Wait()
    {
        Fence fence = _fence;
        VulkanHelp.Check(_device.Api.WaitForFences(_device.Device, 1, &fence, true, ulong.MaxValue), "vkWaitForFences");
        _scene = null;
    }

    private void Create()
    {
        Vk vk = _device.Api;
        (_buffer, _memory) = VulkanHelp.CreateBuffer(
            _device, (ulong)(Width * Height * 5), BufferUsageFlags.TransferDstBit,
            MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit);
        void* mapped;
        VulkanHelp.Check(vk.MapMemory(_device.Device, _memory, 0, Vk.WholeSize, 0, &mapped), "vkMapMemory");
        _mapped = (byte*)mapped;
        var pool = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = _device.QueueFamily };
        VulkanHelp.Check(vk.CreateCommandPool(_device.Device, &pool, null, out _pool), "vkCreateCommandPool");
        var allocate = new CommandBufferAllocateInfo
        {
            SType = StructureType.CommandBufferAllocateInfo,
            CommandPool = _pool,
            Level = CommandBufferLevel.Primary,
            CommandBufferCount = 1,
        };
        VulkanHelp.Check(vk.AllocateCommandBuffers(_device.Device, &allocate, out _commands), "vkAllocateCommandBuffers");
        var fence = new FenceCreateInfo { SType = StructureType.FenceCreateInfo };
        VulkanHelp.Check(vk.CreateFence(_device.Device, &fence, null, out _fence), "vkCreateFence");
    }

    private void Copy(Image image, SceneDescription scene, ulong offset)
    {
        var region = new BufferImageCopy
        {
            BufferOffset = offset,
            ImageSubresource = new ImageSubresourceLayers(ImageAspectFlags.ColorBit, 0, 0, 1),
            ImageExtent = new Extent3D((uint)scene.Width, (uint)scene.Height, 1),
        };
        _device.Api.CmdCopyImageToBuffer(_commands, image, ImageLayout.TransferSrcOptimal, _buffer, 1, &region);
    }
}
