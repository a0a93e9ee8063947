using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>The kernels that some published systems use instead of Pillow's, in float and without rounding between passes.</summary>
internal static class FloatResize
{
    /// <summary>
    /// OpenCV's cubic: a = -0.75, four taps, clamped at the border, no antialias, nothing clamped or rounded after.
    /// Gives [height, width, 3] in 0..255 and a little beyond.
    /// </summary>
    internal static float[] OpenCvCubic(PixelBuffer rgb, int width, int height)
    {
        (int[] columns, float[] across) = CubicTaps(rgb.Width, width);
        (int[] rows, float[] down) = CubicTaps(rgb.Height, height);
        var result = new float[checked(3 * width * height)];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                Span<float> pixel = result.AsSpan(3 * (y * width + x), 3);
                for (int j = 0; j < 4; j++)
                {
                    ReadOnlySpan<byte> row = rgb.Row(rows[4 * y + j]);
                    for (int c = 0; c < 3; c++)
                    {
                        float sum = 0;
                        for (int i = 0; i < 4; i++)
                            sum += row[3 * columns[4 * x + i] + c] * across[4 * x + i];
                        pixel[c] += sum * down[4 * y + j];
                    }
                }
            }
        return result;
    }

    /// <summary>big_vision's bilinear: two taps, no antialias, truncated to bytes.</summary>
    internal static PixelBuffer TruncatedBilinear(PixelBuffer rgb, int width, int height)
    {
        var bytes = new byte[checked(3 * width * height)];
        for (int y = 0; y < height; y++)
        {
            (int top, int bottom, float v) = LinearTaps(y, rgb.Height, height);
            ReadOnlySpan<byte> above = rgb.Row(top), below = rgb.Row(bottom);
            for (int x = 0; x < width; x++)
            {
                (int left, int right, float u) = LinearTaps(x, rgb.Width, width);
                for (int c = 0; c < 3; c++)
                {
                    float first = above[3 * left + c] * (1 - u) + above[3 * right + c] * u;
                    float second = below[3 * left + c] * (1 - u) + below[3 * right + c] * u;
                    bytes[3 * (y * width + x) + c] = (byte)(first * (1 - v) + second * v);
                }
            }
        }
        return new PixelBuffer(width, height, PixelFormat.Rgb8, bytes);
    }

    /// <summary>Antialiased bilinear of planes [C, height, width] with float weights.</summary>
    internal static HostTensor AntialiasBilinear(HostTensor planes, int width, int height)
    {
        int count = planes.Shape[0], oldHeight = planes.Shape[1], oldWidth = planes.Shape[2];
        ReadOnlySpan<float> source = planes.Floats;
        var narrow = new float[checked(count * oldHeight * width)];
        for (int x = 0; x < width; x++)
        {
            (int start, double[] weights) = TriangleTaps(x, oldWidth, width);
            for (int row = 0; row < count * oldHeight; row++)
            {
                double sum = 0;
                for (int k = 0; k < weights.Length; k++)
                    sum += weights[k] * source[row * oldWidth + start + k];
                narrow[row * width + x] = (float)sum;
            }
        }
        var result = new HostTensor(DType.F32, new Shape(count, height, width));
        Span<float> target = result.Floats;
        for (int y = 0; y < height; y++)
        {
            (int start, double[] weights) = TriangleTaps(y, oldHeight, height);
            for (int c = 0; c < count; c++)
                for (int x = 0; x < width; x++)
                {
                    double sum = 0;
                    for (int k = 0; k < weights.Length; k++)
                        sum += weights[k] * narrow[(c * oldHeight + start + k) * width + x];
                    target[(c * height + y) * width + x] = (float)sum;
                }
        }
        return result;
    }

    private static (int[] Index, float[] Weight) CubicTaps(int input, int output)
    {
        const float A = -0.75f;
        var index = new int[4 * output];
        var weight = new float[4 * output];
        double scale = (double)input / output;
        for (int o = 0; o < output; o++)
        {
            float position = (float)((o + 0.5) * scale - 0.5);
            int floor = (int)MathF.Floor(position);
            float t = position - floor, u = 1 - t;
            Span<float> w = weight.AsSpan(4 * o, 4);
            w[0] = ((A * (t + 1) - 5 * A) * (t + 1) + 8 * A) * (t + 1) - 4 * A;
            w[1] = ((A + 2) * t - (A + 3)) * t * t + 1;
            w[2] = ((A + 2) * u - (A + 3)) * u * u + 1;
            w[3] = 1 - w[0] - w[1] - w[2];
            for (int k = 0; k < 4; k++)
                index[4 * o + k] = Math.Clamp(floor - 1 + k, 0, input - 1);
        }
        return (index, weight);
    }

    private static (int Low, int High, float Share) LinearTaps(int o, int input, int output)
    {
        float position = (float)((o + 0.5) * ((double)input / output) - 0.5);
        float floor = MathF.Floor(position);
        return (Math.Clamp((int)floor, 0, input - 1), Math.Clamp((int)floor + 1, 0, input - 1), position - floor);
    }

    private static (int Start, double[] Weights) TriangleTaps(int o, int input, int output)
    {
        double scale = (double)input / output, stretch = Math.Max(scale, 1), center = (o + 0.5) * scale;
        int low = Math.Max((int)(center - stretch + 0.5), 0), high = Math.Min((int)(center + stretch + 0.5), input);
        var weights = new double[high - low];
        double sum = 0;
        for (int k = 0; k < weights.Length; k++)
            sum += weights[k] = ResizeTable.Kernel(ResizeFilter.Bilinear, (k + low - center + 0.5) / stretch);
        for (int k = 0; k < weights.Length; k++)
            weights[k] /= sum;
        return (low, weights);
    }
}
