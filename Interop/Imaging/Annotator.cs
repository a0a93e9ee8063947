using System.Globalization;
using SkiaSharp;
using VlmSdk.Vision;

namespace VlmSdk.Imaging;

/// <summary>A box with its label, in pixels of the picture it is drawn on.</summary>
/// <param name="Left">Left edge.</param>
/// <param name="Top">Top edge.</param>
/// <param name="Right">Right edge.</param>
/// <param name="Bottom">Bottom edge.</param>
/// <param name="Label">Text beside the box; may be empty.</param>
/// <param name="Confidence">0..1, written as a percentage after the label; left out when null.</param>
public sealed record Annotation(double Left, double Top, double Right, double Bottom, string Label, double? Confidence = null);

/// <summary>How <see cref="Annotator"/> draws.</summary>
public sealed record AnnotatorOptions
{
    /// <summary>Height of label text in pixels; null scales it with the picture.</summary>
    public float? TextSize { get; init; }

    /// <summary>Width of box lines in pixels; null scales it with the picture.</summary>
    public float? LineWidth { get; init; }

    /// <summary>Draws labels with the built-in dot font, as on a machine without fonts. Looks the same everywhere.</summary>
    public bool BuiltInFont { get; init; }
}

/// <summary>
/// Draws boxes and labels onto pictures. Labels stay inside the picture, keep off each other where there is room, and
/// are shortened when they are wider than the picture. Works without any font installed. Stateless and thread-safe.
/// </summary>
public static class Annotator
{
    // Bright, apart from each other also for colour-blind eyes; the dark line beneath makes them show on any ground.
    private static readonly SKColor[] Palette =
    [
        new(0xFF, 0xB0, 0x00), new(0x4F, 0xC3, 0xF7), new(0xFF, 0x5C, 0x8A), new(0x6B, 0xE5, 0x7A), new(0xC0, 0x9B, 0xFF),
        new(0xFF, 0x7A, 0x3D), new(0x2D, 0xE0, 0xC8), new(0xF4, 0xF1, 0x5A), new(0xE8, 0xE8, 0xE8), new(0x7D, 0x9B, 0xFF),
    ];

    private static readonly SKColor Ink = new(0x10, 0x12, 0x16), Under = new(0x10, 0x12, 0x16, 0xC0);

    /// <summary>Draws annotations onto a copy of a picture.</summary>
    /// <param name="picture">The picture; unchanged.</param>
    /// <param name="annotations">Boxes in its pixels; parts outside are cut off. Boxes with numbers that are not finite are refused.</param>
    /// <param name="options">Sizes and font.</param>
    /// <returns>A packed <see cref="PixelFormat.Rgba8"/> picture.</returns>
    /// <exception cref="ImageException">A box holds a number that is not finite.</exception>
    public static PixelBuffer Draw(PixelBuffer picture, IReadOnlyList<Annotation> annotations, AnnotatorOptions? options = null)
    {
        options ??= new AnnotatorOptions();
        foreach (Annotation a in annotations)
            if (!(double.IsFinite(a.Left) && double.IsFinite(a.Top) && double.IsFinite(a.Right) && double.IsFinite(a.Bottom)))
                throw new ImageException($"The box of '{a.Label}' ({a.Left}, {a.Top}, {a.Right}, {a.Bottom}) is not finite and cannot be drawn.");

        using SKBitmap bitmap = ImageFile.ToBitmap(picture);
        using (var canvas = new SKCanvas(bitmap))
        {
            int shorter = Math.Min(picture.Width, picture.Height);
            float line = options.LineWidth ?? Math.Max(1, MathF.Round(shorter / 220f));
            float text = options.TextSize ?? Math.Clamp(shorter / 26f, 12, 120);
            SKRect[] boxes = [.. annotations.Select(a => Box(a, picture, line))];
            for (int i = 0; i < boxes.Length; i++)
                DrawBox(canvas, boxes[i], Palette[i % Palette.Length], line);
            using Typesetter type = new(options.BuiltInFont, text);
            DrawLabels(canvas, type, annotations, boxes, new SKRect(0, 0, picture.Width, picture.Height), line);
        }
        return new PixelBuffer(picture.Width, picture.Height, PixelFormat.Rgba8, bitmap.GetPixelSpan().ToArray());
    }

    /// <summary>Draws annotations and writes the result as PNG, whole or not at all.</summary>
    /// <exception cref="ImageException">A box is not finite, or the file cannot be written.</exception>
    public static void SavePng(string path, PixelBuffer picture, IReadOnlyList<Annotation> annotations, AnnotatorOptions? options = null) =>
        ImageFile.SavePng(path, Draw(picture, annotations, options));

    // The line runs inside the picture also where the box touches or passes its edge.
    private static SKRect Box(Annotation a, PixelBuffer picture, float line)
    {
        float half = line / 2, maxX = Math.Max(half, picture.Width - half), maxY = Math.Max(half, picture.Height - half);
        float left = (float)Math.Clamp(Math.Min(a.Left, a.Right), half, maxX), right = (float)Math.Clamp(Math.Max(a.Left, a.Right), half, maxX);
        float top = (float)Math.Clamp(Math.Min(a.Top, a.Bottom), half, maxY), bottom = (float)Math.Clamp(Math.Max(a.Top, a.Bottom), half, maxY);
        // A point is drawn as a dot of the line's width.
        return new SKRect(left, top, Math.Max(right, left + 0.5f), Math.Max(bottom, top + 0.5f));
    }

    private static void DrawBox(SKCanvas canvas, SKRect box, SKColor colour, float line)
    {
        using var paint = new SKPaint { Style = SKPaintStyle.Stroke, IsAntialias = true, StrokeJoin = SKStrokeJoin.Miter };
        (paint.Color, paint.StrokeWidth) = (Under, line + Math.Max(2, line));
        canvas.DrawRect(box, paint);
        (paint.Color, paint.StrokeWidth) = (colour, line);
        canvas.DrawRect(box, paint);
    }

    private static void DrawLabels(
        SKCanvas canvas, Typesetter type, IReadOnlyList<Annotation> annotations, SKRect[] boxes, SKRect picture, float line)
    {
        float pad = MathF.Ceiling(type.Height * 0.28f), height = type.Height + 2 * pad;
        var placed = new List<SKRect>();
        using var paint = new SKPaint { IsAntialias = true };
        for (int i = 0; i < boxes.Length; i++)
        {
            string label = type.Fit(Words(annotations[i]), picture.Width - 2 * pad);
            // A picture too small for readable words keeps its boxes only.
            if (label.Length == 0 || height > picture.Height)
                continue;
            SKRect plate = Place(boxes[i], new SKSize(type.Width(label) + 2 * pad, height), placed, picture, line);
            placed.Add(plate);
            paint.Color = Palette[i % Palette.Length];
            canvas.DrawRect(plate, paint);
            paint.Color = Ink;
            type.Draw(canvas, label, plate.Left + pad, plate.Top + pad, paint);
        }
    }

    private static string Words(Annotation a)
    {
        string label = new([.. a.Label.Select(c => char.IsControl(c) ? ' ' : c)]);
        return a.Confidence is double p ? $"{label} {Math.Round(100 * Math.Clamp(p, 0, 1)).ToString(CultureInfo.InvariantCulture)}%".Trim() : label.Trim();
    }

    // Above the box, inside its top, below it, inside its bottom; each from the left edge, then from the right. The first
    // that covers no other label wins, else the first.
    private static SKRect Place(SKRect box, SKSize size, List<SKRect> placed, SKRect picture, float line)
    {
        float half = line / 2;
        SKRect? first = null;
        foreach (float top in (ReadOnlySpan<float>)[box.Top - half - size.Height, box.Top + half, box.Bottom + half, box.Bottom - half - size.Height])
            foreach (float left in (ReadOnlySpan<float>)[box.Left - half, box.Right + half - size.Width])
            {
                float x = Math.Clamp(left, 0, Math.Max(0, picture.Width - size.Width)), y = Math.Clamp(top, 0, Math.Max(0, picture.Height - size.Height));
                if (y != top)
                    continue;
                SKRect plate = SKRect.Create(x, y, size.Width, size.Height);
                first ??= plate;
                if (!placed.Any(p => p.IntersectsWith(plate)))
                    return plate;
            }
        return first ?? SKRect.Create(
            Math.Clamp(box.Left, 0, Math.Max(0, picture.Width - size.Width)), Math.Clamp(box.Top, 0, Math.Max(0, picture.Height - size.Height)), size.Width, size.Height);
    }
}
