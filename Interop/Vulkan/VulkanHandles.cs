namespace VlmSdk.Vulkan;

/// <summary>A VkImage of the caller, from <see cref="VulkanDevice.Image(ulong)"/>. Borrowed: it is never destroyed here.</summary>
public readonly record struct VulkanImage
{
    internal VulkanImage(ulong handle) => Handle = handle;

    internal ulong Handle { get; }
}

/// <summary>
/// A point a VkSemaphore reaches, from <see cref="VulkanDevice.BinarySemaphore"/> or <see cref="VulkanDevice.TimelineSemaphore"/>:
/// what a submit waits for, or what it signals. Borrowed: the semaphore is never destroyed here.
/// </summary>
public readonly record struct SemaphorePoint
{
    internal SemaphorePoint(ulong handle, ulong value) => (Handle, Value) = (handle, value);

    internal ulong Handle { get; }

    /// <summary>The value of a timeline semaphore; 0 for a binary one.</summary>
    public ulong Value { get; }
}
