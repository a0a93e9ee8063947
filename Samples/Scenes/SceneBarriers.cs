using Silk.NET.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>The orderings between the passes of one frame.</summary>
internal static unsafe class SceneBarriers
{
    private const PipelineStageFlags2 DepthTests = PipelineStageFlags2.EarlyFragmentTestsBit | PipelineStageFlags2.LateFragmentTestsBit;
    private const AccessFlags2 DepthAccess = AccessFlags2.DepthStencilAttachmentReadBit | AccessFlags2.DepthStencilAttachmentWriteBit;

    public static void BeforeFrame(Vk vk, CommandBuffer commands, SceneTarget target)
    {
        const PipelineStageFlags2 Any = PipelineStageFlags2.AllCommandsBit;
        const PipelineStageFlags2 Colours = PipelineStageFlags2.ColorAttachmentOutputBit;
        ImageMemoryBarrier2* images = stackalloc ImageMemoryBarrier2[]
        {
            Image(target.Colour, Any, AccessFlags2.MemoryWriteBit, Colours, AccessFlags2.ColorAttachmentWriteBit, ImageLayout.Undefined, ImageLayout.ColorAttachmentOptimal),
            Image(target.Ids, Any, AccessFlags2.MemoryWriteBit, Colours, AccessFlags2.ColorAttachmentWriteBit, ImageLayout.Undefined, ImageLayout.ColorAttachmentOptimal),
            Image(target.Depth, DepthTests, AccessFlags2.DepthStencilAttachmentWriteBit, DepthTests, DepthAccess, ImageLayout.Undefined, ImageLayout.DepthStencilAttachmentOptimal, ImageAspectFlags.DepthBit),
            Image(
                target.Shadow, DepthTests | PipelineStageFlags2.FragmentShaderBit, AccessFlags2.DepthStencilAttachmentWriteBit, DepthTests, DepthAccess,
                ImageLayout.Undefined, ImageLayout.DepthStencilAttachmentOptimal, ImageAspectFlags.DepthBit),
        };
        var data = new MemoryBarrier2
        {
            SType = StructureType.MemoryBarrier2,
            SrcStageMask = PipelineStageFlags2.VertexShaderBit | PipelineStageFlags2.FragmentShaderBit | PipelineStageFlags2.CopyBit,
            SrcAccessMask = AccessFlags2.TransferWriteBit,
            DstStageMask = PipelineStageFlags2.CopyBit,
            DstAccessMask = AccessFlags2.TransferWriteBit,
        };
        Place(vk, commands, 4, images, 1, &data);
    }

    public static void AfterUpload(Vk vk, CommandBuffer commands)
    {
        var data = new MemoryBarrier2
        {
            SType = StructureType.MemoryBarrier2,
            SrcStageMask = PipelineStageFlags2.CopyBit,
            SrcAccessMask = AccessFlags2.TransferWriteBit,
            DstStageMask = PipelineStageFlags2.VertexShaderBit | PipelineStageFlags2.FragmentShaderBit,
            DstAccessMask = AccessFlags2.ShaderStorageReadBit,
        };
        Place(vk, commands, 0, null, 1, &data);
    }

    public static void AfterShadow(Vk vk, CommandBuffer commands, SceneTarget target)
    {
        ImageMemoryBarrier2 shadow = Image(
            target.Shadow, DepthTests, AccessFlags2.DepthStencilAttachmentWriteBit, PipelineStageFlags2.FragmentShaderBit,
            AccessFlags2.ShaderSampledReadBit, ImageLayout.DepthStencilAttachmentOptimal, ImageLayout.DepthStencilReadOnlyOptimal, ImageAspectFlags.DepthBit);
        Place(vk, commands, 1, &shadow, 0, null);
    }

    public static void AfterFrame(Vk vk, CommandBuffer commands, SceneTarget target, ImageLayout finalLayout)
    {
        const PipelineStageFlags2 Colours = PipelineStageFlags2.ColorAttachmentOutputBit;
        const AccessFlags2 Written = AccessFlags2.ColorAttachmentWriteBit;
        ImageMemoryBarrier2* images = stackalloc ImageMemoryBarrier2[]
        {
            Image(target.Colour, Colours, Written, PipelineStageFlags2.AllCommandsBit, AccessFlags2.MemoryReadBit | AccessFlags2.MemoryWriteBit, ImageLayout.ColorAttachmentOptimal, finalLayout),
            Image(target.Ids, Colours, Written, PipelineStageFlags2.CopyBit, AccessFlags2.TransferReadBit, ImageLayout.ColorAttachmentOptimal, ImageLayout.TransferSrcOptimal),
        };
        Place(vk, commands, 2, images, 0, null);
    }

    /// <summary>Makes copied pixels visible to the host.</summary>
    public static void BeforeHostRead(Vk vk, CommandBuffer commands)
    {
        var data = new MemoryBarrier2
        {
            SType = StructureType.MemoryBarrier2,
            SrcStageMask = PipelineStageFlags2.CopyBit,
            SrcAccessMask = AccessFlags2.TransferWriteBit,
            DstStageMask = PipelineStageFlags2.HostBit,
            DstAccessMask = AccessFlags2.HostReadBit,
        };
        Place(vk, commands, 0, null, 1, &data);
    }

    private static ImageMemoryBarrier2 Image(
        Image image, PipelineStageFlags2 fromStage, AccessFlags2 from, PipelineStageFlags2 toStage, AccessFlags2 to,
        ImageLayout oldLayout, ImageLayout newLayout, ImageAspectFlags aspect = ImageAspectFlags.ColorBit) => new()
        {
            SType = StructureType.ImageMemoryBarrier2,
            SrcStageMask = fromStage,
            SrcAccessMask = from,
            DstStageMask = toStage,
            DstAccessMask = to,
            OldLayout = oldLayout,
            NewLayout = newLayout,
            SrcQueueFamilyIndex = Vk.QueueFamilyIgnored,
            DstQueueFamilyIndex = Vk.QueueFamilyIgnored,
            Image = image,
            SubresourceRange = new ImageSubresourceRange(aspect, 0, 1, 0, 1),
        };

    private static void Place(
        Vk vk, CommandBuffer commands, uint imageCount, ImageMemoryBarrier2* images, uint memoryCount, MemoryBarrier2* memories)
    {
        var dependency = new DependencyInfo
        {
            SType = StructureType.DependencyInfo,
            ImageMemoryBarrierCount = imageCount,
            PImageMemoryBarriers = images,
            MemoryBarrierCount = memoryCount,
            PMemoryBarriers = memories,
        };
        vk.CmdPipelineBarrier2(commands, &dependency);
    }
}
