using SkiaSharp;

namespace VlmSdk.Imaging;

/// <summary>Measures and draws one line of text with the system's default font, or with <see cref="PixelFont"/> where there is none.</summary>
internal sealed class Typesetter : IDisposable
{
    // File names without extension, best first.
    private static readonly string[] Preferred =
        ["DejaVuSans-Bold", "LiberationSans-Bold", "NotoSans-Bold", "Ubuntu-B", "FreeSansBold", "Roboto-Bold", "DejaVuSans", "NotoSans-Regular"];

    // Found once; typefaces are immutable and may be used by several threads.
    private static readonly Lazy<SKTypeface?> Face = new(FindFace);

    private readonly SKFont? _font;
    private readonly float _dot;
    private readonly float _ascent;

    internal Typesetter(bool builtIn, float size)
    {
        _dot = Math.Max(1, MathF.Round(size / (PixelFont.Rows + 2)));
        Height = PixelFont.Rows * _dot;
        if (builtIn || Face.Value is not SKTypeface face)
            return;
        var font = new SKFont(face, size) { Edging = SKFontEdging.Antialias, Subpixel = true };
        _font = font;
        SKFontMetrics metrics = font.Metrics;
        _ascent = MathF.Ceiling(metrics.CapHeight > 0 ? metrics.CapHeight : -metrics.Ascent * 0.8f);
        Height = _ascent + MathF.Ceiling(metrics.Descent * 0.5f);
    }

    /// <summary>Pixels from the top of a capital to a little below the base line.</summary>
    internal float Height { get; }

    /// <summary>Pixels a text takes.</summary>
    internal float Width(string text) => MathF.Ceiling(_font?.MeasureText(text) ?? PixelFont.Columns(text) * _dot);

    /// <summary>The text, shortened with dots until it is at most this wide; empty when nothing fits.</summary>
    internal string Fit(string text, float width)
    {
        // Longer texts cannot fit any accepted picture; cutting first keeps the search short.
        if (text.Length > 1000)
            text = text[..1000];
        if (Width(text) <= width)
            return text;
        int low = 0, high = text.Length;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (Width(Cut(text, middle)) <= width)
                low = middle;
            else
                high = middle - 1;
        }
        return low == 0 ? "" : Cut(text, low);
    }

    /// <summary>Draws with the top left corner of the line at (left, top).</summary>
    internal void Draw(SKCanvas canvas, string text, float left, float top, SKPaint paint)
    {
        if (_font is null)
            PixelFont.Draw(canvas, text, left, top, _dot, paint);
        else
            canvas.DrawText(text, left, top + _ascent, SKTextAlign.Left, _font, paint);
    }

    /// <inheritdoc/>
    public void Dispose() => _font?.Dispose();

    private static SKTypeface? FindFace()
    {
        SKTypeface? face = SKFontManager.Default.MatchFamily(null, SKFontStyle.Bold);
        return Writes(face) ? face : FromFolders();
    }

    // The library's build for bare Linux systems does not ask the system for fonts, so the usual folders are looked into.
    private static SKTypeface? FromFolders()
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string[] folders = ["/usr/share/fonts", "/usr/local/share/fonts", Path.Combine(home, ".local/share/fonts"), Path.Combine(home, ".fonts")];
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, MaxRecursionDepth = 4 };
        try
        {
            string[] files =
            [
                .. folders.Where(Directory.Exists).SelectMany(f => Directory.EnumerateFiles(f, "*.ttf", options))
                    .Where(f => Preferred.Contains(Path.GetFileNameWithoutExtension(f)))
                    .OrderBy(f => Array.IndexOf(Preferred, Path.GetFileNameWithoutExtension(f))),
            ];
            return files.Select(f => SKTypeface.FromFile(f)).FirstOrDefault(Writes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // An empty typeface measures nothing; then the dots are better than invisible words.
    private static bool Writes(SKTypeface? face)
    {
        if (face is null)
            return false;
        using var font = new SKFont(face, 20);
        return font.ContainsGlyphs("Ax0%") && font.MeasureText("x") > 0;
    }

    // Never between the halves of a surrogate pair.
    private static string Cut(string text, int length) =>
        text[..(length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)].TrimEnd() + "...";
}
