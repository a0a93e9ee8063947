using System.Collections.Concurrent;
using System.Numerics;
using VlmSdk.Samples.Scenes;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Scenes;

/// <summary>One validated device and renderer for all scene tests: compiling the pipelines takes longer than drawing.</summary>
[SetUpFixture]
internal sealed class SceneDrawing
{
    private static VulkanDevice? _device;
    private static SceneRenderer? _renderer;

    internal static ConcurrentQueue<VulkanMessage> Messages { get; } = new();

    internal static VulkanDevice Device => _device ??= VulkanDevice.Create(new() { Validation = true, OnMessage = Messages.Enqueue });

    internal static SceneRenderer Renderer => _renderer ??= new SceneRenderer(Device);

    [OneTimeTearDown]
    public void Close()
    {
        _renderer?.Dispose();
        _device?.Dispose();
        LateMessages.None(Messages);
    }

    /// <summary>An object by itself under even light: no fog, noise or shadow, a grey ground.</summary>
    internal static SceneDescription Alone(SceneDescription scene, SceneObject solid) => scene with
    {
        Objects = [solid],
        Light = new SceneLight(Vector3.Normalize(new Vector3(0.3f, 1, -0.6f)), 0.5f, 0.5f, Shadows: false),
        Ground = new SceneGround(GroundPattern.Plain, new Vector3(0.5f), new Vector3(0.5f), 1, 0, Vector2.Zero, 0),
        Sky = new SceneSky(new Vector3(0.7f), new Vector3(0.7f), 0),
        Noise = CameraNoise.None,
    };

    /// <summary>The same view through a camera that looks straight at a point from a few metres.</summary>
    internal static SceneDescription CloseUp(SceneDescription scene, SceneObject solid, int side)
    {
        Vector3 way = Vector3.Normalize(solid.Position - scene.Camera.Position);
        Vector3 eye = solid.Position - way * (4 * (solid.Scale.Length() + solid.Round));
        var camera = new SceneCamera(eye, MathF.Atan2(way.X, way.Z), MathF.Asin(-way.Y), 0, 0.8f);
        return Alone(scene, solid) with { Width = side, Height = side, Camera = camera };
    }
}
