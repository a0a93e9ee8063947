using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

internal sealed class SceneSource : IDisposable
{
    internal LabelledPicture Draw(long number) => throw new NotSupportedException();

    public void Dispose() { }
}
