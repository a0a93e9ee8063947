using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Draws the scenes of numbers with the Vulkan renderer; safe on any thread, one drawing at a time.</summary>
internal sealed class SceneSource : IDisposable
{
    private readonly SceneDevice _device;
    private readonly SceneRenderer _renderer;
    private readonly Lock _gate = new();

    /// <summary>Opens a device of its own.</summary>
    /// <exception cref="DeviceUnavailableException">There is no Vulkan driver.</exception>
    internal SceneSource()
    {
        _device = SceneDevice.Create();
        try
        {
            _renderer = new SceneRenderer(_device);
        }
        catch
        {
            _device.Dispose();
            throw;
        }
    }

    /// <summary>The labelled picture of a scene number.</summary>
    internal LabelledPicture Draw(long number)
    {
        SceneDescription scene = SceneGenerator.Create((ulong)number);
        lock (_gate)
            return SceneLabeller.Label(_renderer.Render(scene));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _renderer.Dispose();
        _device.Dispose();
    }
}
