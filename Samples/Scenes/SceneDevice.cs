using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using Silk.NET.Core;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace VlmSdk.Samples.Scenes;

/// <summary>
/// The Vulkan 1.3 device the scenes are drawn on, with dynamic rendering, synchronization2 and timeline semaphores
/// enabled: one of its own, or a caller's. The handles are open so that a capture can attach to the same device.
/// </summary>
public sealed unsafe class SceneDevice : IDisposable
{
    private const string ValidationLayer = "VK_LAYER_KHRONOS_validation";

    private readonly ConcurrentQueue<string> _messages = new();
    private readonly bool _owned;
    private DebugUtilsMessengerEXT _messenger;
    private GCHandle _self;
    private PhysicalDeviceMemoryProperties _memory;

    private SceneDevice(Vk api, bool owned)
    {
        Api = api;
        _owned = owned;
    }

    /// <summary>The loader's functions.</summary>
    public Vk Api { get; }

    /// <summary>The instance.</summary>
    public Instance Instance { get; private set; }

    /// <summary>The processor.</summary>
    public PhysicalDevice PhysicalDevice { get; private set; }

    /// <summary>The device.</summary>
    public Device Device { get; private set; }

    /// <summary>A queue with graphics; hold <see cref="QueueLock"/> while submitting.</summary>
    public Queue Queue { get; private set; }

    /// <summary>Family of <see cref="Queue"/>.</summary>
    public uint QueueFamily { get; private set; }

    /// <summary>The device's name.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Held around every use of <see cref="Queue"/>.</summary>
    public Lock QueueLock { get; private init; } = new();

    /// <summary>What the validation layer has said (warnings and errors); empty on a borrowed device.</summary>
    public IReadOnlyCollection<string> ValidationMessages => _messages;

    /// <summary>Makes a device of its own; a hardware GPU is preferred to a software one.</summary>
    /// <param name="validation">Whether to load the validation layer with its synchronization checks.</param>
    /// <exception cref="DeviceUnavailableException">There is no loader, no Vulkan 1.3 device, or no layer.</exception>
    public static SceneDevice Create(bool validation = false)
    {
        Vk api;
        try
        {
            api = Vk.GetApi();
        }
        catch (Exception e) when (e is FileNotFoundException or DllNotFoundException)
        {
            throw new DeviceUnavailableException("The Vulkan loader was not found. Install libvulkan1 and a driver (mesa-vulkan-drivers draws in software).", e);
        }
        var device = new SceneDevice(api, owned: true);
        try
        {
            device.CreateInstance(validation);
            device.ChooseDevice();
            device.CreateDevice();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Uses a caller's device, made with Vulkan 1.3's dynamicRendering, synchronization2 and timelineSemaphore. It must
    /// outlive this object, which frees nothing of it.
    /// </summary>
    /// <param name="queueLock">Held around every use of the queue; a new one when only this object submits.</param>
    public static SceneDevice Borrow(
        Vk api, Instance instance, PhysicalDevice physicalDevice, Device device, Queue queue, uint queueFamily, Lock? queueLock = null)
    {
        var borrowed = new SceneDevice(api, owned: false)
        {
            Instance = instance,
            PhysicalDevice = physicalDevice,
            Device = device,
            Queue = queue,
            QueueFamily = queueFamily,
            QueueLock = queueLock ?? new Lock(),
        };
        borrowed.ReadProperties();
        return borrowed;
    }

    /// <summary>Waits until nothing runs on the queue.</summary>
    public void WaitIdle()
    {
        lock (QueueLock)
            Check(Api.QueueWaitIdle(Queue), "vkQueueWaitIdle");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_owned || Instance.Handle == 0)
            return;
        if (Device.Handle != 0)
            Api.DestroyDevice(Device, null);
        if (_messenger.Handle != 0)
        {
            var destroy = (delegate* unmanaged<Instance, DebugUtilsMessengerEXT, void*, void>)InstanceFunction("vkDestroyDebugUtilsMessengerEXT");
            destroy(Instance, _messenger, null);
        }
        Api.DestroyInstance(Instance, null);
        if (_self.IsAllocated)
            _self.Free();
        Device = default;
        Instance = default;
        Api.Dispose();
    }

    internal static void Check(Result result, string call)
    {
        if (result == Result.Success)
            return;
        if (result == Result.ErrorDeviceLost)
            throw new DeviceLostException($"{call} says that the Vulkan device was lost. Make a new device and renderer.");
        throw new DeviceUnavailableException($"{call} failed with {result}.");
    }

    /// <summary>A memory type among those allowed with these properties.</summary>
    internal uint MemoryType(uint allowed, MemoryPropertyFlags wanted)
    {
        for (int i = 0; i < _memory.MemoryTypeCount; i++)
            if ((allowed & (1u << i)) != 0 && (_memory.MemoryTypes[i].PropertyFlags & wanted) == wanted)
                return (uint)i;
        throw new DeviceUnavailableException($"The Vulkan device {Name} has no memory type with {wanted}.");
    }

    private void CreateInstance(bool validation)
    {
        using var names = new GlobalNames(validation ? [ValidationLayer] : [], validation ? ["VK_EXT_debug_utils"] : []);
        var application = new ApplicationInfo { SType = StructureType.ApplicationInfo, ApiVersion = Vk.Version13 };
        ValidationFeatureEnableEXT check = ValidationFeatureEnableEXT.SynchronizationValidationExt;
        var features = new ValidationFeaturesEXT
        {
            SType = StructureType.ValidationFeaturesExt,
            EnabledValidationFeatureCount = 1,
            PEnabledValidationFeatures = &check,
        };
        var create = new InstanceCreateInfo
        {
            SType = StructureType.InstanceCreateInfo,
            PNext = validation ? &features : null,
            PApplicationInfo = &application,
            EnabledLayerCount = names.FirstCount,
            PpEnabledLayerNames = names.First,
            EnabledExtensionCount = names.SecondCount,
            PpEnabledExtensionNames = names.Second,
        };
        Result result = Api.CreateInstance(&create, null, out Instance instance);
        if (result == Result.ErrorLayerNotPresent)
            throw new DeviceUnavailableException($"The layer {ValidationLayer} is missing. Install vulkan-validationlayers or turn validation off.");
        Check(result, "vkCreateInstance");
        Instance = instance;
        if (!validation)
            return;
        _self = GCHandle.Alloc(_messages);
        var messenger = new DebugUtilsMessengerCreateInfoEXT
        {
            SType = StructureType.DebugUtilsMessengerCreateInfoExt,
            MessageSeverity = DebugUtilsMessageSeverityFlagsEXT.WarningBitExt | DebugUtilsMessageSeverityFlagsEXT.ErrorBitExt,
            MessageType = DebugUtilsMessageTypeFlagsEXT.ValidationBitExt | DebugUtilsMessageTypeFlagsEXT.PerformanceBitExt,
            PfnUserCallback = new PfnDebugUtilsMessengerCallbackEXT(&OnMessage),
            PUserData = (void*)GCHandle.ToIntPtr(_self),
        };
        var register = (delegate* unmanaged<Instance, DebugUtilsMessengerCreateInfoEXT*, void*, DebugUtilsMessengerEXT*, Result>)
            InstanceFunction("vkCreateDebugUtilsMessengerEXT");
        DebugUtilsMessengerEXT made;
        Check(register(Instance, &messenger, null, &made), "vkCreateDebugUtilsMessengerEXT");
        _messenger = made;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static Bool32 OnMessage(
        DebugUtilsMessageSeverityFlagsEXT severity, DebugUtilsMessageTypeFlagsEXT type, DebugUtilsMessengerCallbackDataEXT* data, void* user)
    {
        var messages = (ConcurrentQueue<string>)GCHandle.FromIntPtr((nint)user).Target!;
        messages.Enqueue($"{severity}: {Marshal.PtrToStringUTF8((nint)data->PMessage)}");
        return false;
    }

    private void ChooseDevice()
    {
        uint count = 0;
        Check(Api.EnumeratePhysicalDevices(Instance, &count, null), "vkEnumeratePhysicalDevices");
        var devices = new PhysicalDevice[count];
        fixed (PhysicalDevice* first = devices)
            if (count > 0)
                Check(Api.EnumeratePhysicalDevices(Instance, &count, first), "vkEnumeratePhysicalDevices");
        foreach (PhysicalDevice candidate in devices.OrderBy(d => Properties(d).DeviceType switch
        {
            PhysicalDeviceType.DiscreteGpu => 0,
            PhysicalDeviceType.IntegratedGpu => 1,
            PhysicalDeviceType.VirtualGpu => 2,
            _ => 3,
        }))
        {
            if (Properties(candidate).ApiVersion < Vk.Version13.Value || GraphicsFamily(candidate) is not { } family)
                continue;
            PhysicalDevice = candidate;
            QueueFamily = family;
            ReadProperties();
            return;
        }
        throw new DeviceUnavailableException(
            $"None of the {count} Vulkan devices draws with Vulkan 1.3. Install a newer driver, or mesa-vulkan-drivers for the software one.");
    }

    private void CreateDevice()
    {
        float priority = 1;
        var queue = new DeviceQueueCreateInfo
        {
            SType = StructureType.DeviceQueueCreateInfo,
            QueueFamilyIndex = QueueFamily,
            QueueCount = 1,
            PQueuePriorities = &priority,
        };
        var twelve = new PhysicalDeviceVulkan12Features { SType = StructureType.PhysicalDeviceVulkan12Features, TimelineSemaphore = true };
        var thirteen = new PhysicalDeviceVulkan13Features
        {
            SType = StructureType.PhysicalDeviceVulkan13Features,
            PNext = &twelve,
            DynamicRendering = true,
            Synchronization2 = true,
        };
        var create = new DeviceCreateInfo
        {
            SType = StructureType.DeviceCreateInfo,
            PNext = &thirteen,
            QueueCreateInfoCount = 1,
            PQueueCreateInfos = &queue,
        };
        Check(Api.CreateDevice(PhysicalDevice, &create, null, out Device device), "vkCreateDevice");
        Device = device;
        Queue = Api.GetDeviceQueue(device, QueueFamily, 0);
    }

    private uint? GraphicsFamily(PhysicalDevice candidate)
    {
        uint count = 0;
        Api.GetPhysicalDeviceQueueFamilyProperties(candidate, &count, null);
        var families = new QueueFamilyProperties[count];
        fixed (QueueFamilyProperties* first = families)
            Api.GetPhysicalDeviceQueueFamilyProperties(candidate, &count, first);
        const QueueFlags Both = QueueFlags.GraphicsBit | QueueFlags.ComputeBit;
        int index = Array.FindIndex(families, f => (f.QueueFlags & Both) == Both);
        return index < 0 ? null : (uint)index;
    }

    private PhysicalDeviceProperties Properties(PhysicalDevice device) => Api.GetPhysicalDeviceProperties(device);

    private void ReadProperties()
    {
        PhysicalDeviceProperties properties = Properties(PhysicalDevice);
        Name = Marshal.PtrToStringUTF8((nint)properties.DeviceName) ?? "";
        _memory = Api.GetPhysicalDeviceMemoryProperties(PhysicalDevice);
    }

    private void* InstanceFunction(string name)
    {
        var function = (void*)Api.GetInstanceProcAddr(Instance, name).Handle;
        return function is not null ? function : throw new DeviceUnavailableException($"The Vulkan loader does not know {name}.");
    }

    // Two lists of C strings, alive until disposed.
    private sealed class GlobalNames : IDisposable
    {
        private readonly nint _first, _second;

        public GlobalNames(string[] first, string[] second)
        {
            (FirstCount, SecondCount) = ((uint)first.Length, (uint)second.Length);
            _first = SilkMarshal.StringArrayToPtr(first);
            _second = SilkMarshal.StringArrayToPtr(second);
        }

        public uint FirstCount { get; }

        public uint SecondCount { get; }

        public byte** First => (byte**)_first;

        public byte** Second => (byte**)_second;

        public void Dispose()
        {
            SilkMarshal.Free(_first);
            SilkMarshal.Free(_second);
        }
    }
}
