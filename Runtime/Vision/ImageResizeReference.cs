namespace VlmSdk.Vision;

/// <summary>The plain form of <see cref="ImageResize"/>: two whole passes, one sample at a time. Kept as the oracle of the fast form.</summary>
internal static class ImageResizeReference
{
    internal static PixelBuffer Resize(PixelBuffer source, int width, int height, ResizeFilter filter, PassOrder order = PassOrder.HorizontalFirst)
    {
        ResizeTable x = ResizeTable.Create(source.Width, width, filter), y = ResizeTable.Create(source.Height, height, filter);
        PixelBuffer rgb = ColourRules.Apply(source, AlphaRule.Drop);
        return ImageResize.VerticalFirst(source, width, height, order) ? Across(Down(rgb, y), x) : Down(Across(rgb, x), y);
    }

    private static PixelBuffer Across(PixelBuffer source, ResizeTable table)
    {
        var bytes = new byte[3 * table.Length * source.Height];
        for (int y = 0; y < source.Height; y++)
            for (int x = 0; x < table.Length; x++)
                for (int c = 0; c < 3; c++)
                {
                    int sum = 1 << 21;
                    for (int k = 0; k < table.Counts[x]; k++)
                        sum += table.Weights[x * table.Taps + k] * source.Row(y)[3 * (table.Starts[x] + k) + c];
                    bytes[3 * (y * table.Length + x) + c] = (byte)Math.Clamp(sum >> 22, 0, 255);
                }
        return new PixelBuffer(table.Length, source.Height, PixelFormat.Rgb8, bytes);
    }

    private static PixelBuffer Down(PixelBuffer source, ResizeTable table)
    {
        int row = 3 * source.Width;
        var bytes = new byte[row * table.Length];
        for (int y = 0; y < table.Length; y++)
            for (int i = 0; i < row; i++)
            {
                int sum = 1 << 21;
                for (int k = 0; k < table.Counts[y]; k++)
                    sum += table.Weights[y * table.Taps + k] * source.Row(table.Starts[y] + k)[i];
                bytes[y * row + i] = (byte)Math.Clamp(sum >> 22, 0, 255);
            }
        return new PixelBuffer(source.Width, table.Length, PixelFormat.Rgb8, bytes);
    }
}
