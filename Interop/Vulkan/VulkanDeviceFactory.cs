using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>Makes a headless instance and device, with the validation layer on request.</summary>
internal static unsafe class VulkanDeviceFactory
{
    private const string ValidationLayer = "VK_LAYER_KHRONOS_validation";
    private const string NoDriver =
        "No Vulkan driver was found. Install one: 'apt-get install mesa-vulkan-drivers' on Debian and Ubuntu brings a software device; " +
        "on Windows install the graphics vendor's driver.";

    internal static VulkanDevice Create(VulkanDeviceOptions options)
    {
        var loader = new VulkanLoader(options.LoaderLibrary);
        GCHandle sink = default;
        Instance instance = default;
        DebugUtilsMessengerEXT messenger = default;
        Device device = default;
        Action destroy = () =>
        {
            if (device.Handle != 0)
            {
                _ = loader.Api.DeviceWaitIdle(device);
                loader.Api.DestroyDevice(device, null);
                // The calls below may be looked up for the first time here: not through a device that is gone.
                loader.Use(default(Device));
            }
            if (messenger.Handle != 0)
                ((delegate* unmanaged<Instance, DebugUtilsMessengerEXT, void*, void>)loader.Find("vkDestroyDebugUtilsMessengerEXT"))(instance, messenger, null);
            if (instance.Handle != 0)
                loader.Api.DestroyInstance(instance, null);
            if (sink.IsAllocated)
                sink.Free();
        };
        try
        {
            if (options.Validation)
                sink = GCHandle.Alloc(options.OnMessage ?? (_ => { }));
            instance = CreateInstance(loader.Api, options, sink);
            loader.Use(instance);
            if (options.Validation)
            {
                DebugUtilsMessengerCreateInfoEXT info = Messenger(sink);
                var create = (delegate* unmanaged<Instance, DebugUtilsMessengerCreateInfoEXT*, void*, DebugUtilsMessengerEXT*, Result>)
                    loader.Find("vkCreateDebugUtilsMessengerEXT");
                DebugUtilsMessengerEXT made;
                VulkanErrors.Check(create(instance, &info, null, &made), "vkCreateDebugUtilsMessengerEXT");
                messenger = made;
            }
            (PhysicalDevice physical, uint family) = Choose(loader.Api, instance, options.DeviceName);
            device = CreateDevice(loader.Api, physical, family);
            loader.Use(device);
            loader.Api.GetDeviceQueue(device, family, 0, out Queue queue);
            return new VulkanDevice(loader, instance, physical, device, queue, family, new object(), destroy);
        }
        catch
        {
            destroy();
            loader.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a borrowed device that cannot run a capture.</summary>
    internal static void Require(Vk vk, PhysicalDevice physical, uint family)
    {
        PhysicalDeviceProperties properties;
        vk.GetPhysicalDeviceProperties(physical, &properties);
        QueueFamilyProperties[] families = Families(vk, physical);
        if (family >= families.Length || !families[family].QueueFlags.HasFlag(QueueFlags.ComputeBit))
            throw new DeviceUnavailableException($"Queue family {family} of '{NameOf(&properties)}' has no compute; hand over a queue of a family that has it.");
        if (properties.ApiVersion < (uint)Vk.Version12)
            throw new DeviceUnavailableException($"'{NameOf(&properties)}' offers only Vulkan {Version(properties.ApiVersion)}; a capture needs 1.2 with timeline semaphores.");
    }

    private static Instance CreateInstance(Vk vk, VulkanDeviceOptions options, GCHandle sink)
    {
        if (options.Validation && !HasLayer(vk))
            throw new DeviceUnavailableException(
                $"The validation layer {ValidationLayer} is not installed. Install it ('apt-get install vulkan-validationlayers' on Debian and " +
                "Ubuntu, the Vulkan SDK elsewhere), or leave VulkanDeviceOptions.Validation off.");
        nint layers = SilkMarshal.StringArrayToPtr([ValidationLayer]);
        nint extensions = SilkMarshal.StringArrayToPtr(["VK_EXT_debug_utils", "VK_EXT_validation_features"]);
        try
        {
            var application = new ApplicationInfo { SType = StructureType.ApplicationInfo, ApiVersion = Vk.Version13 };
            ValidationFeatureEnableEXT enabled = ValidationFeatureEnableEXT.SynchronizationValidationExt;
            DebugUtilsMessengerCreateInfoEXT messenger = options.Validation ? Messenger(sink) : default;
            var features = new ValidationFeaturesEXT
            {
                SType = StructureType.ValidationFeaturesExt,
                PNext = &messenger,
                EnabledValidationFeatureCount = 1,
                PEnabledValidationFeatures = &enabled,
            };
            var info = new InstanceCreateInfo { SType = StructureType.InstanceCreateInfo, PApplicationInfo = &application };
            if (options.Validation)
            {
                info.PNext = &features;
                info.EnabledLayerCount = 1;
                info.PpEnabledLayerNames = (byte**)layers;
                info.EnabledExtensionCount = 2;
                info.PpEnabledExtensionNames = (byte**)extensions;
            }
            Instance instance;
            Result result = vk.CreateInstance(&info, null, &instance);
            if (result == Result.ErrorIncompatibleDriver)
                throw new DeviceUnavailableException(NoDriver);
            if (result != Result.Success)
                throw new DeviceUnavailableException($"vkCreateInstance failed with {result}. Check the installation with 'vulkaninfo --summary'.");
            return instance;
        }
        finally
        {
            SilkMarshal.Free(layers);
            SilkMarshal.Free(extensions);
        }
    }

    private static bool HasLayer(Vk vk)
    {
        uint count = 0;
        _ = vk.EnumerateInstanceLayerProperties(&count, null);
        var found = new LayerProperties[count];
        fixed (LayerProperties* p = found)
        {
            _ = vk.EnumerateInstanceLayerProperties(&count, p);
            for (int i = 0; i < count; i++)
                if (Marshal.PtrToStringUTF8((nint)p[i].LayerName) == ValidationLayer)
                    return true;
        }
        return false;
    }

    private static (PhysicalDevice Device, uint Family) Choose(Vk vk, Instance instance, string? wanted)
    {
        uint count = 0;
        Result listed = vk.EnumeratePhysicalDevices(instance, &count, null);
        if (listed != Result.Success || count == 0)
            throw new DeviceUnavailableException(NoDriver);
        var devices = new PhysicalDevice[count];
        fixed (PhysicalDevice* p = devices)
            _ = vk.EnumeratePhysicalDevices(instance, &count, p);

        (PhysicalDevice, uint) best = default;
        int bestRank = -1;
        var names = new List<string>();
        foreach (PhysicalDevice device in devices)
        {
            PhysicalDeviceProperties properties;
            vk.GetPhysicalDeviceProperties(device, &properties);
            string name = NameOf(&properties);
            names.Add($"'{name}' (Vulkan {Version(properties.ApiVersion)})");
            if (properties.ApiVersion < (uint)Vk.Version12 || wanted is not null && !name.Contains(wanted, StringComparison.OrdinalIgnoreCase))
                continue;
            int family = Array.FindIndex(Families(vk, device), f => f.QueueFlags.HasFlag(QueueFlags.GraphicsBit | QueueFlags.ComputeBit));
            int rank = properties.DeviceType switch
            {
                PhysicalDeviceType.DiscreteGpu => 4,
                PhysicalDeviceType.IntegratedGpu => 3,
                PhysicalDeviceType.VirtualGpu => 2,
                PhysicalDeviceType.Cpu => 1,
                _ => 0,
            };
            if (family >= 0 && rank > bestRank)
                (best, bestRank) = ((device, (uint)family), rank);
        }
        return bestRank >= 0 ? best : throw new DeviceUnavailableException(
            $"No Vulkan device{(wanted is null ? "" : $" named like '{wanted}'")} offers Vulkan 1.2 and a queue with graphics and compute. Found: " +
            $"{string.Join(", ", names)}. Update the driver, or change VulkanDeviceOptions.DeviceName.");
    }

    private static Device CreateDevice(Vk vk, PhysicalDevice physical, uint family)
    {
        PhysicalDeviceProperties properties;
        vk.GetPhysicalDeviceProperties(physical, &properties);
        bool has13 = properties.ApiVersion >= (uint)Vk.Version13;
        var v13 = new PhysicalDeviceVulkan13Features { SType = StructureType.PhysicalDeviceVulkan13Features };
        var v12 = new PhysicalDeviceVulkan12Features { SType = StructureType.PhysicalDeviceVulkan12Features, PNext = has13 ? &v13 : null };
        var v11 = new PhysicalDeviceVulkan11Features { SType = StructureType.PhysicalDeviceVulkan11Features, PNext = &v12 };
        var all = new PhysicalDeviceFeatures2 { SType = StructureType.PhysicalDeviceFeatures2, PNext = &v11 };
        vk.GetPhysicalDeviceFeatures2(physical, &all);
        if (!v12.TimelineSemaphore)
            throw new DeviceUnavailableException($"'{NameOf(&properties)}' has no timeline semaphores. Update the driver.");

        // Enabled where there: what a renderer and compute shaders on this device may want. Bounds checks stay off.
        v13 = new() { SType = v13.SType, Synchronization2 = v13.Synchronization2, DynamicRendering = v13.DynamicRendering };
        v12 = new()
        {
            SType = v12.SType,
            PNext = v12.PNext,
            TimelineSemaphore = true,
            ShaderFloat16 = v12.ShaderFloat16,
            ShaderInt8 = v12.ShaderInt8,
            StorageBuffer8BitAccess = v12.StorageBuffer8BitAccess,
            ScalarBlockLayout = v12.ScalarBlockLayout,
        };
        v11 = new() { SType = v11.SType, PNext = v11.PNext, StorageBuffer16BitAccess = v11.StorageBuffer16BitAccess };
        all.Features = new() { ShaderInt16 = all.Features.ShaderInt16, ShaderInt64 = all.Features.ShaderInt64 };

        float priority = 1;
        var queue = new DeviceQueueCreateInfo
        {
            SType = StructureType.DeviceQueueCreateInfo,
            QueueFamilyIndex = family,
            QueueCount = 1,
            PQueuePriorities = &priority,
        };
        var info = new DeviceCreateInfo { SType = StructureType.DeviceCreateInfo, PNext = &all, QueueCreateInfoCount = 1, PQueueCreateInfos = &queue };
        Device device;
        Result result = vk.CreateDevice(physical, &info, null, &device);
        return result == Result.Success ? device : throw new DeviceUnavailableException(
            $"vkCreateDevice failed with {result} on '{NameOf(&properties)}'. Close other programs that use it, or update the driver.");
    }

    private static QueueFamilyProperties[] Families(Vk vk, PhysicalDevice physical)
    {
        uint count = 0;
        vk.GetPhysicalDeviceQueueFamilyProperties(physical, &count, null);
        var families = new QueueFamilyProperties[count];
        fixed (QueueFamilyProperties* p = families)
            vk.GetPhysicalDeviceQueueFamilyProperties(physical, &count, p);
        return families;
    }

    private static string NameOf(PhysicalDeviceProperties* properties) => Marshal.PtrToStringUTF8((nint)properties->DeviceName) ?? "";

    private static string Version(uint version) => $"{version >> 22}.{(version >> 12) & 0x3ff}";

    private static DebugUtilsMessengerCreateInfoEXT Messenger(GCHandle sink) => new()
    {
        SType = StructureType.DebugUtilsMessengerCreateInfoExt,
        MessageSeverity = DebugUtilsMessageSeverityFlagsEXT.WarningBitExt | DebugUtilsMessageSeverityFlagsEXT.ErrorBitExt,
        MessageType = DebugUtilsMessageTypeFlagsEXT.ValidationBitExt | DebugUtilsMessageTypeFlagsEXT.PerformanceBitExt,
        PfnUserCallback = new((delegate* unmanaged[Cdecl]<DebugUtilsMessageSeverityFlagsEXT, DebugUtilsMessageTypeFlagsEXT,
            DebugUtilsMessengerCallbackDataEXT*, void*, Silk.NET.Core.Bool32>)&OnMessage),
        PUserData = (void*)GCHandle.ToIntPtr(sink),
    };

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static Silk.NET.Core.Bool32 OnMessage(
        DebugUtilsMessageSeverityFlagsEXT severity, DebugUtilsMessageTypeFlagsEXT types, DebugUtilsMessengerCallbackDataEXT* data, void* user)
    {
        try
        {
            var sink = (Action<VulkanMessage>)GCHandle.FromIntPtr((nint)user).Target!;
            sink(new VulkanMessage(
                severity.HasFlag(DebugUtilsMessageSeverityFlagsEXT.ErrorBitExt),
                Marshal.PtrToStringUTF8((nint)data->PMessageIdName) ?? "",
                Marshal.PtrToStringUTF8((nint)data->PMessage) ?? ""));
        }
        catch (Exception)
        {
            // An exception must not cross into the layer; the sink is documented not to throw.
        }
        return false;
    }
}
