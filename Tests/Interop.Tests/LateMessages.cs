using VlmSdk.Tests.Interop.Capture;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop;

/// <summary>
/// Validation messages that come after the last test. The runner prints a failed OneTimeTearDown and passes all the same,
/// so the exit code says it too.
/// </summary>
internal static class LateMessages
{
    internal const int ExitCode = 3;

    internal static void None(IReadOnlyCollection<VulkanMessage> messages)
    {
        if (messages.Count > 0)
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Environment.ExitCode = ExitCode;
        Assert.That(messages, Is.Empty);
    }
}

/// <summary>Destroys the shared device after all tests: the layer names every object that is left on it.</summary>
[SetUpFixture]
internal sealed class Teardown
{
    [OneTimeTearDown]
    public void NothingIsLeft()
    {
        TestGpu.Close();
        LateMessages.None(TestGpu.TakeMessages());
    }
}

/// <summary>What no test sees must still fail the run.</summary>
internal sealed class LateMessageTests
{
    private const string Child = "VLMSDK_TEST_LATE_MESSAGE";

    [Test]
    public async Task A_message_after_the_last_test_fails_the_run()
    {
        if (Environment.GetEnvironmentVariable(Child) is { } text)
        {
            TestGpu.Receive(new VulkanMessage(IsError: true, "late", text));
            return;
        }
        (int code, string output) = await SecondProcess.RunAsync($"Name={nameof(A_message_after_the_last_test_fails_the_run)}", (Child, "from a thread that outlived the tests"));
        Assert.That(code, Is.EqualTo(LateMessages.ExitCode), output);
        Assert.That(output, Does.Contain("succeeded: 1").And.Contain("from a thread that outlived the tests"));
    }
}
