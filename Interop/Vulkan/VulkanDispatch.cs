using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Vulkan;

/// <summary>The Vulkan functions a capture calls.</summary>
internal enum VulkanCall
{
    AllocateCommandBuffers, AllocateDescriptorSets, AllocateMemory, BeginCommandBuffer, BindBufferMemory, BindImageMemory,
    CmdBindDescriptorSets, CmdBindPipeline, CmdCopyImage, CmdDispatch, CmdPipelineBarrier, CmdPushConstants, CmdUpdateBuffer,
    CreateBuffer, CreateCommandPool, CreateComputePipelines, CreateDescriptorPool, CreateDescriptorSetLayout, CreateImage,
    CreateImageView, CreatePipelineLayout, CreateSemaphore, CreateShaderModule,
    DestroyBuffer, DestroyCommandPool, DestroyDescriptorPool, DestroyDescriptorSetLayout, DestroyImage, DestroyImageView,
    DestroyPipeline, DestroyPipelineLayout, DestroySemaphore, DestroyShaderModule,
    EndCommandBuffer, FreeMemory, GetBufferMemoryRequirements, GetImageMemoryRequirements, GetPhysicalDeviceFormatProperties,
    GetPhysicalDeviceMemoryProperties, InvalidateMappedMemoryRanges, MapMemory, QueueSubmit, UpdateDescriptorSets, WaitSemaphores,
}

/// <summary>
/// Every Vulkan call of a capture goes through here. Calls are counted by name, and a test can watch them or make one
/// fail. Results of a lost device mark the device as lost.
/// </summary>
internal sealed unsafe class VulkanDispatch(Vk vk, VulkanDevice owner)
{
    private readonly long[] _counts = new long[Enum.GetValues<VulkanCall>().Length];
    private readonly Device _device = owner.Device;
    private long _readBytes;

    /// <summary>Called before each call on the calling thread; anything but Success is returned instead of making the call.</summary>
    internal Func<VulkanCall, Result>? Interceptor { get; set; }

    /// <summary>Bytes of host-visible memory mapped since the start.</summary>
    internal long MappedBytes { get; private set; }

    /// <summary>Bytes of mapped memory that were opened for reading since the start.</summary>
    internal long ReadBytes => Interlocked.Read(ref _readBytes);

    /// <summary>Calls made of this function so far.</summary>
    internal long Count(VulkanCall call) => Interlocked.Read(ref _counts[(int)call]);

    internal Result AllocateCommandBuffers(CommandBufferAllocateInfo* info, CommandBuffer* made) =>
        Enter(VulkanCall.AllocateCommandBuffers, out Result r) ? Leave(vk.AllocateCommandBuffers(_device, info, made)) : r;

    internal Result AllocateDescriptorSets(DescriptorSetAllocateInfo* info, DescriptorSet* made) =>
        Enter(VulkanCall.AllocateDescriptorSets, out Result r) ? Leave(vk.AllocateDescriptorSets(_device, info, made)) : r;

    internal Result AllocateMemory(MemoryAllocateInfo* info, DeviceMemory* made) =>
        Enter(VulkanCall.AllocateMemory, out Result r) ? Leave(vk.AllocateMemory(_device, info, null, made)) : r;

    internal Result BeginCommandBuffer(CommandBuffer commands, CommandBufferBeginInfo* info) =>
        Enter(VulkanCall.BeginCommandBuffer, out Result r) ? Leave(vk.BeginCommandBuffer(commands, info)) : r;

    internal Result BindBufferMemory(Buffer buffer, DeviceMemory memory) =>
        Enter(VulkanCall.BindBufferMemory, out Result r) ? Leave(vk.BindBufferMemory(_device, buffer, memory, 0)) : r;

    internal Result BindImageMemory(Image image, DeviceMemory memory) =>
        Enter(VulkanCall.BindImageMemory, out Result r) ? Leave(vk.BindImageMemory(_device, image, memory, 0)) : r;

    internal void CmdBindDescriptorSets(CommandBuffer commands, PipelineLayout layout, DescriptorSet* set)
    {
        if (Enter(VulkanCall.CmdBindDescriptorSets, out _))
            vk.CmdBindDescriptorSets(commands, PipelineBindPoint.Compute, layout, 0, 1, set, 0, null);
    }

    internal void CmdBindPipeline(CommandBuffer commands, Pipeline pipeline)
    {
        if (Enter(VulkanCall.CmdBindPipeline, out _))
            vk.CmdBindPipeline(commands, PipelineBindPoint.Compute, pipeline);
    }

    internal void CmdCopyImage(CommandBuffer commands, Image from, ImageLayout fromLayout, Image to, ImageCopy* region)
    {
        if (Enter(VulkanCall.CmdCopyImage, out _))
            vk.CmdCopyImage(commands, from, fromLayout, to, ImageLayout.TransferDstOptimal, 1, region);
    }

    internal void CmdDispatch(CommandBuffer commands, uint x, uint y)
    {
        if (Enter(VulkanCall.CmdDispatch, out _))
            vk.CmdDispatch(commands, x, y, 1);
    }

    internal void CmdPipelineBarrier(
        CommandBuffer commands, PipelineStageFlags from, PipelineStageFlags to, MemoryBarrier* memory, ImageMemoryBarrier* images, uint imageCount)
    {
        if (Enter(VulkanCall.CmdPipelineBarrier, out _))
            vk.CmdPipelineBarrier(commands, from, to, 0, memory == null ? 0u : 1u, memory, 0, null, imageCount, images);
    }

    internal void CmdPushConstants(CommandBuffer commands, PipelineLayout layout, uint bytes, void* data)
    {
        if (Enter(VulkanCall.CmdPushConstants, out _))
            vk.CmdPushConstants(commands, layout, ShaderStageFlags.ComputeBit, 0, bytes, data);
    }

    internal void CmdUpdateBuffer(CommandBuffer commands, Buffer buffer, ulong offset, ulong bytes, void* data)
    {
        if (Enter(VulkanCall.CmdUpdateBuffer, out _))
            vk.CmdUpdateBuffer(commands, buffer, offset, bytes, data);
    }

    internal Result CreateBuffer(BufferCreateInfo* info, Buffer* made) =>
        Enter(VulkanCall.CreateBuffer, out Result r) ? Leave(vk.CreateBuffer(_device, info, null, made)) : r;

    internal Result CreateCommandPool(CommandPoolCreateInfo* info, CommandPool* made) =>
        Enter(VulkanCall.CreateCommandPool, out Result r) ? Leave(vk.CreateCommandPool(_device, info, null, made)) : r;

    internal Result CreateComputePipelines(uint count, ComputePipelineCreateInfo* infos, Pipeline* made) =>
        Enter(VulkanCall.CreateComputePipelines, out Result r) ? Leave(vk.CreateComputePipelines(_device, default, count, infos, null, made)) : r;

    internal Result CreateDescriptorPool(DescriptorPoolCreateInfo* info, DescriptorPool* made) =>
        Enter(VulkanCall.CreateDescriptorPool, out Result r) ? Leave(vk.CreateDescriptorPool(_device, info, null, made)) : r;

    internal Result CreateDescriptorSetLayout(DescriptorSetLayoutCreateInfo* info, DescriptorSetLayout* made) =>
        Enter(VulkanCall.CreateDescriptorSetLayout, out Result r) ? Leave(vk.CreateDescriptorSetLayout(_device, info, null, made)) : r;

    internal Result CreateImage(ImageCreateInfo* info, Image* made) =>
        Enter(VulkanCall.CreateImage, out Result r) ? Leave(vk.CreateImage(_device, info, null, made)) : r;

    internal Result CreateImageView(ImageViewCreateInfo* info, ImageView* made) =>
        Enter(VulkanCall.CreateImageView, out Result r) ? Leave(vk.CreateImageView(_device, info, null, made)) : r;

    internal Result CreatePipelineLayout(PipelineLayoutCreateInfo* info, PipelineLayout* made) =>
        Enter(VulkanCall.CreatePipelineLayout, out Result r) ? Leave(vk.CreatePipelineLayout(_device, info, null, made)) : r;

    internal Result CreateSemaphore(SemaphoreCreateInfo* info, Semaphore* made) =>
        Enter(VulkanCall.CreateSemaphore, out Result r) ? Leave(vk.CreateSemaphore(_device, info, null, made)) : r;

    internal Result CreateShaderModule(ShaderModuleCreateInfo* info, ShaderModule* made) =>
        Enter(VulkanCall.CreateShaderModule, out Result r) ? Leave(vk.CreateShaderModule(_device, info, null, made)) : r;

    internal void Destroy(Buffer buffer)
    {
        if (Enter(VulkanCall.DestroyBuffer, out _))
            vk.DestroyBuffer(_device, buffer, null);
    }

    internal void Destroy(CommandPool pool)
    {
        if (Enter(VulkanCall.DestroyCommandPool, out _))
            vk.DestroyCommandPool(_device, pool, null);
    }

    internal void Destroy(DescriptorPool pool)
    {
        if (Enter(VulkanCall.DestroyDescriptorPool, out _))
            vk.DestroyDescriptorPool(_device, pool, null);
    }

    internal void Destroy(DescriptorSetLayout layout)
    {
        if (Enter(VulkanCall.DestroyDescriptorSetLayout, out _))
            vk.DestroyDescriptorSetLayout(_device, layout, null);
    }

    internal void Destroy(Image image)
    {
        if (Enter(VulkanCall.DestroyImage, out _))
            vk.DestroyImage(_device, image, null);
    }

    internal void Destroy(ImageView view)
    {
        if (Enter(VulkanCall.DestroyImageView, out _))
            vk.DestroyImageView(_device, view, null);
    }

    internal void Destroy(Pipeline pipeline)
    {
        if (Enter(VulkanCall.DestroyPipeline, out _))
            vk.DestroyPipeline(_device, pipeline, null);
    }

    internal void Destroy(PipelineLayout layout)
    {
        if (Enter(VulkanCall.DestroyPipelineLayout, out _))
            vk.DestroyPipelineLayout(_device, layout, null);
    }

    internal void Destroy(Semaphore semaphore)
    {
        if (Enter(VulkanCall.DestroySemaphore, out _))
            vk.DestroySemaphore(_device, semaphore, null);
    }

    internal void Destroy(ShaderModule module)
    {
        if (Enter(VulkanCall.DestroyShaderModule, out _))
            vk.DestroyShaderModule(_device, module, null);
    }

    internal Result EndCommandBuffer(CommandBuffer commands) =>
        Enter(VulkanCall.EndCommandBuffer, out Result r) ? Leave(vk.EndCommandBuffer(commands)) : r;

    internal void FreeMemory(DeviceMemory memory)
    {
        if (Enter(VulkanCall.FreeMemory, out _))
            vk.FreeMemory(_device, memory, null);
    }

    internal MemoryRequirements GetBufferMemoryRequirements(Buffer buffer)
    {
        MemoryRequirements found = default;
        if (Enter(VulkanCall.GetBufferMemoryRequirements, out _))
            vk.GetBufferMemoryRequirements(_device, buffer, &found);
        return found;
    }

    internal MemoryRequirements GetImageMemoryRequirements(Image image)
    {
        MemoryRequirements found = default;
        if (Enter(VulkanCall.GetImageMemoryRequirements, out _))
            vk.GetImageMemoryRequirements(_device, image, &found);
        return found;
    }

    internal FormatProperties GetPhysicalDeviceFormatProperties(Format format)
    {
        FormatProperties found = default;
        if (Enter(VulkanCall.GetPhysicalDeviceFormatProperties, out _))
            vk.GetPhysicalDeviceFormatProperties(owner.PhysicalDevice, format, &found);
        return found;
    }

    internal PhysicalDeviceMemoryProperties GetPhysicalDeviceMemoryProperties()
    {
        PhysicalDeviceMemoryProperties found = default;
        if (Enter(VulkanCall.GetPhysicalDeviceMemoryProperties, out _))
            vk.GetPhysicalDeviceMemoryProperties(owner.PhysicalDevice, &found);
        return found;
    }

    internal Result InvalidateMappedMemoryRanges(MappedMemoryRange* range) =>
        Enter(VulkanCall.InvalidateMappedMemoryRanges, out Result r) ? Leave(vk.InvalidateMappedMemoryRanges(_device, 1, range)) : r;

    internal Result MapMemory(DeviceMemory memory, ulong bytes, void** made)
    {
        if (!Enter(VulkanCall.MapMemory, out Result r))
            return r;
        MappedBytes += (long)bytes;
        return Leave(vk.MapMemory(_device, memory, 0, bytes, 0, made));
    }

    /// <summary>The caller holds the device's submit lock.</summary>
    internal Result QueueSubmit(SubmitInfo* info) =>
        Enter(VulkanCall.QueueSubmit, out Result r) ? Leave(vk.QueueSubmit(owner.Queue, 1, info, default)) : r;

    internal void UpdateDescriptorSets(uint count, WriteDescriptorSet* writes)
    {
        if (Enter(VulkanCall.UpdateDescriptorSets, out _))
            vk.UpdateDescriptorSets(_device, count, writes, 0, null);
    }

    internal Result WaitSemaphores(SemaphoreWaitInfo* info, ulong nanoseconds) =>
        Enter(VulkanCall.WaitSemaphores, out Result r) ? Leave(vk.WaitSemaphores(_device, info, nanoseconds)) : r;

    internal void CountRead(long bytes) => Interlocked.Add(ref _readBytes, bytes);

    private bool Enter(VulkanCall call, out Result result)
    {
        Interlocked.Increment(ref _counts[(int)call]);
        result = Interceptor is { } intercept ? Leave(intercept(call)) : Result.Success;
        return result == Result.Success;
    }

    private Result Leave(Result result)
    {
        if (result == Result.ErrorDeviceLost)
            owner.MarkLost();
        return result;
    }
}
