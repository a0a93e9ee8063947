using VlmSdk.Vision;

namespace VlmSdk.Tests.Runtime.Vision;

/// <summary>The streaming, vectorised resizer against its plain form, over formats, strides, windows and odd sizes.</summary>
public sealed class ResizeTests
{
    [Test]
    public void The_fast_form_equals_the_plain_form(
        [Values] ResizeFilter filter, [Values] PixelFormat format, [Values] PassOrder order,
        [Values("31x17>7x5", "7x5>31x17", "40x90>40x11", "64x48>13x48", "1x9>4x3", "9x1>3x4", "1x1>5x5", "33x200>20x3", "20x20>20x20", "5x300>6x1")] string sizes)
    {
        int[] n = [.. sizes.Split('x', '>').Select(int.Parse)];
        PixelBuffer source = Pictures.Noise(n[0], n[1], format, padding: 5);
        PixelBuffer expected = ImageResizeReference.Resize(source, n[2], n[3], filter, order);
        PixelBuffer actual = ImageResize.Resize(source, n[2], n[3], filter, order);
        Assert.That(actual.Data.ToArray(), Is.EqualTo(expected.Data.ToArray()));
    }

    [Test]
    public void A_window_is_cut_from_the_whole([Values] PassOrder order)
    {
        PixelBuffer source = Pictures.Noise(57, 80, PixelFormat.Rgba8);
        PixelBuffer whole = ImageResize.Resize(source, 40, 23, ResizeFilter.Lanczos, order);
        PixelBuffer window = ImageResize.Resize(source, 40, 23, ResizeFilter.Lanczos, 9, 4, 21, 12, order);
        for (int y = 0; y < 12; y++)
            Assert.That(window.Row(y).ToArray(), Is.EqualTo(whole.Row(y + 4).Slice(27, 63).ToArray()), $"row {y}");
    }

    [Test]
    public void Impossible_sizes_are_refused()
    {
        PixelBuffer source = Pictures.Noise(4, 4, PixelFormat.Rgb8);
        Assert.That(() => ImageResize.Resize(source, 0, 4, ResizeFilter.Box), Throws.TypeOf<ImageException>().With.Message.Contains("at least 1"));
        Assert.That(() => ImageResize.Resize(source, 4, 4, ResizeFilter.Box, 2, 0, 3, 4), Throws.TypeOf<ImageException>().With.Message.Contains("2..5"));
    }

    [Test]
    public void Every_sample_lies_inside_and_its_weights_sum_to_one([Values] ResizeFilter filter, [Values(1, 2, 7, 100, 1001)] int input, [Values(1, 3, 64, 1000)] int output)
    {
        ResizeTable table = ResizeTable.Create(input, output, filter);
        for (int i = 0; i < output; i++)
        {
            (int start, int count) = (table.Starts[i], table.Counts[i]);
            long sum = 0;
            foreach (int weight in table.WeightsOf(i))
                sum += weight;
            bool sound = count >= 1 && count <= table.Taps && start >= 0 && start + count <= input;
            if (!sound || Math.Abs(sum - (1 << ResizeTable.FractionBits)) > table.Taps)
                Assert.Fail($"sample {i}: start {start}, count {count} of {table.Taps}, sum {sum}");
        }
    }
}
