using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>
/// A Vulkan device and the queue VlmSdk submits to: the caller's own (<see cref="Borrow"/>) or one made here
/// (<see cref="Create"/>). The only class that shows raw Vulkan handles. Safe to use from several threads; the queue
/// itself is only touched under <see cref="SubmitLock"/>.
/// </summary>
/// <remarks>
/// A borrowed device needs Vulkan 1.2 with the timelineSemaphore feature enabled and a queue with compute. It must
/// outlive every capture on it and every grid those delivered. A device made here stays until the last of them is gone.
/// </remarks>
public sealed unsafe class VulkanDevice : IDisposable
{
    private readonly VulkanLoader _loader;
    private readonly Action? _destroy;
    private int _references = 1, _disposed, _lost;

    internal VulkanDevice(
        VulkanLoader loader, Instance instance, PhysicalDevice physical, Device device, Queue queue, uint family, object submitLock, Action? destroy)
    {
        (_loader, _destroy) = (loader, destroy);
        (Instance, PhysicalDevice, Device, Queue, QueueFamily, SubmitLock) = (instance, physical, device, queue, family, submitLock);
        PhysicalDeviceProperties properties;
        Api.GetPhysicalDeviceProperties(physical, &properties);
        Name = System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)properties.DeviceName) ?? "";
        Limits = properties.Limits;
        Dispatch = new VulkanDispatch(Api, this);
    }

    /// <summary>Makes an instance and a device without a window: for tools, samples and tests.</summary>
    /// <exception cref="DeviceUnavailableException">The loader, a driver or the validation layer is missing, or no device fits.</exception>
    public static VulkanDevice Create(VulkanDeviceOptions? options = null) => VulkanDeviceFactory.Create(options ?? new());

    /// <summary>Borrows the device of an engine. Nothing of it is destroyed here.</summary>
    /// <param name="instance">VkInstance.</param>
    /// <param name="physicalDevice">VkPhysicalDevice.</param>
    /// <param name="device">VkDevice, with timelineSemaphore enabled.</param>
    /// <param name="queue">VkQueue of <paramref name="queueFamily"/>, with compute.</param>
    /// <param name="queueFamily">The family that owns the images to capture.</param>
    /// <param name="submitLock">Held around every use of the queue here; the engine holds it around its own submits and presents.</param>
    /// <param name="loaderLibrary">File name or path of the Vulkan loader; null for the system's.</param>
    /// <exception cref="ArgumentException">A handle is null.</exception>
    /// <exception cref="DeviceUnavailableException">The loader is missing, or the device or queue lacks what is needed.</exception>
    public static VulkanDevice Borrow(
        nint instance, nint physicalDevice, nint device, nint queue, uint queueFamily, object submitLock, string? loaderLibrary = null)
    {
        ArgumentNullException.ThrowIfNull(submitLock);
        if (instance == 0 || physicalDevice == 0 || device == 0 || queue == 0)
            throw new ArgumentException("A Vulkan handle is null: instance, physical device, device and queue are all needed to borrow a device.");
        var loader = new VulkanLoader(loaderLibrary);
        try
        {
            loader.Use(new Instance(instance));
            VulkanDeviceFactory.Require(loader.Api, new PhysicalDevice(physicalDevice), queueFamily);
            loader.Use(new Device(device));
            return new VulkanDevice(
                loader, new(instance), new(physicalDevice), new(device), new(queue), queueFamily, submitLock, destroy: null);
        }
        catch
        {
            loader.Dispose();
            throw;
        }
    }

    /// <summary>The function table of this device, for code that draws on it.</summary>
    public Vk Api => _loader.Api;

    /// <summary>The instance.</summary>
    public Instance Instance { get; }

    /// <summary>The physical device.</summary>
    public PhysicalDevice PhysicalDevice { get; }

    /// <summary>The logical device.</summary>
    public Device Device { get; }

    /// <summary>The queue; use it only while holding <see cref="SubmitLock"/>.</summary>
    public Queue Queue { get; }

    /// <summary>Family of the queue.</summary>
    public uint QueueFamily { get; }

    /// <summary>The lock around every use of the queue.</summary>
    public object SubmitLock { get; }

    /// <summary>The driver's name of the device.</summary>
    public string Name { get; }

    /// <summary>True once a call reported that the device is lost. Rebuild the device and everything on it.</summary>
    public bool IsLost => Volatile.Read(ref _lost) != 0;

    /// <summary>Raised once, on a thread of the pool, when a call found the device lost.</summary>
    public event EventHandler? Lost;

    internal PhysicalDeviceLimits Limits { get; }

    internal VulkanDispatch Dispatch { get; }

    /// <summary>Names an image of the caller by its VkImage handle.</summary>
    /// <exception cref="ArgumentException">The handle is null.</exception>
    public VulkanImage Image(ulong handle) => handle != 0 ? new(handle) : throw new ArgumentException("The VkImage handle is null.", nameof(handle));

    /// <summary>Names a binary VkSemaphore of the caller.</summary>
    /// <exception cref="ArgumentException">The handle is null.</exception>
    public SemaphorePoint BinarySemaphore(ulong handle) =>
        handle != 0 ? new(handle, 0) : throw new ArgumentException("The VkSemaphore handle is null.", nameof(handle));

    /// <summary>Names a value of a timeline VkSemaphore of the caller.</summary>
    /// <exception cref="ArgumentException">The handle is null.</exception>
    public SemaphorePoint TimelineSemaphore(ulong handle, ulong value) =>
        handle != 0 ? new(handle, value) : throw new ArgumentException("The VkSemaphore handle is null.", nameof(handle));

    /// <summary>
    /// Gives the device up. One made here is destroyed when the last capture and grid on it are gone; a borrowed one is left alone.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Release();
    }

    internal void AddReference()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        Interlocked.Increment(ref _references);
    }

    internal void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
            return;
        _destroy?.Invoke();
        _loader.Dispose();
    }

    internal void MarkLost()
    {
        if (Interlocked.Exchange(ref _lost, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(static self => self.Lost?.Invoke(self, EventArgs.Empty), this, preferLocal: false);
    }
}
