using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>
/// What a scene is drawn into: a colour image (<see cref="ColourFormat"/>; colour attachment, transfer source, sampled), an
/// object-ID image (<see cref="IdFormat"/>), depth, and the memory the shaders read. Frames recorded into one target must be
/// submitted to one queue in the order of recording; they may be in flight at the same time.
/// </summary>
public sealed unsafe class SceneTarget : IDisposable
{
    /// <summary>RGBA8, display encoded.</summary>
    public const Format ColourFormat = Format.R8G8B8A8Unorm;

    /// <summary>Object number, 0 for none.</summary>
    public const Format IdFormat = Format.R8Uint;

    internal const Format DepthFormat = Format.D32Sfloat;
    internal const uint ShadowSide = 512;

    private readonly VulkanDevice _device;
    private readonly List<(Image Image, ImageView View, DeviceMemory Memory)> _images = [];
    private DeviceMemory _dataMemory;
    private DescriptorPool _pool;

    internal SceneTarget(VulkanDevice device, ScenePipelines pipelines, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        _device = device;
        (Width, Height) = (width, height);
        try
        {
            const ImageUsageFlags Read = ImageUsageFlags.ColorAttachmentBit | ImageUsageFlags.TransferSrcBit;
            var size = new Extent2D((uint)width, (uint)height);
            (Colour, ColourView) = AddImage(size, ColourFormat, Read | ImageUsageFlags.SampledBit, ImageAspectFlags.ColorBit);
            (Ids, IdView) = AddImage(size, IdFormat, Read, ImageAspectFlags.ColorBit);
            (Depth, DepthView) = AddImage(size, DepthFormat, ImageUsageFlags.DepthStencilAttachmentBit, ImageAspectFlags.DepthBit);
            (Shadow, ShadowView) = AddImage(
                new Extent2D(ShadowSide, ShadowSide), DepthFormat,
                ImageUsageFlags.DepthStencilAttachmentBit | ImageUsageFlags.SampledBit, ImageAspectFlags.DepthBit);
            (Data, _dataMemory) = VulkanHelp.CreateBuffer(
                device, SceneData.Size, BufferUsageFlags.StorageBufferBit | BufferUsageFlags.TransferDstBit, MemoryPropertyFlags.DeviceLocalBit);
            CreateDescriptors(pipelines);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>The colour image.</summary>
    public Image Colour { get; }

    /// <summary>A view of the colour image.</summary>
    public ImageView ColourView { get; }

    /// <summary>The object-ID image; in TransferSrcOptimal after a recorded frame.</summary>
    public Image Ids { get; }

    internal ImageView IdView { get; }

    internal Image Depth { get; }

    internal ImageView DepthView { get; }

    internal Image Shadow { get; }

    internal ImageView ShadowView { get; }

    internal Silk.NET.Vulkan.Buffer Data { get; private set; }

    internal DescriptorSet Descriptors { get; private set; }

    /// <summary>Frees the images; no frame may be in flight.</summary>
    public void Dispose()
    {
        Vk vk = _device.Api;
        foreach ((Image image, ImageView view, DeviceMemory memory) in _images)
        {
            vk.DestroyImageView(_device.Device, view, null);
            vk.DestroyImage(_device.Device, image, null);
            vk.FreeMemory(_device.Device, memory, null);
        }
        _images.Clear();
        vk.DestroyDescriptorPool(_device.Device, _pool, null);
        vk.DestroyBuffer(_device.Device, Data, null);
        vk.FreeMemory(_device.Device, _dataMemory, null);
        (_pool, Data, _dataMemory) = (default, default, default);
    }

    private (Image Image, ImageView View) AddImage(Extent2D size, Format format, ImageUsageFlags usage, ImageAspectFlags aspect)
    {
        Vk vk = _device.Api;
        var create = new ImageCreateInfo
        {
            SType = StructureType.ImageCreateInfo,
            ImageType = ImageType.Type2D,
            Format = format,
            Extent = new Extent3D(size.Width, size.Height, 1),
            MipLevels = 1,
            ArrayLayers = 1,
            Samples = SampleCountFlags.Count1Bit,
            Tiling = ImageTiling.Optimal,
            Usage = usage,
            SharingMode = SharingMode.Exclusive,
            InitialLayout = ImageLayout.Undefined,
        };
        VulkanHelp.Check(vk.CreateImage(_device.Device, &create, null, out Image image), "vkCreateImage");
        (Image, ImageView, DeviceMemory) parts = (image, default, default);
        try
        {
            MemoryRequirements needs = vk.GetImageMemoryRequirements(_device.Device, image);
            parts.Item3 = VulkanHelp.Allocate(_device, needs, MemoryPropertyFlags.DeviceLocalBit);
            VulkanHelp.Check(vk.BindImageMemory(_device.Device, image, parts.Item3, 0), "vkBindImageMemory");
            var view = new ImageViewCreateInfo
            {
                SType = StructureType.ImageViewCreateInfo,
                Image = image,
                ViewType = ImageViewType.Type2D,
                Format = format,
                SubresourceRange = new ImageSubresourceRange(aspect, 0, 1, 0, 1),
            };
            VulkanHelp.Check(vk.CreateImageView(_device.Device, &view, null, out parts.Item2), "vkCreateImageView");
            return (image, parts.Item2);
        }
        finally
        {
            _images.Add(parts);
        }
    }

    private void CreateDescriptors(ScenePipelines pipelines)
    {
        Vk vk = _device.Api;
        DescriptorPoolSize* sizes = stackalloc DescriptorPoolSize[]
        {
            new(DescriptorType.StorageBuffer, 1), new(DescriptorType.CombinedImageSampler, 1),
        };
        var pool = new DescriptorPoolCreateInfo
        {
            SType = StructureType.DescriptorPoolCreateInfo,
            MaxSets = 1,
            PoolSizeCount = 2,
            PPoolSizes = sizes,
        };
        VulkanHelp.Check(vk.CreateDescriptorPool(_device.Device, &pool, null, out _pool), "vkCreateDescriptorPool");
        DescriptorSetLayout layout = pipelines.SetLayout;
        var allocate = new DescriptorSetAllocateInfo
        {
            SType = StructureType.DescriptorSetAllocateInfo,
            DescriptorPool = _pool,
            DescriptorSetCount = 1,
            PSetLayouts = &layout,
        };
        VulkanHelp.Check(vk.AllocateDescriptorSets(_device.Device, &allocate, out DescriptorSet set), "vkAllocateDescriptorSets");
        Descriptors = set;
        var buffer = new DescriptorBufferInfo(Data, 0, Vk.WholeSize);
        var image = new DescriptorImageInfo(pipelines.Sampler, ShadowView, ImageLayout.DepthStencilReadOnlyOptimal);
        WriteDescriptorSet* writes = stackalloc WriteDescriptorSet[]
        {
            new() { SType = StructureType.WriteDescriptorSet, DstSet = set, DstBinding = 0, DescriptorCount = 1, DescriptorType = DescriptorType.StorageBuffer, PBufferInfo = &buffer },
            new() { SType = StructureType.WriteDescriptorSet, DstSet = set, DstBinding = 1, DescriptorCount = 1, DescriptorType = DescriptorType.CombinedImageSampler, PImageInfo = &image },
        };
        vk.UpdateDescriptorSets(_device.Device, 2, writes, 0, null);
    }
}
