using Silk.NET.Vulkan;
using VlmSdk.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>An engine in small: an image that is drawn to (copied or cleared) on the device's queue, with raw Vulkan calls.</summary>
internal sealed unsafe class TestTarget : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly Vk _vk;
    private readonly Image _image;
    private readonly DeviceMemory _memory;
    private readonly CommandPool _pool;
    private readonly ImageLayout _layout;
    private readonly ImageUsageFlags _usage;
    private readonly bool _mutable;

    internal TestTarget(
        VulkanDevice device, Format format, int width, int height, ImageLayout layout = ImageLayout.ColorAttachmentOptimal,
        ImageUsageFlags usage = ImageUsageFlags.SampledBit | ImageUsageFlags.ColorAttachmentBit, bool mutable = false)
    {
        (_device, _vk, _layout, _usage, _mutable) = (device, device.Api, layout, usage, mutable);
        (Format, Width, Height) = (format, width, height);
        var info = new ImageCreateInfo
        {
            SType = StructureType.ImageCreateInfo,
            Flags = mutable ? ImageCreateFlags.CreateMutableFormatBit : 0,
            ImageType = ImageType.Type2D,
            Format = format,
            Extent = new((uint)width, (uint)height, 1),
            MipLevels = 1,
            ArrayLayers = 1,
            Samples = SampleCountFlags.Count1Bit,
            Usage = usage | ImageUsageFlags.TransferDstBit,
        };
        Image image;
        Ok(_vk.CreateImage(_device.Device, &info, null, &image));
        _image = image;
        MemoryRequirements needs;
        _vk.GetImageMemoryRequirements(_device.Device, image, &needs);
        _memory = Allocate(needs, MemoryPropertyFlags.DeviceLocalBit);
        Ok(_vk.BindImageMemory(_device.Device, image, _memory, 0));
        var pool = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = _device.QueueFamily };
        CommandPool made;
        Ok(_vk.CreateCommandPool(_device.Device, &pool, null, &made));
        _pool = made;
    }

    internal Format Format { get; }

    internal int Width { get; }

    internal int Height { get; }

    internal int PixelBytes => Format == Format.R16G16B16A16Sfloat ? 8 : 4;

    internal RenderTarget Describe(ImageLayout? after = null, float exposure = 1) => new()
    {
        Image = _device.Image(_image.Handle),
        Format = Format,
        Width = Width,
        Height = Height,
        Layout = _layout,
        LayoutAfter = after,
        Usage = _usage,
        MutableFormat = _mutable,
        Exposure = exposure,
    };

    /// <summary>Fills the image and waits.</summary>
    internal void Upload(byte[] pixels)
    {
        var info = new BufferCreateInfo { SType = StructureType.BufferCreateInfo, Size = (ulong)pixels.Length, Usage = BufferUsageFlags.TransferSrcBit };
        Buffer buffer;
        Ok(_vk.CreateBuffer(_device.Device, &info, null, &buffer));
        MemoryRequirements needs;
        _vk.GetBufferMemoryRequirements(_device.Device, buffer, &needs);
        DeviceMemory memory = Allocate(needs, MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit);
        Ok(_vk.BindBufferMemory(_device.Device, buffer, memory, 0));
        void* mapped;
        Ok(_vk.MapMemory(_device.Device, memory, 0, (ulong)pixels.Length, 0, &mapped));
        Buffer source = buffer;
        pixels.CopyTo(new Span<byte>(mapped, pixels.Length));
        Draw(commands =>
        {
            var region = new BufferImageCopy { ImageSubresource = new(ImageAspectFlags.ColorBit, 0, 0, 1), ImageExtent = new((uint)Width, (uint)Height, 1) };
            _vk.CmdCopyBufferToImage(commands, source, _image, ImageLayout.TransferDstOptimal, 1, &region);
        });
        WaitIdle();
        _vk.DestroyBuffer(_device.Device, buffer, null);
        _vk.FreeMemory(_device.Device, memory, null);
    }

    /// <summary>Clears the image without waiting: a frame of a changing scene.</summary>
    internal void Clear(float red, float green, float blue, SemaphorePoint? waitFor = null, SemaphorePoint? signalTo = null) => Draw(
        commands =>
        {
            var colour = new ClearColorValue(red, green, blue, 1);
            var all = new ImageSubresourceRange(ImageAspectFlags.ColorBit, 0, 1, 0, 1);
            _vk.CmdClearColorImage(commands, _image, ImageLayout.TransferDstOptimal, &colour, 1, &all);
        },
        waitFor, signalTo);

    internal void WaitIdle()
    {
        lock (_device.SubmitLock)
            Ok(_vk.QueueWaitIdle(_device.Queue));
    }

    public void Dispose()
    {
        WaitIdle();
        _vk.DestroyCommandPool(_device.Device, _pool, null);
        _vk.DestroyImage(_device.Device, _image, null);
        _vk.FreeMemory(_device.Device, _memory, null);
    }

    internal static void Ok(Result result) => Assert.That(result, Is.EqualTo(Result.Success));

    private void Draw(Action<CommandBuffer> body, SemaphorePoint? waitFor = null, SemaphorePoint? signalTo = null)
    {
        var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = _pool, CommandBufferCount = 1 };
        CommandBuffer commands;
        Ok(_vk.AllocateCommandBuffers(_device.Device, &allocate, &commands));
        var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo, Flags = CommandBufferUsageFlags.OneTimeSubmitBit };
        Ok(_vk.BeginCommandBuffer(commands, &begin));
        Transition(commands, ImageLayout.Undefined, ImageLayout.TransferDstOptimal, AccessFlags.MemoryWriteBit, AccessFlags.TransferWriteBit);
        body(commands);
        Transition(commands, ImageLayout.TransferDstOptimal, _layout, AccessFlags.TransferWriteBit, AccessFlags.MemoryReadBit | AccessFlags.MemoryWriteBit);
        Ok(_vk.EndCommandBuffer(commands));

        SemaphorePoint wait = waitFor.GetValueOrDefault(), signal = signalTo.GetValueOrDefault();
        Semaphore waitHandle = new(wait.Handle), signalHandle = new(signal.Handle);
        ulong waitValue = wait.Value, signalValue = signal.Value;
        PipelineStageFlags stage = PipelineStageFlags.AllCommandsBit;
        var timeline = new TimelineSemaphoreSubmitInfo
        {
            SType = StructureType.TimelineSemaphoreSubmitInfo,
            WaitSemaphoreValueCount = waitFor is null ? 0u : 1u,
            PWaitSemaphoreValues = &waitValue,
            SignalSemaphoreValueCount = signalTo is null ? 0u : 1u,
            PSignalSemaphoreValues = &signalValue,
        };
        var info = new SubmitInfo
        {
            SType = StructureType.SubmitInfo,
            PNext = &timeline,
            WaitSemaphoreCount = timeline.WaitSemaphoreValueCount,
            PWaitSemaphores = &waitHandle,
            PWaitDstStageMask = &stage,
            CommandBufferCount = 1,
            PCommandBuffers = &commands,
            SignalSemaphoreCount = timeline.SignalSemaphoreValueCount,
            PSignalSemaphores = &signalHandle,
        };
        lock (_device.SubmitLock)
            Ok(_vk.QueueSubmit(_device.Queue, 1, &info, default));
    }

    private void Transition(CommandBuffer commands, ImageLayout from, ImageLayout to, AccessFlags before, AccessFlags after)
    {
        var barrier = new ImageMemoryBarrier
        {
            SType = StructureType.ImageMemoryBarrier,
            OldLayout = from,
            NewLayout = to,
            SrcAccessMask = before,
            DstAccessMask = after,
            SrcQueueFamilyIndex = Vk.QueueFamilyIgnored,
            DstQueueFamilyIndex = Vk.QueueFamilyIgnored,
            Image = _image,
            SubresourceRange = new(ImageAspectFlags.ColorBit, 0, 1, 0, 1),
        };
        _vk.CmdPipelineBarrier(commands, PipelineStageFlags.AllCommandsBit, PipelineStageFlags.AllCommandsBit, 0, 0, null, 0, null, 1, &barrier);
    }

    private DeviceMemory Allocate(MemoryRequirements needs, MemoryPropertyFlags wish)
    {
        PhysicalDeviceMemoryProperties types;
        _vk.GetPhysicalDeviceMemoryProperties(_device.PhysicalDevice, &types);
        var info = new MemoryAllocateInfo
        {
            SType = StructureType.MemoryAllocateInfo,
            AllocationSize = needs.Size,
            MemoryTypeIndex = MemoryTypes.Choose(types, needs.MemoryTypeBits, [wish]).Index,
        };
        DeviceMemory memory;
        Ok(_vk.AllocateMemory(_device.Device, &info, null, &memory));
        return memory;
    }
}
