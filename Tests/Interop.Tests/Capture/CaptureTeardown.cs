namespace VlmSdk.Tests.Interop.Capture;

/// <summary>Destroys the shared device after all capture tests: the layer names every object that is left on it.</summary>
[SetUpFixture]
internal sealed class CaptureTeardown
{
    [OneTimeTearDown]
    public void NothingIsLeft()
    {
        TestGpu.Messages.Clear();
        TestGpu.Close();
        Assert.That(TestGpu.Messages, Is.Empty);
    }
}
