using System.Globalization;
using System.Text;
using System.Text.Json;
using SkiaSharp;
using VlmSdk.Imaging;

namespace VlmSdk.Samples.TrainScout;

/// <summary>The curve of a run as loss.txt and loss.png, from the lines of progress.jsonl.</summary>
internal static class LossChart
{
    private const int Width = 960, Height = 540, Margin = 56;

    private readonly record struct Point(double Images, double Value);

    internal static void Draw(IEnumerable<string> lines, string folder)
    {
        var curves = new Dictionary<string, List<Point>>();
        foreach (string line in lines)
            Read(line, curves);
        File.WriteAllText(Path.Combine(folder, "loss.txt"), Text(curves));
        Picture(curves, Path.Combine(folder, "loss.png"));
    }

    private static void Read(string line, Dictionary<string, List<Point>> curves)
    {
        // A run that was cut off may have left half a line.
        if (!line.EndsWith('}'))
            return;
        using JsonDocument json = JsonDocument.Parse(line);
        JsonElement root = json.RootElement;
        double images = root.GetProperty("images").GetDouble();
        if (root.GetProperty("kind").GetString() == "train")
            Add("training loss", root.GetProperty("losses").GetProperty("total").GetDouble());
        else
        {
            Add("validation loss", root.GetProperty("loss").GetDouble());
            Add("words", root.GetProperty("words").GetDouble());
            Add("presence", root.GetProperty("presence").GetDouble());
            Add("box IoU", root.GetProperty("box_iou").GetDouble());
        }

        void Add(string name, double value)
        {
            if (!curves.TryGetValue(name, out List<Point>? points))
                curves.Add(name, points = []);
            // A resumed run goes over images again that the cut-off one had logged.
            points.RemoveAll(p => p.Images >= images);
            points.Add(new Point(images, value));
        }
    }

    private static string Text(Dictionary<string, List<Point>> curves)
    {
        const int columns = 72, rows = 14;
        var text = new StringBuilder();
        foreach ((string name, List<Point> points) in curves)
        {
            double low = points.Min(p => p.Value), high = points.Max(p => p.Value), last = points[^1].Images, first = points[0].Images;
            var field = new char[rows, columns];
            foreach (Point p in points)
            {
                int x = last > first ? (int)((p.Images - first) / (last - first) * (columns - 1)) : 0;
                int y = high > low ? (int)((high - p.Value) / (high - low) * (rows - 1)) : 0;
                field[y, x] = '*';
            }
            text.Append(CultureInfo.InvariantCulture, $"{name}: {points[0].Value:f4} at {first} images to {points[^1].Value:f4} at {last}\n");
            for (int y = 0; y < rows; y++)
            {
                text.Append(CultureInfo.InvariantCulture, $"{high - (high - low) * y / (rows - 1),9:f4} |");
                for (int x = 0; x < columns; x++)
                    text.Append(field[y, x] == '\0' ? ' ' : field[y, x]);
                text.Append('\n');
            }
            text.Append('\n');
        }
        return text.ToString();
    }

    private static void Picture(Dictionary<string, List<Point>> curves, string path)
    {
        using var surface = SKSurface.Create(new SKImageInfo(Width, Height));
        SKCanvas canvas = surface.Canvas;
        canvas.Clear(SKColors.White);
        double last = Math.Max(1, curves.Values.SelectMany(c => c).Select(p => p.Images).DefaultIfEmpty(1).Max());
        double top = curves.Where(c => c.Key.EndsWith("loss", StringComparison.Ordinal)).SelectMany(c => c.Value).Select(p => p.Value).DefaultIfEmpty(1).Max();
        using var grey = new SKPaint { Color = SKColors.LightGray, StrokeWidth = 1 };
        using var ink = new SKPaint { Color = SKColors.Black, IsAntialias = true };
        using var type = new Typesetter(builtIn: false, 13);
        for (int i = 0; i <= 5; i++)
        {
            float y = Height - Margin - i / 5f * (Height - 2 * Margin);
            canvas.DrawLine(Margin, y, Width - Margin, y, grey);
            type.Draw(canvas, (top * i / 5).ToString("f2", CultureInfo.InvariantCulture), 8, y - 8, ink);
            type.Draw(canvas, (i / 5f).ToString("f1", CultureInfo.InvariantCulture), Width - Margin + 8, y - 8, ink);
        }
        type.Draw(canvas, string.Create(CultureInfo.InvariantCulture, $"images, 0 to {last:f0}; losses left, shares right"), Margin, Height - 30, ink);

        SKColor[] colours = [SKColors.SteelBlue, SKColors.Navy, SKColors.SeaGreen, SKColors.DarkOrange, SKColors.Crimson];
        int index = 0;
        foreach ((string name, List<Point> points) in curves)
        {
            using var paint = new SKPaint { Color = colours[index % colours.Length], StrokeWidth = 2, IsStroke = true, IsAntialias = true };
            using var label = new SKPaint { Color = paint.Color, IsAntialias = true };
            double full = name.EndsWith("loss", StringComparison.Ordinal) ? top : 1;
            using var builder = new SKPathBuilder();
            for (int i = 0; i < points.Count; i++)
            {
                float x = Margin + (float)(points[i].Images / last * (Width - 2 * Margin)), y = Height - Margin - (float)(points[i].Value / full * (Height - 2 * Margin));
                if (i == 0)
                    builder.MoveTo(x, y);
                else
                    builder.LineTo(x, y);
            }
            using SKPath line = builder.Detach();
            canvas.DrawPath(line, paint);
            type.Draw(canvas, string.Create(CultureInfo.InvariantCulture, $"{name} {points[^1].Value:f3}"), Margin + index * 170, 14, label);
            index++;
        }
        using SKImage image = surface.Snapshot();
        using SKData png = image.Encode(SKEncodedImageFormat.Png, 100);
        AtomicFile.Write(path, png.SaveTo, durable: false);
    }
}
