using System.Buffers;
using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;

namespace VlmSdk.Vulkan;

/// <summary>Which memory type to take; a function of plain numbers, so that devices unlike this machine's can be tried.</summary>
internal static unsafe class MemoryTypes
{
    /// <summary>Memory the CPU reads: cached before coherent, since uncached reads crawl. Vulkan guarantees the last.</summary>
    internal static readonly MemoryPropertyFlags[] Readback =
    [
        MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCachedBit | MemoryPropertyFlags.HostCoherentBit,
        MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCachedBit,
        MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit,
    ];

    /// <summary>Memory only the GPU uses.</summary>
    internal static readonly MemoryPropertyFlags[] Local = [MemoryPropertyFlags.DeviceLocalBit, 0];

    /// <summary>The first type, in the order of the wishes, that the resource allows.</summary>
    internal static (uint Index, MemoryPropertyFlags Flags) Choose(in PhysicalDeviceMemoryProperties memory, uint allowed, MemoryPropertyFlags[] wishes)
    {
        foreach (MemoryPropertyFlags wish in wishes)
            for (int i = 0; i < memory.MemoryTypeCount; i++)
                if ((allowed >> i & 1) != 0 && memory.MemoryTypes[i].PropertyFlags.HasFlag(wish))
                    return ((uint)i, memory.MemoryTypes[i].PropertyFlags);
        throw new CaptureException($"The device has no memory of the kind {wishes[^1]} for this resource.");
    }
}

/// <summary>A storage buffer with its own memory, mapped when it is for reading back.</summary>
internal sealed unsafe class GpuBuffer : IDisposable
{
    private readonly VulkanDispatch _vk;
    private readonly bool _coherent;
    private DeviceMemory _memory;
    private Buffer _buffer;

    internal GpuBuffer(VulkanDispatch vk, ulong bytes, BufferUsageFlags usage, bool readback)
    {
        (_vk, Bytes) = (vk, bytes);
        try
        {
            var info = new BufferCreateInfo { SType = StructureType.BufferCreateInfo, Size = bytes, Usage = usage };
            Buffer buffer;
            VulkanErrors.Check(vk.CreateBuffer(&info, &buffer), "vkCreateBuffer");
            _buffer = buffer;
            MemoryRequirements needs = vk.GetBufferMemoryRequirements(buffer);
            (_memory, MemoryPropertyFlags flags) = Allocate(vk, needs, readback ? MemoryTypes.Readback : MemoryTypes.Local);
            VulkanErrors.Check(vk.BindBufferMemory(buffer, _memory), "vkBindBufferMemory");
            _coherent = flags.HasFlag(MemoryPropertyFlags.HostCoherentBit);
            if (readback)
            {
                void* mapped;
                VulkanErrors.Check(vk.MapMemory(_memory, bytes, &mapped), "vkMapMemory");
                Mapped = (byte*)mapped;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal Buffer Handle => _buffer;

    internal ulong Bytes { get; }

    internal byte* Mapped { get; private set; }

    /// <summary>Makes the GPU's writes visible to the CPU.</summary>
    internal Result Invalidate()
    {
        if (_coherent)
            return Result.Success;
        var range = new MappedMemoryRange { SType = StructureType.MappedMemoryRange, Memory = _memory, Size = Vk.WholeSize };
        return _vk.InvalidateMappedMemoryRanges(&range);
    }

    public void Dispose()
    {
        if (_buffer.Handle != 0)
            _vk.Destroy(_buffer);
        if (_memory.Handle != 0)
            _vk.FreeMemory(_memory); // unmaps
        (_buffer, _memory) = (default, default);
        Mapped = null;
    }

    internal static (DeviceMemory Memory, MemoryPropertyFlags Flags) Allocate(VulkanDispatch vk, MemoryRequirements needs, MemoryPropertyFlags[] wishes)
    {
        PhysicalDeviceMemoryProperties types = vk.GetPhysicalDeviceMemoryProperties();
        (uint index, MemoryPropertyFlags flags) = MemoryTypes.Choose(types, needs.MemoryTypeBits, wishes);
        var info = new MemoryAllocateInfo { SType = StructureType.MemoryAllocateInfo, AllocationSize = needs.Size, MemoryTypeIndex = index };
        DeviceMemory memory;
        VulkanErrors.Check(vk.AllocateMemory(&info, &memory), "vkAllocateMemory");
        return (memory, flags);
    }
}

/// <summary>An image the frame is copied to when the target cannot be sampled.</summary>
internal sealed unsafe class GpuImage : IDisposable
{
    private readonly VulkanDispatch _vk;
    private DeviceMemory _memory;
    private Image _image;

    internal GpuImage(VulkanDispatch vk, Format format, int width, int height)
    {
        _vk = vk;
        try
        {
            var info = new ImageCreateInfo
            {
                SType = StructureType.ImageCreateInfo,
                ImageType = ImageType.Type2D,
                Format = format,
                Extent = new Extent3D((uint)width, (uint)height, 1),
                MipLevels = 1,
                ArrayLayers = 1,
                Samples = SampleCountFlags.Count1Bit,
                Usage = ImageUsageFlags.SampledBit | ImageUsageFlags.TransferDstBit,
            };
            Image image;
            VulkanErrors.Check(vk.CreateImage(&info, &image), "vkCreateImage");
            _image = image;
            (_memory, _) = GpuBuffer.Allocate(vk, vk.GetImageMemoryRequirements(image), MemoryTypes.Local);
            VulkanErrors.Check(vk.BindImageMemory(image, _memory), "vkBindImageMemory");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal Image Handle => _image;

    public void Dispose()
    {
        if (_image.Handle != 0)
            _vk.Destroy(_image);
        if (_memory.Handle != 0)
            _vk.FreeMemory(_memory);
        (_image, _memory) = (default, default);
    }
}

/// <summary>
/// Mapped GPU memory as managed memory. The owner keeps it mapped while anybody may look; whoever does comes through here
/// and is counted with the whole length.
/// </summary>
internal sealed unsafe class MappedMemory(VulkanDispatch vk, byte* start, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan()
    {
        vk.CountRead(length);
        return new(start, length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        vk.CountRead(length);
        return new(start + elementIndex);
    }

    public override void Unpin() { }

    protected override void Dispose(bool disposing) { }
}
