namespace VlmSdk.Tests.Weights;

/// <summary>A folder for one test, removed with what it holds.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("vlmsdk-").FullName;

    internal string At(string name) => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
