namespace VlmSdk.Tests.Interop.Capture;

/// <summary>The software driver with subgroups of 16 instead of 8, which it only reads once per process, is a second device.</summary>
internal sealed class WideVectorTests
{
    [Test]
    public async Task Formats_give_the_same_grids_with_wide_vectors()
    {
        (int code, string output) = await SecondProcess.RunAsync("Category=CaptureFormats", ("LP_NATIVE_VECTOR_WIDTH", "512"));
        Assert.That(code, Is.Zero, output);
    }
}
