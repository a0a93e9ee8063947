using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>Result checks and memory for the renderer's own objects.</summary>
internal static unsafe class VulkanHelp
{
    /// <summary>Throws when a call failed.</summary>
    /// <exception cref="DeviceLostException">The device is lost.</exception>
    /// <exception cref="DeviceUnavailableException">Any other failure.</exception>
    public static void Check(Result result, string call)
    {
        if (result == Result.ErrorDeviceLost)
            throw new DeviceLostException($"{call} reported that the Vulkan device is lost. Make a new device, renderer and targets.");
        if (result != Result.Success)
            throw new DeviceUnavailableException($"{call} failed with {result} while drawing scenes. Run with the validation layer to see why.");
    }

    /// <summary>Refuses a device that lacks what the renderer uses: dynamic rendering and synchronization2, both part of Vulkan 1.3.</summary>
    public static void Require(VulkanDevice device)
    {
        uint version = device.Api.GetPhysicalDeviceProperties(device.PhysicalDevice).ApiVersion;
        if (version < (uint)Vk.Version13)
            throw new DeviceUnavailableException(
                $"'{device.Name}' offers Vulkan {version >> 22}.{(version >> 12) & 0x3ff}; scenes are drawn with 1.3. Update the driver, or choose another device.");
    }

    public static (Silk.NET.Vulkan.Buffer Buffer, DeviceMemory Memory) CreateBuffer(
        VulkanDevice device, ulong bytes, BufferUsageFlags usage, MemoryPropertyFlags wanted)
    {
        Vk vk = device.Api;
        var create = new BufferCreateInfo { SType = StructureType.BufferCreateInfo, Size = bytes, Usage = usage };
        Check(vk.CreateBuffer(device.Device, &create, null, out Silk.NET.Vulkan.Buffer buffer), "vkCreateBuffer");
        DeviceMemory memory = default;
        try
        {
            memory = Allocate(device, vk.GetBufferMemoryRequirements(device.Device, buffer), wanted);
            Check(vk.BindBufferMemory(device.Device, buffer, memory, 0), "vkBindBufferMemory");
            return (buffer, memory);
        }
        catch
        {
            vk.DestroyBuffer(device.Device, buffer, null);
            vk.FreeMemory(device.Device, memory, null);
            throw;
        }
    }

    public static DeviceMemory Allocate(VulkanDevice device, MemoryRequirements needs, MemoryPropertyFlags wanted)
    {
        PhysicalDeviceMemoryProperties kinds = device.Api.GetPhysicalDeviceMemoryProperties(device.PhysicalDevice);
        for (int i = 0; i < kinds.MemoryTypeCount; i++)
        {
            if ((needs.MemoryTypeBits & (1u << i)) == 0 || (kinds.MemoryTypes[i].PropertyFlags & wanted) != wanted)
                continue;
            var allocate = new MemoryAllocateInfo
            {
                SType = StructureType.MemoryAllocateInfo,
                AllocationSize = needs.Size,
                MemoryTypeIndex = (uint)i,
            };
            Check(device.Api.AllocateMemory(device.Device, &allocate, null, out DeviceMemory memory), "vkAllocateMemory");
            return memory;
        }
        throw new DeviceUnavailableException($"'{device.Name}' has no memory type with {wanted} for the renderer's buffers and images.");
    }
}
