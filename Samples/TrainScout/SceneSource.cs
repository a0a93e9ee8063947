using VlmSdk.Samples.Scenes;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Draws the scenes of numbers with the Vulkan renderer; safe on any thread, one drawing at a time.</summary>
internal sealed class SceneSource : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly SceneRenderer _renderer;
    private readonly Lock _gate = new();

    /// <summary>Opens a device of its own.</summary>
    /// <exception cref="DeviceUnavailableException">There is no Vulkan driver.</exception>
    internal SceneSource()
    {
        _device = VulkanDevice.Create();
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

    /// <summary>The frame of a seed.</summary>
    internal RenderedScene Render(ulong seed)
    {
        SceneDescription scene = SceneGenerator.Create(seed);
        lock (_gate)
            return _renderer.Render(scene);
    }

    /// <summary>The labelled picture of a scene number.</summary>
    internal LabelledPicture Draw(long number) => SceneLabeller.Label(Render((ulong)number));

    /// <inheritdoc/>
    public void Dispose()
    {
        _renderer.Dispose();
        _device.Dispose();
    }
}
