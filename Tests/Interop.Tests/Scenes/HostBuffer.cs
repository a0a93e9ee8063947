using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Scenes;

/// <summary>A mapped buffer to copy pixels into.</summary>
internal sealed unsafe class HostBuffer : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly DeviceMemory _memory;
    private readonly void* _mapped;
    private readonly int _bytes;

    internal HostBuffer(VulkanDevice device, int bytes)
    {
        (_device, _bytes) = (device, bytes);
        Vk vk = device.Api;
        var create = new BufferCreateInfo { SType = StructureType.BufferCreateInfo, Size = (ulong)bytes, Usage = BufferUsageFlags.TransferDstBit };
        vk.CreateBuffer(device.Device, &create, null, out Silk.NET.Vulkan.Buffer buffer);
        Handle = buffer;
        MemoryRequirements needs = vk.GetBufferMemoryRequirements(device.Device, buffer);
        PhysicalDeviceMemoryProperties kinds = vk.GetPhysicalDeviceMemoryProperties(device.PhysicalDevice);
        const MemoryPropertyFlags Wanted = MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit;
        uint type = 0;
        while ((needs.MemoryTypeBits & (1u << (int)type)) == 0 || (kinds.MemoryTypes[(int)type].PropertyFlags & Wanted) != Wanted)
            type++;
        var allocate = new MemoryAllocateInfo { SType = StructureType.MemoryAllocateInfo, AllocationSize = needs.Size, MemoryTypeIndex = type };
        vk.AllocateMemory(device.Device, &allocate, null, out _memory);
        vk.BindBufferMemory(device.Device, buffer, _memory, 0);
        void* mapped;
        vk.MapMemory(device.Device, _memory, 0, Vk.WholeSize, 0, &mapped);
        _mapped = mapped;
    }

    internal Silk.NET.Vulkan.Buffer Handle { get; }

    internal ReadOnlySpan<byte> Bytes => new(_mapped, _bytes);

    public void Dispose()
    {
        _device.Api.DestroyBuffer(_device.Device, Handle, null);
        _device.Api.FreeMemory(_device.Device, _memory, null);
    }
}
