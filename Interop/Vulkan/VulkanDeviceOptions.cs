namespace VlmSdk.Vulkan;

/// <summary>One message of the validation layer.</summary>
/// <param name="IsError">True for an error, false for a warning.</param>
/// <param name="Id">The layer's name of the rule, such as a VUID or SYNC-HAZARD name.</param>
/// <param name="Text">The layer's full text.</param>
public readonly record struct VulkanMessage(bool IsError, string Id, string Text)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(IsError ? "error" : "warning")} {Id}: {Text}";
}

/// <summary>How <see cref="VulkanDevice.Create"/> makes a device of our own, for tools, samples and tests.</summary>
public sealed record VulkanDeviceOptions
{
    /// <summary>
    /// True turns on the Khronos validation layer with synchronization validation. Hazards between two submits are only
    /// seen when the process also has VK_LAYER_ENABLES=VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT
    /// in its environment before the first Vulkan call.
    /// </summary>
    public bool Validation { get; init; }

    /// <summary>
    /// Receives the layer's warnings and errors, on whatever thread made the faulty call. Must not throw; an exception
    /// is swallowed. Ignored without <see cref="Validation"/>.
    /// </summary>
    public Action<VulkanMessage>? OnMessage { get; init; }

    /// <summary>File name or path of the Vulkan loader; null for the system's (libvulkan.so.1, vulkan-1.dll).</summary>
    public string? LoaderLibrary { get; init; }

    /// <summary>
    /// Part of the wanted device's name, compared without case, such as "llvmpipe"; null takes the best: discrete,
    /// then integrated, virtual and software devices.
    /// </summary>
    public string? DeviceName { get; init; }
}
