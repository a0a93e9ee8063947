using System.Diagnostics;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>The software driver with subgroups of 16 instead of 8, which it only reads once per process, is a second device.</summary>
internal sealed class WideVectorTests
{
    private const string Child = "VLMSDK_TEST_WIDE_VECTORS";

    [Test]
    public async Task Formats_give_the_same_grids_with_wide_vectors()
    {
        Assume.That(Environment.GetEnvironmentVariable(Child), Is.Null, "this is the second process");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[typeof(WideVectorTests).Assembly.Location, "--filter", "Category=CaptureFormats", "--no-progress", "--no-ansi"])
            start.ArgumentList.Add(argument);
        start.Environment["LP_NATIVE_VECTOR_WIDTH"] = "512";
        start.Environment[Child] = "1";
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.That(child.ExitCode, Is.Zero, output + await errors);
    }
}
