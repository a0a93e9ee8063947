using System.Numerics;
using VlmSdk.Models.Scout;
using VlmSdk.Vision;

namespace VlmSdk.Samples.Scenes;

/// <summary>Turns drawn frames into what training and evaluation read, through the same letterbox as captured frames.</summary>
public static class SceneLabeller
{
    /// <summary>Side of the network picture.</summary>
    public const int Side = 256;

    /// <summary>The input of Scout's encoder: 256 x 256, letterboxed with mid grey, antialiased bilinear, byte / 64 - 2.</summary>
    public static PatchGridSpec Spec { get; } = ScoutProcessor.Default;

    /// <summary>The network picture of a frame, its object IDs, and a label for every object with a visible pixel.</summary>
    public static LabelledPicture Label(RenderedScene frame)
    {
        SceneDescription scene = frame.Scene;
        CoordinateMap map = CoordinateMap.Create(Spec, scene.Width, scene.Height);
        return new LabelledPicture(Letterbox(frame, map), MapIds(frame, map), Measure(frame, map));
    }

    private static byte[] Letterbox(RenderedScene frame, CoordinateMap map)
    {
        var source = new PixelBuffer(frame.Scene.Width, frame.Scene.Height, PixelFormat.Rgba8, frame.Rgba);
        PixelBuffer resized = ImageResize.Resize(source, map.ResizedWidth, map.ResizedHeight, Spec.Filter);
        var picture = new byte[Side * Side * 3];
        picture.AsSpan().Fill(Spec.Fill.R);
        for (int y = 0; y < map.ResizedHeight; y++)
            resized.Row(y).CopyTo(picture.AsSpan(((map.OffsetY + y) * Side + map.OffsetX) * 3));
        return picture;
    }

    private static byte[] MapIds(RenderedScene frame, CoordinateMap map)
    {
        (int width, int height) = (frame.Scene.Width, frame.Scene.Height);
        var ids = new byte[Side * Side];
        for (int y = 0; y < map.ResizedHeight; y++)
        {
            int row = (2 * y + 1) * height / (2 * map.ResizedHeight) * width;
            Span<byte> target = ids.AsSpan((map.OffsetY + y) * Side + map.OffsetX, map.ResizedWidth);
            for (int x = 0; x < target.Length; x++)
                target[x] = frame.Ids[row + (2 * x + 1) * width / (2 * map.ResizedWidth)];
        }
        return ids;
    }

    private static List<ObjectLabel> Measure(RenderedScene frame, CoordinateMap map)
    {
        SceneDescription scene = frame.Scene;
        int count = scene.Objects.Count;
        Span<int> pixels = stackalloc int[SceneDescription.MaxObjects + 1];
        Span<(int X0, int Y0, int X1, int Y1)> bounds = stackalloc (int, int, int, int)[SceneDescription.MaxObjects + 1];
        bounds.Fill((int.MaxValue, int.MaxValue, -1, -1));
        for (int y = 0, at = 0; y < scene.Height; y++)
            for (int x = 0; x < scene.Width; x++, at++)
            {
                int id = frame.Ids[at];
                if (id == 0)
                    continue;
                pixels[id]++;
                ref (int X0, int Y0, int X1, int Y1) box = ref bounds[id];
                box = (Math.Min(box.X0, x), Math.Min(box.Y0, y), Math.Max(box.X1, x + 1), Math.Max(box.Y1, y + 1));
            }
        float area = (float)map.ResizedWidth * map.ResizedHeight / ((float)scene.Width * scene.Height);
        var labels = new List<ObjectLabel>();
        for (int id = 1; id <= count; id++)
        {
            if (pixels[id] == 0)
                continue;
            SceneObject solid = scene.Objects[id - 1];
            float whole = MathF.Max(SceneSilhouette.Area(scene, solid), pixels[id]);
            (int x0, int y0, int x1, int y1) = bounds[id];
            labels.Add(new ObjectLabel(
                id, solid.Shape, solid.Colour,
                (float)(map.TargetX(x0) / Side), (float)(map.TargetY(y0) / Side), (float)(map.TargetX(x1) / Side), (float)(map.TargetY(y1) / Side),
                pixels[id] * area, pixels[id] / whole, Vector3.Distance(solid.Position, scene.Camera.Position)));
        }
        return labels;
    }
}
