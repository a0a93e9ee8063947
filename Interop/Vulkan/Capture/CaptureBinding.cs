using Silk.NET.Vulkan;
using VlmSdk.Vision;

namespace VlmSdk.Vulkan;

/// <summary>
/// Everything that belongs to one target image: view, tables, buffer between the passes, and one recorded command buffer
/// for each ring slot. Made at Attach and Resize; retired when the next one takes over and freed when the GPU is done.
/// </summary>
internal sealed unsafe class CaptureBinding : IDisposable
{
    // A lent grid is reused only after this many later grids of its slot, so that a second Dispose of an old one does nothing.
    private const int GridsPerSlot = 8;

    private readonly VulkanDispatch _vk;
    private readonly uint _queueFamily;
    private readonly RenderTarget _target;
    private readonly SourcePlan _plan;
    private readonly CaptureGeometry _geometry;
    private readonly PatchGrid[] _grids;
    private readonly int[] _nextGrid;
    private GpuBuffer? _tables, _rows;
    private GpuImage? _copy;
    private ImageView _view;
    private DescriptorPool _descriptors;
    private CommandPool _pool;
    private CommandBuffer[] _commands = [];

    internal CaptureBinding(VulkanDevice device, CapturePipelines pipelines, FrameCaptureOptions options, RenderTarget target, GpuBuffer[] slots, Func<int, PatchGrid> newGrid)
    {
        (_vk, _queueFamily, _target) = (device.Dispatch, device.QueueFamily, target);
        _plan = target.Plan(device);
        _geometry = new CaptureGeometry(options.Grid, options.Precision, target.Width, target.Height, _plan);
        CheckLimits(device);
        _grids = new PatchGrid[slots.Length * GridsPerSlot];
        _nextGrid = new int[slots.Length];
        NewGrid = newGrid;
        try
        {
            _tables = new GpuBuffer(_vk, (ulong)_geometry.Tables.Length * 4, BufferUsageFlags.StorageBufferBit | BufferUsageFlags.TransferDstBit, readback: false);
            _rows = new GpuBuffer(_vk, _geometry.RowBytes, BufferUsageFlags.StorageBufferBit, readback: false);
            if (_plan.Copy)
                _copy = new GpuImage(_vk, _plan.ViewFormat, target.Width, target.Height);
            CreateView();
            DescriptorSet[] sets = CreateSets(pipelines, slots);
            Record(pipelines, sets);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Makes a grid over a slot's memory.</summary>
    private Func<int, PatchGrid> NewGrid { get; }

    internal CoordinateMap Map => _geometry.Map;

    /// <summary>True once the tables were uploaded by a submit.</summary>
    internal bool Uploaded { get; set; }

    /// <summary>Uploads the tables; goes before the first capture in the same submit.</summary>
    internal CommandBuffer Upload => _commands[^1];

    /// <summary>True when a frame that is not captured still needs its layout changed.</summary>
    internal bool ChangesLayout => (_target.LayoutAfter ?? _target.Layout) != _target.Layout;

    /// <summary>Only changes the layout, for a frame that is not captured. May be pending several times.</summary>
    internal CommandBuffer Skip => _commands[^2];

    /// <summary>Captures into a slot.</summary>
    internal CommandBuffer Capture(int slot) => _commands[slot];

    /// <summary>A grid over the slot's memory, not lent to anybody. Allocates only in the first rounds.</summary>
    internal PatchGrid NextGrid(int slot)
    {
        int at = slot * GridsPerSlot + _nextGrid[slot];
        _nextGrid[slot] = (_nextGrid[slot] + 1) % GridsPerSlot;
        PatchGrid? grid = _grids[at];
        if (grid is null)
            return _grids[at] = NewGrid(slot);
        grid.Renew();
        return grid;
    }

    public void Dispose()
    {
        if (_pool.Handle != 0)
            _vk.Destroy(_pool);
        if (_descriptors.Handle != 0)
            _vk.Destroy(_descriptors);
        if (_view.Handle != 0)
            _vk.Destroy(_view);
        (_pool, _descriptors, _view) = (default, default, default);
        _copy?.Dispose();
        _rows?.Dispose();
        _tables?.Dispose();
        (_copy, _rows, _tables) = (null, null, null);
    }

    private void CheckLimits(VulkanDevice device)
    {
        ulong range = device.Limits.MaxStorageBufferRange, grid = (ulong)_geometry.Parameters.GridWidth * (ulong)_geometry.Parameters.GridHeight * 12;
        if (_geometry.RowBytes > range || grid > range || (ulong)_geometry.Tables.Length * 4 > range)
            throw new CaptureException(
                $"Capturing {_target.Width} x {_target.Height} to a {_geometry.Parameters.GridWidth} x {_geometry.Parameters.GridHeight} grid needs a buffer " +
                $"above the device's limit of {range} bytes. Use a smaller grid.");
    }

    private void CreateView()
    {
        // The view only samples: formats such as SRGB need not support whatever else the image is used for.
        var usage = new ImageViewUsageCreateInfo { SType = StructureType.ImageViewUsageCreateInfo, Usage = ImageUsageFlags.SampledBit };
        var info = new ImageViewCreateInfo
        {
            SType = StructureType.ImageViewCreateInfo,
            PNext = &usage,
            Image = _copy?.Handle ?? new Image(_target.Image.Handle),
            ViewType = ImageViewType.Type2D,
            Format = _plan.ViewFormat,
            SubresourceRange = Whole,
        };
        ImageView view;
        VulkanErrors.Check(_vk.CreateImageView(&info, &view), "vkCreateImageView");
        _view = view;
    }

    private DescriptorSet[] CreateSets(CapturePipelines pipelines, GpuBuffer[] slots)
    {
        uint count = (uint)slots.Length;
        DescriptorPoolSize* sizes = stackalloc DescriptorPoolSize[2];
        sizes[0] = new(DescriptorType.SampledImage, count);
        sizes[1] = new(DescriptorType.StorageBuffer, 3 * count);
        var pool = new DescriptorPoolCreateInfo { SType = StructureType.DescriptorPoolCreateInfo, MaxSets = count, PoolSizeCount = 2, PPoolSizes = sizes };
        DescriptorPool made;
        VulkanErrors.Check(_vk.CreateDescriptorPool(&pool, &made), "vkCreateDescriptorPool");
        _descriptors = made;

        var sets = new DescriptorSet[slots.Length];
        DescriptorSetLayout layout = pipelines.SetLayout;
        DescriptorBufferInfo* buffers = stackalloc DescriptorBufferInfo[3];
        WriteDescriptorSet* writes = stackalloc WriteDescriptorSet[4];
        var image = new DescriptorImageInfo { ImageView = _view, ImageLayout = ReadLayout };
        for (int slot = 0; slot < slots.Length; slot++)
        {
            var info = new DescriptorSetAllocateInfo { SType = StructureType.DescriptorSetAllocateInfo, DescriptorPool = made, DescriptorSetCount = 1, PSetLayouts = &layout };
            DescriptorSet set;
            VulkanErrors.Check(_vk.AllocateDescriptorSets(&info, &set), "vkAllocateDescriptorSets");
            sets[slot] = set;
            buffers[0] = new(_tables!.Handle, 0, Vk.WholeSize);
            buffers[1] = new(_rows!.Handle, 0, Vk.WholeSize);
            buffers[2] = new(slots[slot].Handle, 0, Vk.WholeSize);
            for (uint i = 0; i < 4; i++)
                writes[i] = new()
                {
                    SType = StructureType.WriteDescriptorSet,
                    DstSet = set,
                    DstBinding = i,
                    DescriptorCount = 1,
                    DescriptorType = i == 0 ? DescriptorType.SampledImage : DescriptorType.StorageBuffer,
                    PImageInfo = i == 0 ? &image : null,
                    PBufferInfo = i == 0 ? null : &buffers[i - 1],
                };
            _vk.UpdateDescriptorSets(4, writes);
        }
        return sets;
    }

    private void Record(CapturePipelines pipelines, DescriptorSet[] sets)
    {
        var info = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = _queueFamily };
        CommandPool pool;
        VulkanErrors.Check(_vk.CreateCommandPool(&info, &pool), "vkCreateCommandPool");
        _pool = pool;
        var commands = new CommandBuffer[sets.Length + 2];
        var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = pool, CommandBufferCount = (uint)commands.Length };
        fixed (CommandBuffer* p = commands)
            VulkanErrors.Check(_vk.AllocateCommandBuffers(&allocate, p), "vkAllocateCommandBuffers");
        _commands = commands;

        for (int slot = 0; slot < sets.Length; slot++)
        {
            Begin(commands[slot], 0);
            RecordCapture(commands[slot], pipelines, sets[slot]);
            End(commands[slot]);
        }
        Begin(Skip, CommandBufferUsageFlags.SimultaneousUseBit);
        if (ChangesLayout)
        {
            ImageMemoryBarrier change = Transition(
                _target.Image, _target.Layout, _target.LayoutAfter ?? _target.Layout, AccessFlags.MemoryWriteBit, AccessFlags.MemoryReadBit | AccessFlags.MemoryWriteBit);
            _vk.CmdPipelineBarrier(Skip, PipelineStageFlags.AllCommandsBit, PipelineStageFlags.AllCommandsBit, null, &change, 1);
        }
        End(Skip);
        Begin(Upload, 0);
        RecordUpload();
        End(Upload);
    }

    private void RecordUpload()
    {
        const int MostWords = 65536 / 4; // the limit of vkCmdUpdateBuffer
        fixed (int* words = _geometry.Tables)
            for (int at = 0; at < _geometry.Tables.Length; at += MostWords)
                _vk.CmdUpdateBuffer(Upload, _tables!.Handle, (ulong)at * 4, (ulong)Math.Min(MostWords, _geometry.Tables.Length - at) * 4, words + at);
        var written = new MemoryBarrier { SType = StructureType.MemoryBarrier, SrcAccessMask = AccessFlags.TransferWriteBit, DstAccessMask = AccessFlags.ShaderReadBit };
        _vk.CmdPipelineBarrier(Upload, PipelineStageFlags.TransferBit, PipelineStageFlags.ComputeShaderBit, &written, null, 0);
    }

    private void RecordCapture(CommandBuffer commands, CapturePipelines pipelines, DescriptorSet set)
    {
        const AccessFlags AnyUse = AccessFlags.MemoryReadBit | AccessFlags.MemoryWriteBit;
        ImageLayout after = _target.LayoutAfter ?? _target.Layout;
        ImageMemoryBarrier* images = stackalloc ImageMemoryBarrier[2];

        // Opens: the engine's writes to the target, and the previous capture's use of the shared buffers, come first.
        var before = new MemoryBarrier
        {
            SType = StructureType.MemoryBarrier,
            SrcAccessMask = AccessFlags.ShaderWriteBit,
            DstAccessMask = AccessFlags.ShaderReadBit | AccessFlags.ShaderWriteBit,
        };
        images[0] = Transition(_target.Image, _target.Layout, SourceLayout, AccessFlags.MemoryWriteBit, _plan.Copy ? AccessFlags.TransferReadBit : AccessFlags.ShaderReadBit);
        if (_copy is null)
        {
            _vk.CmdPipelineBarrier(commands, PipelineStageFlags.AllCommandsBit, PipelineStageFlags.ComputeShaderBit, &before, images, 1);
        }
        else
        {
            var own = new VulkanImage(_copy.Handle.Handle);
            images[1] = Transition(own, ImageLayout.Undefined, ImageLayout.TransferDstOptimal, 0, AccessFlags.TransferWriteBit);
            _vk.CmdPipelineBarrier(commands, PipelineStageFlags.AllCommandsBit, PipelineStageFlags.ComputeShaderBit | PipelineStageFlags.TransferBit, &before, images, 2);
            var layer = new ImageSubresourceLayers(ImageAspectFlags.ColorBit, 0, 0, 1);
            var region = new ImageCopy { SrcSubresource = layer, DstSubresource = layer, Extent = new((uint)_target.Width, (uint)_target.Height, 1) };
            _vk.CmdCopyImage(commands, new Image(_target.Image.Handle), SourceLayout, _copy.Handle, &region);
            // The engine has its image back here, before the passes run.
            images[0] = Transition(own, ImageLayout.TransferDstOptimal, ReadLayout, AccessFlags.TransferWriteBit, AccessFlags.ShaderReadBit);
            images[1] = Transition(_target.Image, SourceLayout, after, 0, AnyUse);
            _vk.CmdPipelineBarrier(commands, PipelineStageFlags.TransferBit, PipelineStageFlags.AllCommandsBit, null, images, 2);
        }

        CaptureParameters parameters = _geometry.Parameters;
        _vk.CmdBindDescriptorSets(commands, pipelines.Layout, &set);
        _vk.CmdPushConstants(commands, pipelines.Layout, (uint)sizeof(CaptureParameters), &parameters);
        _vk.CmdBindPipeline(commands, pipelines.Columns);
        _vk.CmdDispatch(commands, Groups(parameters.WindowWidth, CapturePipelines.GroupWidth), Groups(parameters.RowCount, CapturePipelines.GroupHeight));
        var between = new MemoryBarrier { SType = StructureType.MemoryBarrier, SrcAccessMask = AccessFlags.ShaderWriteBit, DstAccessMask = AccessFlags.ShaderReadBit };
        _vk.CmdPipelineBarrier(commands, PipelineStageFlags.ComputeShaderBit, PipelineStageFlags.ComputeShaderBit, &between, null, 0);
        _vk.CmdBindPipeline(commands, pipelines.Rows);
        _vk.CmdDispatch(commands, Groups(parameters.GridWidth, CapturePipelines.GroupWidth), Groups(parameters.GridHeight, CapturePipelines.GroupHeight));

        // Closes: the grid is for the host, the target for whatever the engine does next.
        var toHost = new MemoryBarrier { SType = StructureType.MemoryBarrier, SrcAccessMask = AccessFlags.ShaderWriteBit, DstAccessMask = AccessFlags.HostReadBit };
        images[0] = Transition(_target.Image, SourceLayout, after, 0, AnyUse);
        _vk.CmdPipelineBarrier(
            commands, PipelineStageFlags.ComputeShaderBit, PipelineStageFlags.HostBit | PipelineStageFlags.AllCommandsBit, &toHost, images, _copy is null ? 1u : 0u);
    }

    /// <summary>The target's layout while it is read (sampled or copied).</summary>
    private ImageLayout SourceLayout => _plan.Copy ? ImageLayout.TransferSrcOptimal : ReadLayout;

    /// <summary>The layout of the image the first pass samples.</summary>
    private ImageLayout ReadLayout => !_plan.Copy && _target.Layout == ImageLayout.General ? ImageLayout.General : ImageLayout.ShaderReadOnlyOptimal;

    private static ImageSubresourceRange Whole => new(ImageAspectFlags.ColorBit, 0, 1, 0, 1);

    private static uint Groups(int invocations, int group) => (uint)((invocations + group - 1) / group);

    private static ImageMemoryBarrier Transition(VulkanImage image, ImageLayout from, ImageLayout to, AccessFlags before, AccessFlags after) => new()
    {
        SType = StructureType.ImageMemoryBarrier,
        OldLayout = from,
        NewLayout = to,
        SrcAccessMask = before,
        DstAccessMask = after,
        SrcQueueFamilyIndex = Vk.QueueFamilyIgnored,
        DstQueueFamilyIndex = Vk.QueueFamilyIgnored,
        Image = new Image(image.Handle),
        SubresourceRange = Whole,
    };

    private void Begin(CommandBuffer commands, CommandBufferUsageFlags usage)
    {
        var info = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo, Flags = usage };
        VulkanErrors.Check(_vk.BeginCommandBuffer(commands, &info), "vkBeginCommandBuffer");
    }

    private void End(CommandBuffer commands) => VulkanErrors.Check(_vk.EndCommandBuffer(commands), "vkEndCommandBuffer");
}
