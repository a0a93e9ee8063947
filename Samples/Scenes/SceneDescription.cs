using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>Patterns of the ground.</summary>
public enum GroundPattern
{
    Plain,
    Checker,
    Stripes,
    Noise,
}

/// <summary>
/// A pinhole camera over the ground plane y = 0. At zero angles it looks along +z with x to the right and y up.
/// </summary>
/// <param name="Position">Eye point in metres.</param>
/// <param name="Yaw">Turn to the right, radians.</param>
/// <param name="Pitch">Tilt down, radians.</param>
/// <param name="Roll">Tilt to the side, radians.</param>
/// <param name="HorizontalField">Whole angle of view across the frame's width, radians.</param>
public sealed record SceneCamera(Vector3 Position, float Yaw, float Pitch, float Roll, float HorizontalField)
{
    /// <summary>The three unit axes of the picture: right, up, and into the scene.</summary>
    public (Vector3 Right, Vector3 Up, Vector3 Forward) Axes()
    {
        (float sy, float cy) = MathF.SinCos(Yaw);
        (float sp, float cp) = MathF.SinCos(Pitch);
        (float sr, float cr) = MathF.SinCos(Roll);
        var forward = new Vector3(sy * cp, -sp, cy * cp);
        var right = new Vector3(cy, 0, -sy);
        var up = new Vector3(sy * sp, cp, cy * sp);
        return (right * cr + up * sr, up * cr - right * sr, forward);
    }

    /// <summary>Half extents of the picture at distance 1, for a frame of this size.</summary>
    public (float HalfWidth, float HalfHeight) Plane(int width, int height)
    {
        float half = MathF.Tan(HorizontalField / 2);
        return (half, half * height / width);
    }
}

/// <summary>One directional light.</summary>
/// <param name="Direction">Unit vector towards the light.</param>
/// <param name="Ambient">Light from everywhere, 0..1.</param>
/// <param name="Diffuse">Light of the source, 0..1.</param>
/// <param name="Shadows">Whether it casts hard shadows.</param>
public sealed record SceneLight(Vector3 Direction, float Ambient, float Diffuse, bool Shadows);

/// <summary>The ground plane.</summary>
/// <param name="Pattern">What is drawn on it.</param>
/// <param name="First">Display RGB, 0..1.</param>
/// <param name="Second">The other colour of the pattern.</param>
/// <param name="Period">Metres of one cell of the pattern.</param>
/// <param name="Angle">Turn of the pattern, radians.</param>
/// <param name="Offset">Shift of the pattern, in cells.</param>
/// <param name="Roughness">Strength of the multiplicative noise, 0..1.</param>
public sealed record SceneGround(
    GroundPattern Pattern, Vector3 First, Vector3 Second, float Period, float Angle, Vector2 Offset, float Roughness);

/// <summary>A vertical gradient, and fog of the horizon's colour.</summary>
/// <param name="Zenith">Display RGB at the top.</param>
/// <param name="Horizon">Display RGB at the horizon.</param>
/// <param name="Fog">Share of fog gained per metre, 0..1.</param>
public sealed record SceneSky(Vector3 Zenith, Vector3 Horizon, float Fog);

/// <summary>What the camera does to the picture.</summary>
/// <param name="Exposure">Factor on all channels.</param>
/// <param name="Gamma">Exponent.</param>
/// <param name="WhiteBalance">Factors on red, green, blue.</param>
/// <param name="Sigma">Deviation of the sensor noise in units of full scale; 0 for none.</param>
/// <param name="Seed">Seed of the sensor noise.</param>
public sealed record CameraNoise(float Exposure, float Gamma, Vector3 WhiteBalance, float Sigma, uint Seed)
{
    /// <summary>A perfect camera.</summary>
    public static CameraNoise None { get; } = new(1, 1, Vector3.One, 0, 0);
}

/// <summary>
/// One solid. A point of its surface is Position + Rotation(base * Scale + normal * Round), where base and normal come
/// from the solid's mesh (<see cref="SceneMesh"/>); round solids use Round, flat ones leave it 0.
/// </summary>
/// <param name="Shape">Its solid.</param>
/// <param name="Colour">Its named colour.</param>
/// <param name="Rgb">Its display RGB, 0..1.</param>
/// <param name="Position">Centre in metres.</param>
/// <param name="Rotation">From its own axes (y up) to the world's.</param>
/// <param name="Scale">Half extents in metres of the mesh's base points.</param>
/// <param name="Round">Metres added along the normal.</param>
/// <param name="Specular">Strength of the highlight, 0..1.</param>
/// <param name="Rim">Strength of the light along its outline, 0..1.</param>
public sealed record SceneObject(
    ObjectShape Shape, ObjectColour Colour, Vector3 Rgb, Vector3 Position, Quaternion Rotation, Vector3 Scale, float Round,
    float Specular, float Rim);

/// <summary>
/// Everything that decides a picture: pure data, the same for the same seed and options. The object at index i has ID i + 1.
/// </summary>
/// <param name="Seed">The seed it was made from.</param>
/// <param name="Width">Columns of the frame.</param>
/// <param name="Height">Rows of the frame.</param>
/// <param name="Camera">The camera.</param>
/// <param name="Light">The light.</param>
/// <param name="Ground">The ground.</param>
/// <param name="Sky">The sky and the fog.</param>
/// <param name="Noise">The camera's faults.</param>
/// <param name="Objects">The solids, at most <see cref="MaxObjects"/>.</param>
public sealed record SceneDescription(
    ulong Seed, int Width, int Height, SceneCamera Camera, SceneLight Light, SceneGround Ground, SceneSky Sky, CameraNoise Noise,
    IReadOnlyList<SceneObject> Objects)
{
    /// <summary>Most objects a scene can hold.</summary>
    public const int MaxObjects = 32;
}

/// <summary>What may vary from scene to scene.</summary>
public sealed record SceneOptions
{
    /// <summary>Fewest objects asked for; placement may fall short in crowded scenes.</summary>
    public int MinObjects { get; init; }

    /// <summary>Most objects asked for, at most <see cref="SceneDescription.MaxObjects"/>.</summary>
    public int MaxObjects { get; init; } = 8;

    /// <summary>A fixed frame size in pixels; null draws an aspect from 1:1 to 21:9 and a long side of 256 to 512.</summary>
    public (int Width, int Height)? FrameSize { get; init; }

    /// <summary>Share of the objects, 0 to 1, drawn small: 95 to 310 pixels of the network picture. Training takes more of them than chance gives.</summary>
    public float SmallShare { get; init; }

    /// <summary>Whether exposure, gamma, white balance and sensor noise vary.</summary>
    public bool CameraNoise { get; init; } = true;
}
