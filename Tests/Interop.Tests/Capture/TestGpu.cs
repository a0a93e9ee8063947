using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>One device with core and synchronization validation for all capture tests, and the messages it gave.</summary>
internal static class TestGpu
{
    private static readonly Lazy<VulkanDevice> Shared = new(NewDevice);
    private static readonly ConcurrentQueue<VulkanMessage> Messages = new();

    internal static VulkanDevice Device => Shared.Value;

    /// <summary>A device of its own, for tests that lose it. Its messages arrive in the same queue.</summary>
    internal static VulkanDevice NewDevice() => VulkanDevice.Create(new VulkanDeviceOptions { Validation = true, OnMessage = Receive });

    internal static void Receive(VulkanMessage message) => Messages.Enqueue(message);

    /// <summary>Every message that nobody has taken yet, whenever it came. The only way out of the queue.</summary>
    internal static List<VulkanMessage> TakeMessages()
    {
        var taken = new List<VulkanMessage>();
        while (Messages.TryDequeue(out VulkanMessage message))
            taken.Add(message);
        return taken;
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

/// <summary>
/// Base of the tests that use the device: none may leave a validation message, and one that came between two tests, such
/// as from a thread that outlived its test, fails the next.
/// </summary>
[NonParallelizable]
internal abstract class GpuTests
{
    [SetUp]
    public void NoMessagesBefore() => Assert.That(TestGpu.TakeMessages(), Is.Empty, "reported since the test before");

    [TearDown]
    public void NoMessages() => Assert.That(TestGpu.TakeMessages(), Is.Empty);
}
