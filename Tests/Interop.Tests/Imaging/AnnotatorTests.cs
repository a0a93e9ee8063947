using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Imaging;

/// <summary>Boxes and labels on pictures of every shape, with the system's font and without any.</summary>
public sealed class AnnotatorTests
{
    private static PixelBuffer Plain(int width, int height)
    {
        var bytes = new byte[3 * width * height];
        Array.Fill(bytes, (byte)90);
        return new PixelBuffer(width, height, PixelFormat.Rgb8, bytes);
    }

    private static int Changed(PixelBuffer picture) => Changed(picture, 0, picture.Height);

    private static int Changed(PixelBuffer picture, int from, int to)
    {
        int changed = 0;
        for (int y = from; y < to; y++)
            for (int x = 0; x < picture.Width; x++)
                if (picture.Row(y)[4 * x] != 90 || picture.Row(y)[4 * x + 1] != 90 || picture.Row(y)[4 * x + 2] != 90)
                    changed++;
        return changed;
    }

    [Test]
    public void Draws_the_box_and_its_label([Values] bool builtInFont)
    {
        PixelBuffer source = Plain(320, 200);
        var options = new AnnotatorOptions { BuiltInFont = builtInFont };
        PixelBuffer bare = Annotator.Draw(source, [new Annotation(100, 80, 220, 160, "")], options);
        PixelBuffer named = Annotator.Draw(source, [new Annotation(100, 80, 220, 160, "red crate", 0.93)], options);
        Assert.That(Changed(bare), Is.GreaterThan(300));
        Assert.That(Changed(bare, 0, 70), Is.Zero);
        Assert.That(Changed(named, 50, 78), Is.GreaterThan(Changed(bare, 50, 78) + 400), "a plate above the box");
        Assert.That(source.Data.ToArray(), Is.All.EqualTo(90), "the source is left alone");
    }

    [Test]
    public void The_dot_font_writes_every_letter_and_differs_between_labels()
    {
        var options = new AnnotatorOptions { BuiltInFont = true };
        byte[] Bytes(string label) => Annotator.Draw(Plain(400, 100), [new Annotation(10, 50, 390, 90, label)], options).Data.ToArray();
        Assert.That(Bytes("red cube"), Is.Not.EqualTo(Bytes("red cone")));
        Assert.That(Bytes("\u4E2D"), Is.Not.EqualTo(Bytes(" ")));
    }

    [Test]
    public void Any_box_on_any_picture([Values("1x1", "1x200", "200x1", "12x9", "64x64", "640x48")] string size, [Values] bool builtInFont)
    {
        int[] n = [.. size.Split('x').Select(int.Parse)];
        Annotation[] boxes =
        [
            new(0, 0, n[0], n[1], "whole picture"), new(-1e9, -1e9, 1e9, 1e9, "far outside"), new(n[0], n[1], 0, 0, "reversed"),
            new(5, 5, 5, 5, "a point\nwith a line break"), new(0, 0, 1, 1, new string('w', 5000)), new(2, 2, 9, 9, "\uD83D\uDE00\uD83D\uDE00 emoji", 2.0),
        ];
        PixelBuffer drawn = Annotator.Draw(Plain(n[0], n[1]), boxes, new AnnotatorOptions { BuiltInFont = builtInFont });
        Assert.That((drawn.Width, drawn.Height, drawn.Format), Is.EqualTo((n[0], n[1], PixelFormat.Rgba8)));
        Assert.That(Changed(drawn), Is.GreaterThan(0));
    }

    [Test]
    public void A_label_at_the_top_edge_moves_inside()
    {
        PixelBuffer drawn = Annotator.Draw(Plain(300, 200), [new Annotation(40, 0, 200, 190, "tall thing")]);
        Assert.That(Changed(drawn, 4, 20), Is.GreaterThan(600));
    }

    [Test]
    public void Boxes_that_are_not_finite_are_refused() =>
        Assert.That(() => Annotator.Draw(Plain(9, 9), [new Annotation(0, double.NaN, 1, 1, "odd")]), Throws.TypeOf<ImageException>().With.Message.Contains("'odd'"));

    [Test]
    public void The_file_holds_the_drawn_picture()
    {
        string folder = Directory.CreateTempSubdirectory("annotator").FullName;
        try
        {
            string path = Path.Combine(folder, "deep", "out.png");
            PixelBuffer source = Plain(120, 90);
            Annotation[] boxes = [new(10, 30, 100, 80, "box")];
            Annotator.SavePng(path, source, boxes);
            Assert.That(ImageFile.Decode(path).Data.ToArray(), Is.EqualTo(Annotator.Draw(source, boxes).Data.ToArray()));
            Assert.That(Directory.GetFiles(Path.GetDirectoryName(path)!), Has.Length.EqualTo(1), "no temporary file is left");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
