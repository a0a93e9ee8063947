using VlmSdk.Samples.Scenes;

namespace VlmSdk.Tests.Training;

/// <summary>Hand-made and random label sets, and small pictures of them.</summary>
internal static class Scenery
{
    /// <summary>A clear object whose box is centred at (x, y).</summary>
    internal static ObjectLabel Object(int id, ObjectColour colour, ObjectShape shape, float x, float y = 0.5f, float distance = 4, float half = 0.06f, float pixels = 900) =>
        new(id, shape, colour, x - half, y - half, x + half, y + half, pixels, 1, distance);

    /// <summary>A random scene with few colours and shapes, so that phrases often fit several objects; some are ambiguous.</summary>
    internal static List<ObjectLabel> Random(Random random, int count)
    {
        var objects = new List<ObjectLabel>();
        for (int id = 1; id <= count; id++)
            objects.Add(Object(id, (ObjectColour)random.Next(3), (ObjectShape)random.Next(3), 0.1f + 0.8f * random.NextSingle(),
                0.1f + 0.8f * random.NextSingle(), 2 + 8 * random.NextSingle(), 0.03f + 0.06f * random.NextSingle(), random.Next(8) == 0 ? 40 : 500));
        return objects;
    }

    /// <summary>Noise with each object's box filled: what the tiny model trains on.</summary>
    internal static LabelledPicture Picture(long number, int side)
    {
        var random = new Random((int)(number * 31 + 5));
        List<ObjectLabel> objects = Random(random, random.Next(5));
        byte[] rgb = new byte[side * side * 3], ids = new byte[side * side];
        random.NextBytes(rgb);
        foreach (ObjectLabel o in objects)
            for (int y = (int)(o.Y0 * side); y < (int)(o.Y1 * side); y++)
                for (int x = (int)(o.X0 * side); x < (int)(o.X1 * side); x++)
                {
                    ids[y * side + x] = (byte)o.Id;
                    rgb.AsSpan((y * side + x) * 3, 3).Fill((byte)(40 + 60 * (int)o.Colour));
                }
        return new LabelledPicture(rgb, ids, objects);
    }
}
