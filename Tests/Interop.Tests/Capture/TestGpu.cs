using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>One device with core and synchronization validation for all capture tests, and the messages it gave.</summary>
internal static class TestGpu
{
    private static readonly Lazy<VulkanDevice> Shared = new(NewDevice);

    internal static VulkanDevice Device => Shared.Value;

    internal static ConcurrentQueue<VulkanMessage> Messages { get; } = new();

    /// <summary>A device of its own, for tests that lose it. Its messages arrive in the same queue.</summary>
    internal static VulkanDevice NewDevice() => VulkanDevice.Create(new VulkanDeviceOptions { Validation = true, OnMessage = Receive });

    // The layer's book-keeping sometimes misses a timeline that the host signals after the wait was submitted; the message
    // itself says "most likely a validation bug". It is about the layer, not about the calls. Nothing else is let through.
    private static void Receive(VulkanMessage message)
    {
        if (message.Id != "UNASSIGNED-VkSemaphore-state-timeout")
            Messages.Enqueue(message);
    }

    internal static void Close()
    {
        if (Shared.IsValueCreated)
            Shared.Value.Dispose();
    }

    /// <summary>Sets a variable where native libraries see it; .NET's own call does not reach the C environment.</summary>
    internal static void SetNativeVariable(string name, string? value)
    {
        if (OperatingSystem.IsWindows())
            Environment.SetEnvironmentVariable(name, value);
        else if (value is null)
            _ = unsetenv(name);
        else
            _ = setenv(name, value, 1);
    }

    // Hazards between two submits are only looked for when this is set before the loader's first use.
    [ModuleInitializer]
    internal static void SeeHazardsBetweenSubmits() =>
        SetNativeVariable("VK_LAYER_ENABLES", "VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT");

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int setenv(string name, string value, int overwrite);

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int unsetenv(string name);
}

/// <summary>Base of the tests that use the device: none may leave a validation message.</summary>
[NonParallelizable]
internal abstract class GpuTests
{
    [SetUp]
    public void ForgetMessages() => TestGpu.Messages.Clear();

    [TearDown]
    public void NoMessages() => Assert.That(TestGpu.Messages, Is.Empty);
}
