using VlmSdk.Samples.Scenes;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Scenes;

internal sealed class SceneLabellerTests
{
    private const int Side = SceneLabeller.Side;

    [TearDown]
    public void No_validation_message() => Assert.That(SceneDrawing.Messages, Is.Empty);

    [TestCase(0f, 0.19f)]
    [TestCase(0.2f, 0.25f)]
    public void Three_hundred_scenes_follow_the_recipe(float smallShare, float below300)
    {
        const int Scenes = 300;
        var clear = new List<ObjectLabel>();
        int unclear = 0;
        foreach (RenderedScene frame in SceneDrawing.Renderer.RenderAll(Enumerable.Range(1000, Scenes).Select(i => SceneGenerator.Create((ulong)i, new SceneOptions { SmallShare = smallShare }))))
        {
            LabelledPicture picture = SceneLabeller.Label(frame);
            clear.AddRange(picture.Objects.Where(o => o.IsClear));
            unclear += picture.Objects.Count(o => !o.IsClear);
        }
        float[] sizes = [.. clear.Select(o => o.VisiblePixels).Order()];
        Assert.That(clear.Count / (float)Scenes, Is.EqualTo(4.2f).Within(0.5f), "clear objects a scene");
        Assert.That(unclear / (float)(clear.Count + unclear), Is.LessThan(0.06f), "share of ambiguous objects");
        Assert.That(sizes.Count(s => s < 300) / (float)sizes.Length, Is.EqualTo(below300).Within(0.06f), "share of 80 to 300 pixels");
        Assert.That(sizes[sizes.Length / 2], Is.InRange(400f, 1000f), "median size");
        Assert.That(sizes[sizes.Length * 95 / 100], Is.InRange(2200f, 6000f), "largest sizes");
        Assert.That(clear.Count(o => o.VisibleFraction < 0.8f) / (float)clear.Count, Is.InRange(0.1f, 0.25f), "share hidden or cut");
        Assert.That(clear.GroupBy(o => o.Shape).Select(g => g.Count() / (float)clear.Count), Has.Exactly(7).InRange(0.09f, 0.2f));
        Assert.That(clear.GroupBy(o => o.Colour).Select(g => g.Count() / (float)clear.Count), Has.Exactly(10).InRange(0.06f, 0.15f));
    }

    [TestCase(256, 256)]
    [TestCase(384, 216)]
    [TestCase(511, 219)]
    [TestCase(180, 320)]
    public void Labels_agree_with_the_id_buffer_and_the_bars(int width, int height)
    {
        var options = new SceneOptions { MinObjects = 4, FrameSize = (width, height) };
        CoordinateMap map = CoordinateMap.Create(SceneLabeller.Spec, width, height);
        foreach (RenderedScene frame in SceneDrawing.Renderer.RenderAll(Enumerable.Range(0, 6).Select(i => SceneGenerator.Create((ulong)i, options))))
        {
            LabelledPicture picture = SceneLabeller.Label(frame);
            var source = new PixelBuffer(width, height, PixelFormat.Rgba8, frame.Rgba);
            using PatchGrid grid = ImageProcessor.Process(source, SceneLabeller.Spec);
            Assert.That(Planar(picture.Rgb), Is.EqualTo(grid.Values.Floats.ToArray()), "the encoder's input is the labelled picture");

            for (int y = 0; y < Side; y++)
                for (int x = 0; x < Side; x++)
                {
                    bool bar = x < map.OffsetX || x >= map.OffsetX + map.ResizedWidth || y < map.OffsetY || y >= map.OffsetY + map.ResizedHeight;
                    int id = picture.ObjectIds[y * Side + x];
                    if (bar && (id != 0 || picture.Rgb[(y * Side + x) * 3] != 128))
                        Assert.Fail($"The bar at {x}, {y} holds object {id} or is not grey.");
                    if (id != 0)
                    {
                        ObjectLabel label = picture.Objects.Single(o => o.Id == id);
                        float slack = 0.51f / Side, cx = (x + 0.5f) / Side, cy = (y + 0.5f) / Side;
                        if (cx < label.X0 - slack || cx > label.X1 + slack || cy < label.Y0 - slack || cy > label.Y1 + slack)
                            Assert.Fail($"Pixel {x}, {y} of object {id} lies outside of its box.");
                    }
                }
            foreach (ObjectLabel label in picture.Objects)
            {
                SceneObject solid = frame.Scene.Objects[label.Id - 1];
                Assert.That((label.Shape, label.Colour), Is.EqualTo((solid.Shape, solid.Colour)));
                Assert.That(picture.ObjectIds.Count(i => i == label.Id), Is.EqualTo(label.VisiblePixels).Within(0.06f * label.VisiblePixels + 8));
                Assert.That(label.X1 > label.X0 && label.Y1 > label.Y0 && label.VisibleFraction is > 0 and <= 1);
                (int x0, int x1) = ((int)Math.Round(map.SourceX(label.X0 * Side)), (int)Math.Round(map.SourceX(label.X1 * Side)));
                Assert.That(Column(frame, x0, label.Id) && Column(frame, x1 - 1, label.Id), "the box is tight in the frame");
            }
        }
    }

    [Test]
    public void Visible_fraction_is_that_of_the_whole_silhouette()
    {
        var options = new SceneOptions { MinObjects = 6, FrameSize = (400, 300) };
        var alone = new List<SceneDescription>();
        for (ulong seed = 0; alone.Count < 60; seed++)
        {
            SceneDescription scene = SceneGenerator.Create(seed, options);
            alone.AddRange(scene.Objects.Select(o => SceneDrawing.Alone(scene, o)));
        }
        // The middle half of each view, cut out by a narrower camera.
        SceneDescription[] cut = [.. alone.Select(s => s with
        {
            Width = 200,
            Camera = s.Camera with { HorizontalField = 2 * MathF.Atan(MathF.Tan(s.Camera.HorizontalField / 2) / 2) },
        })];
        int whole = 0, partly = 0;
        foreach ((RenderedScene wide, RenderedScene narrow) in SceneDrawing.Renderer.RenderAll(alone).ToList().Zip(SceneDrawing.Renderer.RenderAll(cut)))
        {
            ObjectLabel label = SceneLabeller.Label(wide).Objects.Single();
            float all = wide.Ids.Count(i => i == 1);
            bool touches = label.X0 < 0.01f || label.X1 > 0.99f || label.Y1 > 0.86f;
            if (touches || all < 150)
                continue;
            Assert.That(label.VisibleFraction, Is.GreaterThan(0.94f), $"{label}");
            whole++;
            float kept = narrow.Ids.Count(i => i == 1) / all;
            if (kept is 0 or 1)
                continue;
            partly++;
            Assert.That(SceneLabeller.Label(narrow).Objects.Single().VisibleFraction, Is.EqualTo(kept).Within(0.03f), $"{label}");
        }
        Assert.That(whole, Is.GreaterThan(20));
        Assert.That(partly, Is.GreaterThan(3));
    }

    private static float[] Planar(byte[] rgb)
    {
        var values = new float[rgb.Length];
        for (int i = 0; i < rgb.Length; i++)
            values[i % 3 * Side * Side + i / 3] = rgb[i] * (1 / 64f) - 2f;
        return values;
    }

    private static bool Column(RenderedScene frame, int x, int id) =>
        Enumerable.Range(0, frame.Scene.Height).Any(y => frame.Ids[y * frame.Scene.Width + x] == id);
}
