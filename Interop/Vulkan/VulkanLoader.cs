using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;
using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>
/// The Vulkan loader library and the function table read through it. Functions are looked up for the device first, so
/// that calls skip the loader's trampolines, then for the instance.
/// </summary>
internal sealed unsafe class VulkanLoader : IDisposable
{
    private const string Remedy =
        "Install it: 'apt-get install libvulkan1 mesa-vulkan-drivers' on Debian and Ubuntu, the graphics vendor's driver on Windows; " +
        "or name another file in VulkanDeviceOptions.LoaderLibrary.";

    private readonly delegate* unmanaged<nint, byte*, nint> _getInstanceProcAddr;
    private readonly nint _library;
    private delegate* unmanaged<nint, byte*, nint> _getDeviceProcAddr;
    private nint _instance, _device;

    internal VulkanLoader(string? library)
    {
        string name = library ?? (OperatingSystem.IsWindows() ? "vulkan-1.dll" : OperatingSystem.IsMacOS() ? "libvulkan.1.dylib" : "libvulkan.so.1");
        if (!NativeLibrary.TryLoad(name, out _library))
            throw new DeviceUnavailableException($"The Vulkan loader '{name}' could not be loaded. {Remedy}");
        if (!NativeLibrary.TryGetExport(_library, "vkGetInstanceProcAddr", out nint entry))
        {
            NativeLibrary.Free(_library);
            throw new DeviceUnavailableException($"The library '{name}' is no Vulkan loader: it has no vkGetInstanceProcAddr. {Remedy}");
        }
        _getInstanceProcAddr = (delegate* unmanaged<nint, byte*, nint>)entry;
        Api = new Vk(new LamdaNativeContext(Find));
    }

    /// <summary>The function table.</summary>
    internal Vk Api { get; }

    /// <summary>From now on functions are looked up for this instance.</summary>
    internal void Use(Instance instance)
    {
        _instance = instance.Handle;
        _getDeviceProcAddr = (delegate* unmanaged<nint, byte*, nint>)Find("vkGetDeviceProcAddr");
    }

    /// <summary>From now on functions are looked up for this device first.</summary>
    internal void Use(Device device) => _device = device.Handle;

    /// <summary>The address of a function, 0 when there is none.</summary>
    internal nint Find(string name)
    {
        Span<byte> text = stackalloc byte[128];
        int length = System.Text.Encoding.ASCII.GetBytes(name, text[..127]);
        text[length] = 0;
        fixed (byte* p = text)
        {
            nint found = _device != 0 ? _getDeviceProcAddr(_device, p) : 0;
            return found != 0 ? found : _getInstanceProcAddr(_instance, p);
        }
    }

    public void Dispose()
    {
        Api.Dispose();
        NativeLibrary.Free(_library);
    }
}
