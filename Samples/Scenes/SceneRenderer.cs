using System.Runtime.InteropServices;
using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>
/// Draws scenes with Vulkan. An engine records into its own command buffers (<see cref="CreateTarget"/>,
/// <see cref="Record"/>); training asks for pixels in host memory (<see cref="Render"/>, <see cref="RenderAll"/>), which keeps
/// a few frames in flight. Not safe for use by several threads at once; several renderers may share a device.
/// </summary>
public sealed unsafe class SceneRenderer : IDisposable
{
    private const int FramesInFlight = 3;

    private readonly VulkanDevice _device;
    private readonly ScenePipelines _pipelines;
    private readonly (uint FirstIndex, uint IndexCount, int FirstVertex)[] _meshes;
    private readonly SceneReadback?[] _frames = new SceneReadback?[FramesInFlight];
    private readonly byte[] _data = new byte[SceneData.Size];
    private Silk.NET.Vulkan.Buffer _geometry;
    private DeviceMemory _geometryMemory;
    private ulong _indexOffset;

    /// <summary>Compiles the pipelines.</summary>
    /// <param name="device">
    /// Any device of Vulkan 1.3 with dynamicRendering and synchronization2 enabled and a queue with graphics: VlmSdk's own, or an
    /// engine's borrowed one. It must outlive the renderer. A capture may be attached to the same device.
    /// </param>
    /// <exception cref="DeviceUnavailableException">The device is too old, or refused something; the message names the call.</exception>
    public SceneRenderer(VulkanDevice device)
    {
        VulkanHelp.Require(device);
        _device = device;
        _pipelines = new ScenePipelines(device);
        try
        {
            _meshes = UploadMeshes();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Makes images to draw into. The caller disposes them before renderer and device.</summary>
    public SceneTarget CreateTarget(int width, int height) => new(_device, _pipelines, width, height);

    /// <summary>
    /// Records the drawing of a scene. What the images held is lost. Afterwards the colour image is in
    /// <paramref name="finalLayout"/>, visible to every later command of the queue.
    /// </summary>
    /// <param name="commands">A command buffer being recorded, outside of rendering.</param>
    /// <param name="scene">A scene whose frame fits into the target: it is drawn at the top left.</param>
    /// <param name="target">Images of this renderer's device.</param>
    /// <param name="finalLayout">The layout the next user of the colour image expects.</param>
    /// <exception cref="ArgumentException">The frame is larger than the target, or the scene holds too many objects.</exception>
    public void Record(
        CommandBuffer commands, SceneDescription scene, SceneTarget target, ImageLayout finalLayout = ImageLayout.TransferSrcOptimal)
    {
        if (scene.Width > target.Width || scene.Height > target.Height)
            throw new ArgumentException($"The scene's frame of {scene.Width} x {scene.Height} does not fit the target of {target.Width} x {target.Height}.");
        int bytes = SceneData.Write(scene, _data);
        Vk vk = _device.Api;
        // Earlier frames on this queue, and whoever read the images since, are done before anything is overwritten.
        SceneBarriers.BeforeFrame(vk, commands, target);
        fixed (byte* data = _data)
            vk.CmdUpdateBuffer(commands, target.Data, 0, (ulong)bytes, data);
        SceneBarriers.AfterUpload(vk, commands);

        DescriptorSet set = target.Descriptors;
        vk.CmdBindDescriptorSets(commands, PipelineBindPoint.Graphics, _pipelines.Layout, 0, 1, &set, 0, null);
        Silk.NET.Vulkan.Buffer geometry = _geometry;
        ulong zero = 0;
        vk.CmdBindVertexBuffers(commands, 0, 1, &geometry, &zero);
        vk.CmdBindIndexBuffer(commands, geometry, _indexOffset, IndexType.Uint16);
        if (scene.Light.Shadows && scene.Objects.Count > 0)
        {
            Begin(commands, target.ShadowView, SceneTarget.ShadowSide, SceneTarget.ShadowSide, keepDepth: true);
            DrawSolids(commands, _pipelines.Shadow, scene);
            vk.CmdEndRendering(commands);
        }
        SceneBarriers.AfterShadow(vk, commands, target);
        Begin(commands, target.DepthView, (uint)scene.Width, (uint)scene.Height, keepDepth: false, target.ColourView, target.IdView);
        DrawSolids(commands, _pipelines.Solids, scene);
        vk.CmdBindPipeline(commands, PipelineBindPoint.Graphics, _pipelines.Backdrop);
        vk.CmdDraw(commands, 3, 1, 0, 0);
        vk.CmdEndRendering(commands);
        SceneBarriers.AfterFrame(vk, commands, target, finalLayout);
    }

    /// <summary>Draws one scene and waits for its pixels.</summary>
    public RenderedScene Render(SceneDescription scene) => RenderAll([scene]).Single();

    /// <summary>Draws scenes one after the other, in order, with the next ones in flight while one is being used.</summary>
    public IEnumerable<RenderedScene> RenderAll(IEnumerable<SceneDescription> scenes)
    {
        var pending = new Queue<SceneReadback>();
        try
        {
            int next = 0;
            foreach (SceneDescription scene in scenes)
            {
                if (pending.Count == FramesInFlight)
                    yield return pending.Dequeue().Collect();
                SceneReadback frame = Frame(next, scene.Width, scene.Height);
                next = (next + 1) % FramesInFlight;
                frame.Submit(this, scene);
                pending.Enqueue(frame);
            }
            while (pending.Count > 0)
                yield return pending.Dequeue().Collect();
        }
        finally
        {
            foreach (SceneReadback frame in pending)
                frame.Collect();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SceneReadback? frame in _frames)
            frame?.Dispose();
        Array.Clear(_frames);
        _pipelines.Dispose();
        _device.Api.DestroyBuffer(_device.Device, _geometry, null);
        _device.Api.FreeMemory(_device.Device, _geometryMemory, null);
        (_geometry, _geometryMemory) = (default, default);
    }

    // A free frame with room for this size; sides grow in steps, so that mixed sizes soon need no new images.
    private SceneReadback Frame(int index, int width, int height)
    {
        if (_frames[index] is { } old && old.Width >= width && old.Height >= height)
            return old;
        (int w, int h) = ((width + 127) / 128 * 128, (height + 127) / 128 * 128);
        if (_frames[index] is { } small)
        {
            (w, h) = (Math.Max(w, small.Width), Math.Max(h, small.Height));
            small.Dispose();
            _frames[index] = null;
        }
        return _frames[index] = new SceneReadback(_device, CreateTarget(w, h));
    }

    private void Begin(
        CommandBuffer commands, ImageView depthView, uint width, uint height, bool keepDepth, params ReadOnlySpan<ImageView> colours)
    {
        var clear = new ClearValue(null, new ClearDepthStencilValue(1, 0));
        var depth = new RenderingAttachmentInfo
        {
            SType = StructureType.RenderingAttachmentInfo,
            ImageView = depthView,
            ImageLayout = ImageLayout.DepthStencilAttachmentOptimal,
            LoadOp = AttachmentLoadOp.Clear,
            StoreOp = keepDepth ? AttachmentStoreOp.Store : AttachmentStoreOp.DontCare,
            ClearValue = clear,
        };
        // The backdrop covers every pixel that no solid does: the colours need no clearing.
        RenderingAttachmentInfo* targets = stackalloc RenderingAttachmentInfo[2];
        for (int i = 0; i < colours.Length; i++)
            targets[i] = new RenderingAttachmentInfo
            {
                SType = StructureType.RenderingAttachmentInfo,
                ImageView = colours[i],
                ImageLayout = ImageLayout.ColorAttachmentOptimal,
                LoadOp = AttachmentLoadOp.DontCare,
                StoreOp = AttachmentStoreOp.Store,
            };
        var area = new Rect2D(default, new Extent2D(width, height));
        var rendering = new RenderingInfo
        {
            SType = StructureType.RenderingInfo,
            RenderArea = area,
            LayerCount = 1,
            ColorAttachmentCount = (uint)colours.Length,
            PColorAttachments = targets,
            PDepthAttachment = &depth,
        };
        var viewport = new Viewport(0, 0, width, height, 0, 1);
        _device.Api.CmdBeginRendering(commands, &rendering);
        _device.Api.CmdSetViewport(commands, 0, 1, &viewport);
        _device.Api.CmdSetScissor(commands, 0, 1, &area);
    }

    private void DrawSolids(CommandBuffer commands, Pipeline pipeline, SceneDescription scene)
    {
        _device.Api.CmdBindPipeline(commands, PipelineBindPoint.Graphics, pipeline);
        for (int i = 0; i < scene.Objects.Count; i++)
        {
            (uint firstIndex, uint count, int firstVertex) = _meshes[(int)scene.Objects[i].Shape];
            _device.Api.CmdDrawIndexed(commands, count, 1, firstIndex, firstVertex, (uint)i);
        }
    }

    private (uint FirstIndex, uint IndexCount, int FirstVertex)[] UploadMeshes()
    {
        var vertices = new List<SceneVertex>();
        var indices = new List<ushort>();
        var places = new List<(uint, uint, int)>();
        foreach (ObjectShape shape in Enum.GetValues<ObjectShape>())
        {
            SceneMesh mesh = SceneMesh.Of(shape);
            places.Add(((uint)indices.Count, (uint)mesh.Indices.Count, vertices.Count));
            vertices.AddRange(mesh.Vertices);
            indices.AddRange(mesh.Indices);
        }
        ReadOnlySpan<byte> first = MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(vertices));
        ReadOnlySpan<byte> second = MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(indices));
        _indexOffset = (ulong)first.Length;
        (_geometry, _geometryMemory) = VulkanHelp.CreateBuffer(
            _device, (ulong)(first.Length + second.Length), BufferUsageFlags.VertexBufferBit | BufferUsageFlags.IndexBufferBit,
            MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit);
        void* mapped;
        VulkanHelp.Check(_device.Api.MapMemory(_device.Device, _geometryMemory, 0, Vk.WholeSize, 0, &mapped), "vkMapMemory");
        first.CopyTo(new Span<byte>(mapped, first.Length));
        second.CopyTo(new Span<byte>((byte*)mapped + first.Length, second.Length));
        _device.Api.UnmapMemory(_device.Device, _geometryMemory);
        return [.. places];
    }
}
