using System.Runtime.InteropServices;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>The two compute pipelines of a capture and their layouts. They do not depend on the target.</summary>
internal sealed unsafe class CapturePipelines : IDisposable
{
    /// <summary>Invocations of a workgroup, as in capture_common.glsl.</summary>
    internal const int GroupWidth = 16, GroupHeight = 4;

    private readonly VulkanDispatch _vk;
    private DescriptorSetLayout _setLayout;
    private PipelineLayout _layout;
    private Pipeline _columns, _rows;

    internal CapturePipelines(VulkanDispatch vk, CapturePrecision precision)
    {
        _vk = vk;
        try
        {
            CreateLayouts();
            string suffix = precision == CapturePrecision.Exact ? "" : "_float";
            _columns = CreatePipeline($"capture_columns{suffix}.spv");
            _rows = CreatePipeline($"capture_rows{suffix}.spv");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal DescriptorSetLayout SetLayout => _setLayout;

    internal PipelineLayout Layout => _layout;

    /// <summary>Pass 1: rows of the target to the window's width.</summary>
    internal Pipeline Columns => _columns;

    /// <summary>Pass 2: to the window's height, looked up and placed.</summary>
    internal Pipeline Rows => _rows;

    public void Dispose()
    {
        if (_rows.Handle != 0)
            _vk.Destroy(_rows);
        if (_columns.Handle != 0)
            _vk.Destroy(_columns);
        if (_layout.Handle != 0)
            _vk.Destroy(_layout);
        if (_setLayout.Handle != 0)
            _vk.Destroy(_setLayout);
        (_rows, _columns, _layout, _setLayout) = (default, default, default, default);
    }

    private void CreateLayouts()
    {
        DescriptorSetLayoutBinding* bindings = stackalloc DescriptorSetLayoutBinding[4];
        for (uint i = 0; i < 4; i++)
            bindings[i] = new()
            {
                Binding = i,
                DescriptorType = i == 0 ? DescriptorType.SampledImage : DescriptorType.StorageBuffer,
                DescriptorCount = 1,
                StageFlags = ShaderStageFlags.ComputeBit,
            };
        var sets = new DescriptorSetLayoutCreateInfo { SType = StructureType.DescriptorSetLayoutCreateInfo, BindingCount = 4, PBindings = bindings };
        DescriptorSetLayout setLayout;
        VulkanErrors.Check(_vk.CreateDescriptorSetLayout(&sets, &setLayout), "vkCreateDescriptorSetLayout");
        _setLayout = setLayout;

        var constants = new PushConstantRange { StageFlags = ShaderStageFlags.ComputeBit, Size = (uint)sizeof(CaptureParameters) };
        var info = new PipelineLayoutCreateInfo
        {
            SType = StructureType.PipelineLayoutCreateInfo,
            SetLayoutCount = 1,
            PSetLayouts = &setLayout,
            PushConstantRangeCount = 1,
            PPushConstantRanges = &constants,
        };
        PipelineLayout layout;
        VulkanErrors.Check(_vk.CreatePipelineLayout(&info, &layout), "vkCreatePipelineLayout");
        _layout = layout;
    }

    private Pipeline CreatePipeline(string shader)
    {
        byte[] code = Shader(shader);
        ShaderModule module;
        fixed (byte* p = code)
        {
            var info = new ShaderModuleCreateInfo { SType = StructureType.ShaderModuleCreateInfo, CodeSize = (nuint)code.Length, PCode = (uint*)p };
            VulkanErrors.Check(_vk.CreateShaderModule(&info, &module), "vkCreateShaderModule");
        }
        nint entry = SilkMarshal.StringToPtr("main");
        try
        {
            var info = new ComputePipelineCreateInfo
            {
                SType = StructureType.ComputePipelineCreateInfo,
                Layout = _layout,
                Stage = new()
                {
                    SType = StructureType.PipelineShaderStageCreateInfo,
                    Stage = ShaderStageFlags.ComputeBit,
                    Module = module,
                    PName = (byte*)entry,
                },
            };
            Pipeline pipeline;
            VulkanErrors.Check(_vk.CreateComputePipelines(1, &info, &pipeline), "vkCreateComputePipelines");
            return pipeline;
        }
        finally
        {
            SilkMarshal.Free(entry);
            _vk.Destroy(module);
        }
    }

    private static byte[] Shader(string name)
    {
        using Stream stream = typeof(CapturePipelines).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The shader {name} is not in the library.");
        var code = new byte[stream.Length];
        stream.ReadExactly(code);
        return code;
    }
}
