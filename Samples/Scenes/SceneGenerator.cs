using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>
/// Draws scenes from the distribution that Scout is trained on: solids on a patterned plane, seen from standing height,
/// with correlated colours and shapes so that phrases have to be told apart. No state; safe on any thread.
/// </summary>
public static class SceneGenerator
{
    private const float Nearest = 1.8f;
    private const float Farthest = 11.5f;

    /// <summary>The scene of a seed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Object counts or the frame size are out of range.</exception>
    public static SceneDescription Create(ulong seed, SceneOptions? options = null)
    {
        options ??= new SceneOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.MinObjects);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxObjects, options.MinObjects);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxObjects, SceneDescription.MaxObjects);
        // The seed is stirred so that neighbouring seeds share nothing.
        var random = new SceneRandom(new SceneRandom(seed).NextBits());

        (int width, int height) = options.FrameSize ?? FrameSize(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        SceneCamera camera = Camera(random, (float)width / height);
        SceneSky sky = Sky(random);
        SceneGround ground = Ground(random);
        SceneLight light = Light(random);
        CameraNoise noise = Noise(random);
        var scene = new SceneDescription(
            seed, width, height, camera, light, ground, sky, options.CameraNoise ? noise : CameraNoise.None, []);
        return scene with { Objects = Objects(random, scene, options) };
    }

    private static (int Width, int Height) FrameSize(SceneRandom random)
    {
        ReadOnlySpan<float> usual = [1f, 1f, 4f / 3, 4f / 3, 3f / 2, 16f / 10, 16f / 9, 16f / 9, 21f / 9];
        float aspect = random.Chance(0.55f) ? usual[random.Below(usual.Length)] : MathF.Exp(random.Range(0, MathF.Log(21f / 9)));
        int side = random.Chance(0.4f) ? 256 : 256 + random.Below(257);
        int other = Math.Max(1, (int)MathF.Round(side / aspect));
        // A few frames stand upright, no narrower than 9:16.
        return random.Chance(0.07f) && aspect < 1.8f ? (other, side) : (side, other);
    }

    private static SceneCamera Camera(SceneRandom random, float aspect)
    {
        float height = random.Range(1.3f, 4.6f);
        // The field is that of the longer side and opens with the aspect, as wide displays do.
        float wide = Math.Clamp((MathF.Max(aspect, 1) - 1) / (21f / 9 - 1), 0, 1);
        float field = random.Range(42 + 10 * wide, 66 + 18 * wide) * MathF.PI / 180;
        if (aspect < 1)
            field = 2 * MathF.Atan(MathF.Tan(field / 2) * aspect);
        float pitch = random.Range(0.12f, 0.30f) + (height - 1.3f) / 3.3f * random.Range(0, 0.4f);
        return new SceneCamera(new Vector3(0, height, 0), 0, pitch, random.Range(-0.05f, 0.05f), field);
    }

    private static SceneLight Light(SceneRandom random)
    {
        float elevation = random.Range(0.5f, 1.35f);
        (float s, float c) = MathF.SinCos(random.Angle());
        (float up, float flat) = MathF.SinCos(elevation);
        return new SceneLight(
            new Vector3(s * flat, up, c * flat), random.Range(0.34f, 0.56f), random.Range(0.55f, 0.85f), random.Chance(0.85f));
    }

    private static SceneGround Ground(SceneRandom random)
    {
        var pattern = (GroundPattern)random.Below(4);
        return new SceneGround(
            pattern, GroundColour(random), GroundColour(random), random.Range(0.35f, 1.6f), random.Angle(),
            new Vector2(random.Unit(), random.Unit()), random.Range(0, 0.25f));
    }

    private static Vector3 GroundColour(SceneRandom random)
    {
        float saturation = random.Chance(0.85f) ? random.Range(0, 0.35f) : random.Range(0.35f, 0.6f);
        return SceneColours.FromHsv(random.Unit(), saturation, random.Range(0.18f, 0.85f));
    }

    private static SceneSky Sky(SceneRandom random)
    {
        bool night = random.Chance(0.1f);
        float hue = random.Chance(0.7f) ? random.Range(0.5f, 0.65f) : random.Unit();
        float saturation = random.Range(0.05f, 0.55f);
        float value = night ? random.Range(0.03f, 0.15f) : random.Range(0.5f, 0.95f);
        float low = night ? random.Range(0.08f, 0.25f) : random.Range(0.6f, 0.97f);
        return new SceneSky(
            SceneColours.FromHsv(hue, saturation, value), SceneColours.FromHsv(hue, saturation * random.Range(0.1f, 0.6f), low),
            random.Chance(0.6f) ? random.Range(0.002f, 0.03f) : 0);
    }

    private static CameraNoise Noise(SceneRandom random)
    {
        var balance = new Vector3(random.Range(0.95f, 1.05f), random.Range(0.95f, 1.05f), random.Range(0.95f, 1.05f));
        float sigma = random.Chance(0.5f) ? random.Range(1, 9) / 255 : 0;
        return new CameraNoise(random.Range(0.8f, 1.2f), random.Range(0.8f, 1.25f), balance, sigma, (uint)random.NextBits());
    }

    private static List<SceneObject> Objects(SceneRandom random, SceneDescription scene, SceneOptions options)
    {
        int fewest = Math.Min(Math.Max(options.MinObjects, random.Chance(0.04f) ? 0 : 1), options.MaxObjects);
        int wanted = fewest == 0 ? 0 : fewest + random.Below(options.MaxObjects - fewest + 1);
        int[] colours = random.Chance(0.5f) ? random.Choose(2 + random.Below(4), 10) : random.Choose(10, 10);
        int[] shapes = random.Chance(0.5f) ? random.Choose(1 + random.Below(4), 7) : random.Choose(7, 7);
        // Network pixels of a metre at distance 1: the longer side of the frame fills the network picture.
        (float halfWidth, float halfHeight) = scene.Camera.Plane(scene.Width, scene.Height);
        float focal = SceneLabeller.Side / 2 / MathF.Max(halfWidth, halfHeight);
        var placed = new List<SceneObject>();
        var circles = new List<(Vector2 At, float Radius)>();
        for (int attempt = 0; attempt < 20 * wanted && placed.Count < wanted; attempt++)
        {
            if (GroundUnder(scene, random.Range(0.02f, 0.98f), random.Range(0.2f, 1f)) is not { } spot)
                continue;
            var (shape, colour) = ((ObjectShape)shapes[random.Below(shapes.Length)], (ObjectColour)colours[random.Below(colours.Length)]);
            float distance = Vector3.Distance(scene.Camera.Position, new Vector3(spot.X, 0, spot.Y));
            SceneObject solid = SceneSolids.Create(random, shape, colour, spot, distance / focal, options.SmallShare);
            float radius = SceneSolids.FootprintRadius(solid);
            if (circles.Exists(c => Vector2.DistanceSquared(c.At, spot) <= 0.6f * (c.Radius + radius) * (c.Radius + radius)))
                continue;
            circles.Add((spot, radius));
            placed.Add(solid);
        }
        return placed;
    }

    // Where the ray through a point of the frame (0..1, from the top left) meets the ground, if at a useful distance.
    private static Vector2? GroundUnder(SceneDescription scene, float x, float y)
    {
        (Vector3 right, Vector3 up, Vector3 forward) = scene.Camera.Axes();
        (float halfWidth, float halfHeight) = scene.Camera.Plane(scene.Width, scene.Height);
        Vector3 ray = Vector3.Normalize(forward + right * ((2 * x - 1) * halfWidth) + up * ((1 - 2 * y) * halfHeight));
        if (ray.Y > -1e-3f)
            return null;
        float distance = scene.Camera.Position.Y / -ray.Y;
        if (distance is < Nearest or > Farthest)
            return null;
        Vector3 at = scene.Camera.Position + ray * distance;
        return new Vector2(at.X, at.Z);
    }
}
