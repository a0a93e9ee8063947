using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>Proportions, pose and material of single objects.</summary>
internal static class SceneSolids
{
    // Silhouettes cover about this many squares of their half size.
    private const float UsualArea = 2.2f;

    /// <summary>A solid over a point of the ground.</summary>
    /// <param name="random">The scene's random numbers.</param>
    /// <param name="shape">Its solid.</param>
    /// <param name="colour">Its colour.</param>
    /// <param name="spot">Where it stands: x and z.</param>
    /// <param name="metresPerPixel">Metres that one network pixel spans at that distance.</param>
    /// <param name="smallShare">Chance of an object that covers few pixels.</param>
    public static SceneObject Create(SceneRandom random, ObjectShape shape, ObjectColour colour, Vector2 spot, float metresPerPixel, float smallShare)
    {
        // Small objects are drawn by the pixels they cover, and no object so small that it is hardly ever clear.
        float half = random.Chance(smallShare) ? MathF.Sqrt(random.Range(95, 310) / UsualArea) * metresPerPixel : random.Range(0.26f, 0.70f);
        half = Math.Clamp(half, MathF.Min(0.5f, MathF.Sqrt(95 / UsualArea) * metresPerPixel), 0.75f);
        (Vector3 scale, float round) = Proportions(random, shape, half);
        Quaternion rotation = Quaternion.CreateFromAxisAngle(Vector3.UnitY, random.Angle());
        float lying = shape switch { ObjectShape.Cylinder => 0.25f, ObjectShape.Capsule => 0.4f, ObjectShape.Ring => 0.5f, _ => 0 };
        if (random.Chance(lying))
            rotation *= Quaternion.CreateFromAxisAngle(Vector3.UnitZ, MathF.PI / 2);
        float lift = random.Chance(0.06f) ? random.Range(0.1f, 0.9f) : 0;
        if (lift > 0 && random.Chance(0.5f))
            rotation *= Quaternion.CreateFromAxisAngle(Vector3.UnitX, random.Range(-0.4f, 0.4f));
        var solid = new SceneObject(
            shape, colour, SceneColours.Draw(random, colour), default, rotation, scale, round,
            random.Chance(colour == ObjectColour.Black ? 0.75f : 0.5f) ? random.Range(0.15f, 0.6f) : 0,
            colour == ObjectColour.Black ? random.Range(0.25f, 0.6f) : random.Range(0, 0.12f));
        float lowest = SceneMesh.WorldPoints(solid).Min(p => p.Y);
        return solid with { Position = new Vector3(spot.X, lift - lowest, spot.Y) };
    }

    /// <summary>Radius around the centre, seen from above, that the object stays within.</summary>
    public static float FootprintRadius(SceneObject solid)
    {
        var centre = new Vector2(solid.Position.X, solid.Position.Z);
        return SceneMesh.WorldPoints(solid).Max(p => Vector2.Distance(new Vector2(p.X, p.Z), centre));
    }

    private static (Vector3 Scale, float Round) Proportions(SceneRandom random, ObjectShape shape, float half)
    {
        float a = random.Unit(), b = random.Unit(), c = random.Unit();
        switch (shape)
        {
            case ObjectShape.Cube:
                return (half * new Vector3(0.78f + 0.2f * a, 0.78f + 0.2f * b, 0.78f + 0.2f * c), 0);
            case ObjectShape.Sphere:
                return (Vector3.Zero, half);
            case ObjectShape.Cylinder:
                return (half * new Vector3(0.6f + 0.2f * a, 0.8f + 0.3f * b, 0.6f + 0.2f * a), 0);
            case ObjectShape.Cone:
                return (half * new Vector3(0.7f + 0.2f * a, 0.95f + 0.3f * b, 0.7f + 0.2f * a), 0);
            case ObjectShape.Pyramid:
                return (half * new Vector3(0.8f + 0.2f * a, 0.85f + 0.3f * b, 0.8f + 0.2f * a), 0);
            case ObjectShape.Ring:
                float tube = half * (0.22f + 0.1f * a), ring = half * 1.1f - tube;
                return (new Vector3(ring, 0, ring), tube);
            default:
                float round = half * (0.42f + 0.12f * a);
                return (new Vector3(0, half * (0.5f + 0.25f * b), 0), round);
        }
    }
}
