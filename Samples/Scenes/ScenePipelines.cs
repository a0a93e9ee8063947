using Silk.NET.Core.Native;
using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>The three pipelines of the renderer: shadow map, solids, backdrop. Viewport and scissor are set while recording.</summary>
internal sealed unsafe class ScenePipelines : IDisposable
{
    private readonly VulkanDevice _device;
    private DescriptorSetLayout _setLayout;
    private PipelineLayout _layout;
    private Sampler _sampler;
    private Pipeline _shadow, _solids, _backdrop;

    public ScenePipelines(VulkanDevice device)
    {
        _device = device;
        try
        {
            CreateLayouts();
            _shadow = CreatePipeline("shadow.vert", null, mesh: true);
            _solids = CreatePipeline("solid.vert", "solid.frag", mesh: true);
            _backdrop = CreatePipeline("backdrop.vert", "backdrop.frag", mesh: false);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public DescriptorSetLayout SetLayout => _setLayout;

    public PipelineLayout Layout => _layout;

    public Sampler Sampler => _sampler;

    public Pipeline Shadow => _shadow;

    public Pipeline Solids => _solids;

    public Pipeline Backdrop => _backdrop;

    public void Dispose()
    {
        Vk vk = _device.Api;
        vk.DestroyPipeline(_device.Device, _shadow, null);
        vk.DestroyPipeline(_device.Device, _solids, null);
        vk.DestroyPipeline(_device.Device, _backdrop, null);
        vk.DestroyPipelineLayout(_device.Device, _layout, null);
        vk.DestroyDescriptorSetLayout(_device.Device, _setLayout, null);
        vk.DestroySampler(_device.Device, _sampler, null);
    }

    private void CreateLayouts()
    {
        Vk vk = _device.Api;
        var sampler = new SamplerCreateInfo
        {
            SType = StructureType.SamplerCreateInfo,
            MagFilter = Filter.Nearest,
            MinFilter = Filter.Nearest,
            MipmapMode = SamplerMipmapMode.Nearest,
            AddressModeU = SamplerAddressMode.ClampToEdge,
            AddressModeV = SamplerAddressMode.ClampToEdge,
            AddressModeW = SamplerAddressMode.ClampToEdge,
        };
        VulkanHelp.Check(vk.CreateSampler(_device.Device, &sampler, null, out _sampler), "vkCreateSampler");
        const ShaderStageFlags Both = ShaderStageFlags.VertexBit | ShaderStageFlags.FragmentBit;
        DescriptorSetLayoutBinding* bindings = stackalloc DescriptorSetLayoutBinding[]
        {
            new(0, DescriptorType.StorageBuffer, 1, Both), new(1, DescriptorType.CombinedImageSampler, 1, ShaderStageFlags.FragmentBit),
        };
        var set = new DescriptorSetLayoutCreateInfo { SType = StructureType.DescriptorSetLayoutCreateInfo, BindingCount = 2, PBindings = bindings };
        VulkanHelp.Check(vk.CreateDescriptorSetLayout(_device.Device, &set, null, out _setLayout), "vkCreateDescriptorSetLayout");
        DescriptorSetLayout setLayout = _setLayout;
        var layout = new PipelineLayoutCreateInfo { SType = StructureType.PipelineLayoutCreateInfo, SetLayoutCount = 1, PSetLayouts = &setLayout };
        VulkanHelp.Check(vk.CreatePipelineLayout(_device.Device, &layout, null, out _layout), "vkCreatePipelineLayout");
    }

    private Pipeline CreatePipeline(string vertexName, string? fragmentName, bool mesh)
    {
        Vk vk = _device.Api;
        ShaderModule vertex = LoadModule(vertexName), fragment = default;
        byte* main = (byte*)SilkMarshal.StringToPtr("main");
        try
        {
            if (fragmentName is not null)
                fragment = LoadModule(fragmentName);
            PipelineShaderStageCreateInfo* stages = stackalloc PipelineShaderStageCreateInfo[]
            {
                new() { SType = StructureType.PipelineShaderStageCreateInfo, Stage = ShaderStageFlags.VertexBit, Module = vertex, PName = main },
                new() { SType = StructureType.PipelineShaderStageCreateInfo, Stage = ShaderStageFlags.FragmentBit, Module = fragment, PName = main },
            };
            var vertexBinding = new VertexInputBindingDescription(0, (uint)sizeof(SceneVertex), VertexInputRate.Vertex);
            VertexInputAttributeDescription* attributes = stackalloc VertexInputAttributeDescription[]
            {
                new(0, 0, Format.R32G32B32Sfloat, 0), new(1, 0, Format.R32G32B32Sfloat, 12),
            };
            var input = new PipelineVertexInputStateCreateInfo
            {
                SType = StructureType.PipelineVertexInputStateCreateInfo,
                VertexBindingDescriptionCount = mesh ? 1u : 0,
                PVertexBindingDescriptions = &vertexBinding,
                VertexAttributeDescriptionCount = mesh ? 2u : 0,
                PVertexAttributeDescriptions = attributes,
            };
            var assembly = new PipelineInputAssemblyStateCreateInfo
            {
                SType = StructureType.PipelineInputAssemblyStateCreateInfo,
                Topology = PrimitiveTopology.TriangleList,
            };
            var viewport = new PipelineViewportStateCreateInfo { SType = StructureType.PipelineViewportStateCreateInfo, ViewportCount = 1, ScissorCount = 1 };
            var raster = new PipelineRasterizationStateCreateInfo
            {
                SType = StructureType.PipelineRasterizationStateCreateInfo,
                PolygonMode = PolygonMode.Fill,
                // Solids are closed, so their backs are never seen; the shadow map takes both sides.
                CullMode = mesh && fragmentName is not null ? CullModeFlags.BackBit : CullModeFlags.None,
                FrontFace = FrontFace.Clockwise,
                LineWidth = 1,
            };
            var samples = new PipelineMultisampleStateCreateInfo { SType = StructureType.PipelineMultisampleStateCreateInfo, RasterizationSamples = SampleCountFlags.Count1Bit };
            var depth = new PipelineDepthStencilStateCreateInfo
            {
                SType = StructureType.PipelineDepthStencilStateCreateInfo,
                DepthTestEnable = true,
                DepthWriteEnable = mesh,
                DepthCompareOp = CompareOp.LessOrEqual,
            };
            const ColorComponentFlags All = ColorComponentFlags.RBit | ColorComponentFlags.GBit | ColorComponentFlags.BBit | ColorComponentFlags.ABit;
            PipelineColorBlendAttachmentState* blends = stackalloc PipelineColorBlendAttachmentState[]
            {
                new() { ColorWriteMask = All }, new() { ColorWriteMask = All },
            };
            uint colours = fragmentName is null ? 0u : 2;
            var blend = new PipelineColorBlendStateCreateInfo { SType = StructureType.PipelineColorBlendStateCreateInfo, AttachmentCount = colours, PAttachments = blends };
            DynamicState* dynamics = stackalloc[] { DynamicState.Viewport, DynamicState.Scissor };
            var dynamic = new PipelineDynamicStateCreateInfo { SType = StructureType.PipelineDynamicStateCreateInfo, DynamicStateCount = 2, PDynamicStates = dynamics };
            Format* formats = stackalloc[] { SceneTarget.ColourFormat, SceneTarget.IdFormat };
            var rendering = new PipelineRenderingCreateInfo
            {
                SType = StructureType.PipelineRenderingCreateInfo,
                ColorAttachmentCount = colours,
                PColorAttachmentFormats = formats,
                DepthAttachmentFormat = SceneTarget.DepthFormat,
            };
            var create = new GraphicsPipelineCreateInfo
            {
                SType = StructureType.GraphicsPipelineCreateInfo,
                PNext = &rendering,
                StageCount = fragmentName is null ? 1u : 2,
                PStages = stages,
                PVertexInputState = &input,
                PInputAssemblyState = &assembly,
                PViewportState = &viewport,
                PRasterizationState = &raster,
                PMultisampleState = &samples,
                PDepthStencilState = &depth,
                PColorBlendState = &blend,
                PDynamicState = &dynamic,
                Layout = _layout,
            };
            Pipeline pipeline;
            VulkanHelp.Check(vk.CreateGraphicsPipelines(_device.Device, default, 1, &create, null, &pipeline), "vkCreateGraphicsPipelines");
            return pipeline;
        }
        finally
        {
            SilkMarshal.Free((nint)main);
            vk.DestroyShaderModule(_device.Device, vertex, null);
            vk.DestroyShaderModule(_device.Device, fragment, null);
        }
    }

    private ShaderModule LoadModule(string name)
    {
        using Stream stream = typeof(ScenePipelines).Assembly.GetManifestResourceStream(name + ".spv")
            ?? throw new InvalidOperationException($"The assembly holds no shader {name}.spv; run Shaders/compile.sh and build again.");
        var code = new byte[stream.Length];
        stream.ReadExactly(code);
        fixed (byte* words = code)
        {
            var create = new ShaderModuleCreateInfo { SType = StructureType.ShaderModuleCreateInfo, CodeSize = (nuint)code.Length, PCode = (uint*)words };
            VulkanHelp.Check(_device.Api.CreateShaderModule(_device.Device, &create, null, out ShaderModule module), "vkCreateShaderModule");
            return module;
        }
    }
}
