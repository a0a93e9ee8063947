using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>
/// Sizes of whole silhouettes, hidden and off-frame parts included, from the mesh itself: the area of the projected
/// outline. Every solid but the ring is convex, and its outline is the convex hull of the projected corners.
/// </summary>
internal static class SceneSilhouette
{
    private const int Cells = 128;

    /// <summary>Area in frame pixels that an object would cover alone in an unbounded picture; 0 when it is not all in front.</summary>
    public static float Area(SceneDescription scene, SceneObject solid)
    {
        Vector2[]? points = Project(scene, solid);
        if (points is null)
            return 0;
        return solid.Shape == ObjectShape.Ring ? CoveredArea(points, SceneMesh.Of(solid.Shape).Indices) : HullArea(points);
    }

    /// <summary>Frame positions of an object's corners, or null when one lies behind the eye.</summary>
    public static Vector2[]? Project(SceneDescription scene, SceneObject solid)
    {
        (Vector3 right, Vector3 up, Vector3 forward) = scene.Camera.Axes();
        (float halfWidth, float halfHeight) = scene.Camera.Plane(scene.Width, scene.Height);
        Vector3[] world = SceneMesh.WorldPoints(solid);
        var points = new Vector2[world.Length];
        for (int i = 0; i < points.Length; i++)
        {
            Vector3 seen = world[i] - scene.Camera.Position;
            float depth = Vector3.Dot(seen, forward);
            if (depth < 0.05f)
                return null;
            points[i] = new Vector2(
                (1 + Vector3.Dot(seen, right) / (depth * halfWidth)) * 0.5f * scene.Width,
                (1 - Vector3.Dot(seen, up) / (depth * halfHeight)) * 0.5f * scene.Height);
        }
        return points;
    }

    private static float HullArea(Vector2[] points)
    {
        Array.Sort(points, (a, b) => a.X != b.X ? a.X.CompareTo(b.X) : a.Y.CompareTo(b.Y));
        return MathF.Abs(ChainArea(points, 1) - ChainArea(points, -1)) / 2;
    }

    // Twice the area under one side of the hull (points sorted by x), as a running cross product.
    private static float ChainArea(Vector2[] points, int side)
    {
        var chain = new List<Vector2>();
        foreach (Vector2 p in points)
        {
            while (chain.Count > 1 && side * Cross(chain[^1] - chain[^2], p - chain[^2]) <= 0)
                chain.RemoveAt(chain.Count - 1);
            chain.Add(p);
        }
        float sum = 0;
        for (int i = 1; i < chain.Count; i++)
            sum += (chain[i].X - chain[i - 1].X) * (chain[i].Y + chain[i - 1].Y);
        return sum;
    }

    // The share of a grid over the outline's bounds whose cell centres lie in a triangle, as an area.
    private static float CoveredArea(Vector2[] points, IReadOnlyList<ushort> indices)
    {
        Vector2 low = points[0], high = points[0];
        foreach (Vector2 p in points)
            (low, high) = (Vector2.Min(low, p), Vector2.Max(high, p));
        Vector2 cell = Vector2.Max(high - low, new Vector2(1e-3f)) / Cells;
        var covered = new bool[Cells * Cells];
        for (int i = 0; i < indices.Count; i += 3)
            Fill(covered, (points[indices[i]] - low) / cell, (points[indices[i + 1]] - low) / cell, (points[indices[i + 2]] - low) / cell);
        return covered.Count(c => c) * cell.X * cell.Y;
    }

    private static void Fill(bool[] covered, Vector2 a, Vector2 b, Vector2 c)
    {
        float area = Cross(b - a, c - a);
        if (area < 0)
            (b, c) = (c, b);
        Vector2 low = Vector2.Min(a, Vector2.Min(b, c)), high = Vector2.Max(a, Vector2.Max(b, c));
        int x0 = Math.Max(0, (int)(low.X - 0.5f)), x1 = Math.Min(Cells - 1, (int)(high.X + 0.5f));
        int y0 = Math.Max(0, (int)(low.Y - 0.5f)), y1 = Math.Min(Cells - 1, (int)(high.Y + 0.5f));
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++)
            {
                var p = new Vector2(x + 0.5f, y + 0.5f);
                if (Cross(b - a, p - a) >= 0 && Cross(c - b, p - b) >= 0 && Cross(a - c, p - c) >= 0)
                    covered[y * Cells + x] = true;
            }
    }

    private static float Cross(Vector2 a, Vector2 b) => a.X * b.Y - a.Y * b.X;
}
