using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>A corner of a mesh: see <see cref="SceneObject"/> for how base and normal make a surface point.</summary>
/// <param name="Base">Point scaled by the object's half extents.</param>
/// <param name="Normal">Unit normal, pushed along by the object's roundness.</param>
public readonly record struct SceneVertex(Vector3 Base, Vector3 Normal);

/// <summary>The triangles of one solid. Triangles turn the way of their normals under the cross product.</summary>
public sealed class SceneMesh
{
    private static readonly SceneMesh[] All = [.. Enum.GetValues<ObjectShape>().Select(Create)];

    private readonly List<SceneVertex> _vertices = [];
    private readonly List<ushort> _indices = [];

    /// <summary>Corners.</summary>
    public IReadOnlyList<SceneVertex> Vertices => _vertices;

    /// <summary>Three corners a triangle.</summary>
    public IReadOnlyList<ushort> Indices => _indices;

    /// <summary>The mesh of a solid.</summary>
    public static SceneMesh Of(ObjectShape shape) => All[(int)shape];

    /// <summary>The surface points of an object in the world.</summary>
    public static Vector3[] WorldPoints(SceneObject solid)
    {
        SceneMesh mesh = Of(solid.Shape);
        var points = new Vector3[mesh._vertices.Count];
        for (int i = 0; i < points.Length; i++)
        {
            (Vector3 at, Vector3 normal) = mesh._vertices[i];
            points[i] = solid.Position + Vector3.Transform(at * solid.Scale + normal * solid.Round, solid.Rotation);
        }
        return points;
    }

    private static SceneMesh Create(ObjectShape shape)
    {
        var mesh = new SceneMesh();
        switch (shape)
        {
            case ObjectShape.Cube:
                mesh.AddCube();
                break;
            case ObjectShape.Sphere:
                mesh.AddSurface(28, 16, (u, v) => Ball(u, v, 0));
                break;
            case ObjectShape.Cylinder:
                mesh.AddSurface(32, 1, (u, v) => new(Around(u) + new Vector3(0, 2 * v - 1, 0), Around(u)));
                mesh.AddDisc(32, -1);
                mesh.AddDisc(32, 1);
                break;
            case ObjectShape.Cone:
                mesh.AddSides(32, u => Vector3.Normalize(2 * Around(u) + Vector3.UnitY), u => Around(u));
                mesh.AddDisc(32, -1);
                break;
            case ObjectShape.Pyramid:
                mesh.AddPyramid();
                break;
            case ObjectShape.Ring:
                mesh.AddSurface(32, 14, (u, v) =>
                {
                    (float s, float c) = MathF.SinCos(MathF.Tau * v);
                    return new(Around(u), Around(u) * c + new Vector3(0, s, 0));
                });
                break;
            default:
                // Two rows of corners share the equator, one on either half ball: the band between them is the straight part.
                mesh.AddSurface(24, 15, (u, v) => v < 0.5f ? Ball(u, v * 15 / 14, -1) : Ball(u, (v * 15 - 1) / 14, 1));
                break;
        }
        return mesh;
    }

    private static Vector3 Around(float u)
    {
        (float s, float c) = MathF.SinCos(MathF.Tau * u);
        return new Vector3(c, 0, s);
    }

    private static SceneVertex Ball(float u, float v, float lift)
    {
        (float s, float c) = MathF.SinCos(MathF.PI * (v - 0.5f));
        return new(new Vector3(0, lift, 0), Around(u) * c + new Vector3(0, s, 0));
    }

    private void AddSurface(int columns, int rows, Func<float, float, SceneVertex> at)
    {
        int first = _vertices.Count;
        for (int j = 0; j <= rows; j++)
            for (int i = 0; i <= columns; i++)
                _vertices.Add(at(i / (float)columns, j / (float)rows));
        for (int j = 0; j < rows; j++)
            for (int i = 0; i < columns; i++)
            {
                int corner = first + j * (columns + 1) + i;
                AddTriangle(corner, corner + columns + 1, corner + 1);
                AddTriangle(corner + 1, corner + columns + 1, corner + columns + 2);
            }
    }

    private void AddDisc(int sides, float y)
    {
        int first = _vertices.Count;
        Vector3 up = new(0, y, 0);
        _vertices.Add(new(up, up));
        for (int i = 0; i <= sides; i++)
            _vertices.Add(new(Around(i / (float)sides) + up, up));
        for (int i = 1; i <= sides; i++)
            AddTriangle(first, first + i, first + i + 1);
    }

    private void AddSides(int sides, Func<float, Vector3> normal, Func<float, Vector3> rim)
    {
        for (int i = 0; i < sides; i++)
        {
            int first = _vertices.Count;
            (float a, float b) = (i / (float)sides, (i + 1) / (float)sides);
            _vertices.Add(new(rim(a) - Vector3.UnitY, normal(a)));
            _vertices.Add(new(rim(b) - Vector3.UnitY, normal(b)));
            _vertices.Add(new(Vector3.UnitY, normal((a + b) / 2)));
            AddTriangle(first, first + 1, first + 2);
        }
    }

    private void AddFace(Vector3 normal, params ReadOnlySpan<Vector3> corners)
    {
        int first = _vertices.Count;
        foreach (Vector3 corner in corners)
            _vertices.Add(new(corner, normal));
        for (int i = 2; i < corners.Length; i++)
            AddTriangle(first, first + i - 1, first + i);
    }

    private void AddCube()
    {
        for (int axis = 0; axis < 3; axis++)
            for (int side = -1; side <= 1; side += 2)
            {
                Vector3 n = default, s = default, t = default;
                n[axis] = side;
                s[(axis + 1) % 3] = 1;
                t[(axis + 2) % 3] = 1;
                AddFace(n, n - s - t, n + s - t, n + s + t, n - s + t);
            }
    }

    private void AddPyramid()
    {
        Vector3[] floor = [new(-1, -1, -1), new(1, -1, -1), new(1, -1, 1), new(-1, -1, 1)];
        AddFace(-Vector3.UnitY, floor);
        for (int i = 0; i < 4; i++)
        {
            Vector3 a = floor[i], b = floor[(i + 1) % 4], out2 = a + b;
            AddFace(Vector3.Normalize(new Vector3(out2.X, 1, out2.Z)), a, b, Vector3.UnitY);
        }
    }

    // Turns a triangle so that its cross product points the way of its normals; drops those without area.
    private void AddTriangle(int a, int b, int c)
    {
        SceneVertex va = _vertices[a], vb = _vertices[b], vc = _vertices[c];
        Vector3 pa = va.Base + va.Normal / 2, pb = vb.Base + vb.Normal / 2, pc = vc.Base + vc.Normal / 2;
        Vector3 cross = Vector3.Cross(pb - pa, pc - pa);
        if (cross.LengthSquared() < 1e-10f)
            return;
        bool turn = Vector3.Dot(cross, va.Normal + vb.Normal + vc.Normal) < 0;
        _indices.Add((ushort)a);
        _indices.Add((ushort)(turn ? c : b));
        _indices.Add((ushort)(turn ? b : c));
    }
}
