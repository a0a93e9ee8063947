using VlmSdk.Samples.Scenes;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Draws the scenes of numbers with the Vulkan renderer; safe on any thread, one drawing at a time.</summary>
internal sealed class SceneSource : IDisposable
{
    /// <summary>Training sees more small objects than chance gives, as what is rare is learned last.</summary>
    private static readonly SceneOptions Training = new() { SmallShare = 0.1f };

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
    internal RenderedScene Render(ulong seed, SceneOptions? options = null)
    {
        SceneDescription scene = SceneGenerator.Create(seed, options);
        lock (_gate)
            return _renderer.Render(scene);
    }

    /// <summary>The labelled picture of a scene number of the training mix.</summary>
    internal LabelledPicture Draw(long number) => SceneLabeller.Label(Render((ulong)number, Training));

    /// <summary>The frame of an evaluation scene, of the usual sizes or of the training mix.</summary>
    internal Func<ulong, RenderedScene> Fresh(bool small) => seed => Render(seed, small ? Training : null);

    /// <inheritdoc/>
    public void Dispose()
    {
        _renderer.Dispose();
        _device.Dispose();
    }
}
