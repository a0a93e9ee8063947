using System.Numerics;
using System.Runtime.InteropServices;

namespace VlmSdk.Samples.Scenes;

/// <summary>The shaders' view of a scene: mirrors the buffer in Shaders/scene.glsl, number for number.</summary>
internal static class SceneData
{
    /// <summary>Bytes of the buffer.</summary>
    public const int Size = 16 * (HeaderRows + SceneDescription.MaxObjects * SolidRows);

    private const int HeaderRows = 16;
    private const int SolidRows = 6;

    /// <summary>Writes a scene; the result is at most <see cref="Size"/> bytes, a multiple of 4, and ends after the last object.</summary>
    public static int Write(SceneDescription scene, Span<byte> target)
    {
        int count = scene.Objects.Count;
        if (count > SceneDescription.MaxObjects)
            throw new ArgumentException($"The scene holds {count} objects; the renderer draws at most {SceneDescription.MaxObjects}. Take some away.");
        Span<Vector4> rows = MemoryMarshal.Cast<byte, Vector4>(target[..Size]);
        (Vector3 right, Vector3 up, Vector3 forward) = scene.Camera.Axes();
        (float halfWidth, float halfHeight) = scene.Camera.Plane(scene.Width, scene.Height);
        SceneGround ground = scene.Ground;
        (float sin, float cos) = MathF.SinCos(ground.Angle);
        rows[0] = new(scene.Camera.Position, 0);
        rows[1] = new(right, halfWidth);
        rows[2] = new(up, halfHeight);
        rows[3] = new(forward, 0);
        rows[4] = new(scene.Light.Direction, scene.Light.Diffuse);
        rows[5] = new(scene.Light.Ambient, scene.Light.Shadows && count > 0 ? 1 : 0, scene.Sky.Fog, scene.Noise.Sigma);
        rows[6] = new(scene.Sky.Zenith, 0);
        rows[7] = new(scene.Sky.Horizon, 0);
        rows[8] = new(ground.First, (int)ground.Pattern);
        rows[9] = new(ground.Second, ground.Roughness);
        rows[10] = new(cos / ground.Period, sin / ground.Period, ground.Offset.X, ground.Offset.Y);
        rows[11] = new(scene.Noise.WhiteBalance * scene.Noise.Exposure, scene.Noise.Gamma);
        WriteShadow(scene, rows[12..15]);
        MemoryMarshal.Cast<Vector4, uint>(rows[15..16])[0] = (uint)scene.Width;
        MemoryMarshal.Cast<Vector4, uint>(rows[15..16])[1] = (uint)scene.Height;
        MemoryMarshal.Cast<Vector4, uint>(rows[15..16])[2] = scene.Noise.Seed;
        MemoryMarshal.Cast<Vector4, uint>(rows[15..16])[3] = 0;
        for (int i = 0; i < count; i++)
        {
            SceneObject solid = scene.Objects[i];
            Span<Vector4> own = rows.Slice(HeaderRows + i * SolidRows, SolidRows);
            Vector3 x = Vector3.Transform(Vector3.UnitX, solid.Rotation), y = Vector3.Transform(Vector3.UnitY, solid.Rotation);
            Vector3 z = Vector3.Transform(Vector3.UnitZ, solid.Rotation);
            own[0] = new(x.X, y.X, z.X, solid.Position.X);
            own[1] = new(x.Y, y.Y, z.Y, solid.Position.Y);
            own[2] = new(x.Z, y.Z, z.Z, solid.Position.Z);
            own[3] = new(solid.Scale, solid.Round);
            own[4] = new(solid.Rgb, solid.Specular);
            own[5] = new(solid.Rim, 0, 0, 0);
        }
        return 16 * (HeaderRows + count * SolidRows);
    }

    // A parallel projection along the light whose square just holds every solid; depth 0..1 through them.
    private static void WriteShadow(SceneDescription scene, Span<Vector4> rows)
    {
        Vector3 z = -scene.Light.Direction;
        Vector3 x = Vector3.Normalize(Vector3.Cross(MathF.Abs(z.Y) < 0.99f ? Vector3.UnitY : Vector3.UnitX, z));
        Vector3 y = Vector3.Cross(z, x);
        Vector3 low = new(float.MaxValue), high = new(float.MinValue);
        foreach (SceneObject solid in scene.Objects)
        {
            var centre = new Vector3(Vector3.Dot(x, solid.Position), Vector3.Dot(y, solid.Position), Vector3.Dot(z, solid.Position));
            // Mesh points reach no further than the diagonal of the half extents plus the roundness.
            var reach = new Vector3(solid.Scale.Length() + solid.Round + 0.01f);
            low = Vector3.Min(low, centre - reach);
            high = Vector3.Max(high, centre + reach);
        }
        if (scene.Objects.Count == 0)
            (low, high) = (Vector3.Zero, Vector3.One);
        Vector3 size = high - low;
        rows[0] = new Vector4(x, -low.X) / size.X;
        rows[1] = new Vector4(y, -low.Y) / size.Y;
        rows[2] = new Vector4(z, -low.Z) / size.Z;
    }
}
