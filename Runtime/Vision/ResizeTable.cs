namespace VlmSdk.Vision;

/// <summary>
/// The integer weights that resize one axis of an 8-bit picture as Pillow does. Output sample i is
/// clamp((sum over k below Counts[i] of Weights[i * Taps + k] * input[Starts[i] + k] + 2^21) >> 22, 0, 255).
/// The CPU resizer and the capture shaders read the same table. Immutable; safe to share between threads.
/// </summary>
public sealed class ResizeTable
{
    /// <summary>Fraction bits of a weight: 1.0 is 1 &lt;&lt; 22.</summary>
    public const int FractionBits = 22;

    private readonly int[] _starts, _counts, _weights;

    private ResizeTable(int input, int output, int first, int taps, int[] starts, int[] counts, int[] weights) =>
        (Input, Output, First, Taps, _starts, _counts, _weights) = (input, output, first, taps, starts, counts, weights);

    /// <summary>Samples of the source axis.</summary>
    public int Input { get; }

    /// <summary>Samples of the whole resized axis.</summary>
    public int Output { get; }

    /// <summary>Index, in the resized axis, of the first sample the table describes.</summary>
    public int First { get; }

    /// <summary>Samples the table describes: <see cref="Output"/> unless a window was asked for.</summary>
    public int Length => _starts.Length;

    /// <summary>Weights stored for each output sample, the largest count; unused ones are 0.</summary>
    public int Taps { get; }

    /// <summary>True when every output sample is its input sample.</summary>
    public bool IsIdentity => Input == Output;

    /// <summary>First input sample of each output sample; Starts + Counts never exceeds <see cref="Input"/>.</summary>
    public ReadOnlySpan<int> Starts => _starts;

    /// <summary>Input samples of each output sample, at least 1.</summary>
    public ReadOnlySpan<int> Counts => _counts;

    /// <summary>[Length, Taps] fixed-point weights, row by row, 0 beyond each count.</summary>
    public ReadOnlySpan<int> Weights => _weights;

    /// <summary>The weights of one output sample.</summary>
    public ReadOnlySpan<int> WeightsOf(int sample) => _weights.AsSpan(sample * Taps, _counts[sample]);

    /// <summary>The table of a whole axis.</summary>
    /// <param name="input">Samples of the source axis, at least 1.</param>
    /// <param name="output">Samples of the resized axis, at least 1.</param>
    /// <param name="filter">Resampling kernel; widened when the axis shrinks.</param>
    /// <exception cref="ImageException">A side is not positive.</exception>
    public static ResizeTable Create(int input, int output, ResizeFilter filter) => Create(input, output, filter, 0, output);

    /// <summary>The table of a window of the resized axis, for pictures that are cropped after resizing.</summary>
    /// <param name="input">Samples of the source axis, at least 1.</param>
    /// <param name="output">Samples of the whole resized axis, at least 1.</param>
    /// <param name="filter">Resampling kernel; widened when the axis shrinks.</param>
    /// <param name="first">First resized sample wanted.</param>
    /// <param name="length">Number of resized samples wanted, at least 1; first + length is at most output.</param>
    /// <exception cref="ImageException">A side is not positive, or the window leaves the axis.</exception>
    public static ResizeTable Create(int input, int output, ResizeFilter filter, int first, int length)
    {
        if (input < 1 || output < 1)
            throw new ImageException($"An axis of {input} samples cannot be resized to {output}; both must be at least 1.");
        if (first < 0 || length < 1 || first > output - length)
            throw new ImageException($"The window {first}..{(long)first + length} does not lie in an axis of {output} samples.");

        var starts = new int[length];
        var counts = new int[length];
        if (input == output)
        {
            // Pillow leaves an axis alone when its size does not change; one full weight does the same.
            var ones = new int[length];
            for (int i = 0; i < length; i++)
                (starts[i], counts[i], ones[i]) = (first + i, 1, 1 << FractionBits);
            return new ResizeTable(input, output, first, 1, starts, counts, ones);
        }

        double scale = (double)input / output, stretch = Math.Max(scale, 1), support = Support(filter) * stretch;
        int taps = 1;
        for (int i = 0; i < length; i++)
        {
            double center = (first + i + 0.5) * scale;
            int low = Math.Max((int)(center - support + 0.5), 0), high = Math.Min((int)(center + support + 0.5), input);
            (starts[i], counts[i]) = (low, high - low);
            taps = Math.Max(taps, high - low);
        }

        var weights = new int[checked(length * taps)];
        var exact = new double[taps];
        for (int i = 0; i < length; i++)
        {
            double center = (first + i + 0.5) * scale, sum = 0, inverse = 1 / stretch;
            for (int k = 0; k < counts[i]; k++)
                sum += exact[k] = Kernel(filter, (k + starts[i] - center + 0.5) * inverse);
            for (int k = 0; k < counts[i]; k++)
            {
                double weight = sum == 0 ? exact[k] : exact[k] / sum;
                weights[i * taps + k] = (int)(weight * (1 << FractionBits) + (weight < 0 ? -0.5 : 0.5));
            }
        }
        return new ResizeTable(input, output, first, taps, starts, counts, weights);
    }

    /// <summary>Half width of a kernel in source samples at scale 1.</summary>
    public static double Support(ResizeFilter filter) => filter switch
    {
        ResizeFilter.Box => 0.5,
        ResizeFilter.Bilinear => 1,
        ResizeFilter.Bicubic => 2,
        ResizeFilter.Lanczos => 3,
        _ => throw new ArgumentOutOfRangeException(nameof(filter), filter, "Not a resampling kernel."),
    };

    internal static double Kernel(ResizeFilter filter, double x)
    {
        switch (filter)
        {
            case ResizeFilter.Box:
                return x is > -0.5 and <= 0.5 ? 1 : 0;
            case ResizeFilter.Bilinear:
                x = Math.Abs(x);
                return x < 1 ? 1 - x : 0;
            case ResizeFilter.Bicubic:
                const double A = -0.5;
                x = Math.Abs(x);
                return x < 1 ? ((A + 2) * x - (A + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
            default:
                return x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0;
        }
    }

    private static double Sinc(double x)
    {
        if (x == 0)
            return 1;
        x *= Math.PI;
        return Math.Sin(x) / x;
    }
}
