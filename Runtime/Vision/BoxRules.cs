namespace VlmSdk.Vision;

/// <summary>
/// How one system's box numbers become source pixels. Each number is taken alone, with the length of its own axis.
/// </summary>
/// <param name="Name">The name used in messages and tests.</param>
/// <param name="ToPixels">Value in model units, length of the value's axis, length of the other axis; gives source pixels.</param>
/// <param name="RowsFirst">True when the model writes y0, x0, y1, x1.</param>
public sealed record BoxRule(string Name, Func<double, int, int, double> ToPixels, bool RowsFirst = false)
{
    /// <summary>Takes four model numbers to left, top, right, bottom in pixels of the upright source picture.</summary>
    /// <param name="model">Four numbers in the model's order.</param>
    /// <param name="width">Columns of the source picture.</param>
    /// <param name="height">Rows of the source picture.</param>
    /// <exception cref="ImageException">There are not four numbers, or a side is not positive.</exception>
    public (double Left, double Top, double Right, double Bottom) Apply(ReadOnlySpan<double> model, int width, int height)
    {
        if (model.Length != 4 || width < 1 || height < 1)
            throw new ImageException($"Box rule {Name}: four numbers and a picture are needed, not {model.Length} numbers and {width} x {height} pixels.");
        (int x, int y) = RowsFirst ? (1, 0) : (0, 1);
        return (ToPixels(model[x], width, height), ToPixels(model[y], height, width),
            ToPixels(model[x + 2], width, height), ToPixels(model[y + 2], height, width));
    }
}

/// <summary>
/// The text and token forms of boxes. Rules that depend on where the picture lies in the network picture (letterbox,
/// crop, stretch) are <see cref="CoordinateMap"/>'s.
/// </summary>
public static class BoxRules
{
    /// <summary>Qwen-VL's own drawing code: thousandths, rounded down to whole pixels.</summary>
    public static BoxRule QwenVl { get; } = new("qwen-vl", (v, side, _) => Math.Floor(v * side / 1000));

    /// <summary>Qwen-VL's evaluation: 999 is the far edge.</summary>
    public static BoxRule QwenVl999 { get; } = new("qwen-vl-999", (v, side, _) => v * side / 999);

    /// <summary>CogVLM: thousandths.</summary>
    public static BoxRule CogVlm { get; } = new("cogvlm", (v, side, _) => v * side / 1000);

    /// <summary>PaliGemma: 1024ths, y first, rounded to whole pixels, halves to even.</summary>
    public static BoxRule PaliGemma1024 { get; } = new("paligemma-1024", (v, side, _) => Math.Round(v / 1024 * side), RowsFirst: true);

    /// <summary>PaliGemma's evaluation: 1023 is the far edge, y first.</summary>
    public static BoxRule PaliGemma1023 { get; } = new("paligemma-1023", (v, side, _) => v / 1023 * side, RowsFirst: true);

    /// <summary>LLaVA: fractions of the padded square, brought back into the picture and clamped to it.</summary>
    public static BoxRule LlavaPaddedSquare { get; } = new("llava-padded-square", (v, side, other) =>
    {
        int square = Math.Max(side, other);
        return Math.Clamp(v * square - (square - side) / 2, 0, side);
    });

    /// <summary>Fractions of the picture.</summary>
    public static BoxRule Fractions { get; } = new("fractions", (v, side, _) => v * side);

    /// <summary>All rules.</summary>
    public static IReadOnlyList<BoxRule> All { get; } = [QwenVl, QwenVl999, CogVlm, PaliGemma1024, PaliGemma1023, LlavaPaddedSquare, Fractions];
}
