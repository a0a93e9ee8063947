namespace VlmSdk.Samples.Scenes;

/// <summary>A drawn frame in host memory.</summary>
/// <param name="Scene">What was drawn.</param>
/// <param name="Rgba">[Height, Width, 4] bytes.</param>
/// <param name="Ids">[Height, Width] bytes: index of the object seen plus 1, 0 where there is none.</param>
public sealed record RenderedScene(SceneDescription Scene, byte[] Rgba, byte[] Ids);
