namespace VlmSdk.Decoding;

/// <summary>
/// Chooses the next token from logits. Allocates only when it first sees a larger vocabulary. The random sequence and
/// the exponential are its own, built from exactly rounded operations, so a seed means the same tokens on every
/// platform. Not thread-safe.
/// </summary>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private ulong[] _order = [];
    private double[] _weights = [];
    private ulong _state;

    /// <summary>Creates a sampler at the start of its random sequence.</summary>
    public Sampler(SamplingOptions? options = null)
    {
        _options = options ?? SamplingOptions.Greedy;
        _state = _options.Seed;
    }

    /// <summary>The settings.</summary>
    public SamplingOptions Options => _options;

    /// <summary>Goes back to the start of the random sequence.</summary>
    public void Reset() => _state = _options.Seed;

    /// <summary>
    /// Chooses a token from logits [V]; minus infinity is never chosen. Greedy takes the largest, the lowest id on ties.
    /// The logits are not changed.
    /// </summary>
    /// <exception cref="ModelOutputException">A logit is NaN or plus infinity, or all are minus infinity.</exception>
    public int Next(Span<float> logits)
    {
        int best = Logits.ArgMax(logits);
        if (_options.Temperature == 0 || _options.TopK == 1)
            return best;
        if (_order.Length < logits.Length)
            (_order, _weights) = (new ulong[logits.Length], new double[logits.Length]);
        int count = Candidates(logits);
        if (_options.TopK > 0 && _options.TopK < count)
            count = KeepLargest(_options.TopK, count);
        if (_options.TopP < 1)
            _order.AsSpan(0, count).Sort();
        double sum = Weigh(logits, count, logits[best]);
        if (_options.TopP < 1)
            count = Nucleus(count, ref sum);
        if (_options.MinP > 0)
            sum = DropUnlikely(count);
        return Draw(count, sum);
    }

    // A candidate is one number: the logit's bits turned so that larger logits come first, then the id. Ascending order
    // is then likeliest first, lowest id on ties, without a comparer.
    private int Candidates(ReadOnlySpan<float> logits)
    {
        int count = 0;
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] != float.NegativeInfinity)
            {
                // Adding zero makes minus zero plus zero, which must tie with it.
                uint bits = BitConverter.SingleToUInt32Bits(logits[id] + 0f);
                uint falling = (bits & 0x80000000) != 0 ? bits : ~bits & 0x7FFFFFFF;
                _order[count++] = (ulong)falling << 32 | (uint)id;
            }
        return count;
    }

    // A heap of the k best with the worst of them on top.
    private int KeepLargest(int k, int count)
    {
        Span<ulong> heap = _order.AsSpan(0, k);
        for (int i = k / 2 - 1; i >= 0; i--)
            SiftDown(heap, i);
        for (int i = k; i < count; i++)
            if (_order[i] < heap[0])
            {
                heap[0] = _order[i];
                SiftDown(heap, 0);
            }
        heap.Sort();
        return k;
    }

    private static void SiftDown(Span<ulong> heap, int i)
    {
        ulong moved = heap[i];
        for (int child; (child = 2 * i + 1) < heap.Length; i = child)
        {
            if (child + 1 < heap.Length && heap[child + 1] > heap[child])
                child++;
            if (heap[child] <= moved)
                break;
            heap[i] = heap[child];
        }
        heap[i] = moved;
    }

    private double Weigh(ReadOnlySpan<float> logits, int count, float largest)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            double distance = (double)logits[(int)(uint)_order[i]] - largest;
            sum += _weights[i] = Exp(distance / _options.Temperature);
        }
        return sum;
    }

    private int Nucleus(int count, ref double sum)
    {
        double target = _options.TopP * sum, reached = 0;
        int kept = 0;
        while (kept < count && reached < target)
            reached += _weights[kept++];
        sum = reached;
        return kept;
    }

    // The largest weight is exp(0) = 1.
    private double DropUnlikely(int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
            if (_weights[i] < _options.MinP)
                _weights[i] = 0;
            else
                sum += _weights[i];
        return sum;
    }

    private int Draw(int count, double sum)
    {
        double point = NextDouble() * sum;
        int last = 0;
        for (int i = 0; i < count; i++)
        {
            if (_weights[i] == 0)
                continue;
            last = i;
            if (point < _weights[i])
                break;
            point -= _weights[i];
        }
        return (int)(uint)_order[last];
    }

    // SplitMix64; the upper 53 bits as a fraction in [0, 1).
    private double NextDouble()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>
    /// exp(x) for x of at most 0 from additions, products and a power of two only: the C library's differs between
    /// platforms in the last bit.
    /// </summary>
    internal static double Exp(double x)
    {
        if (x < -700)
            return 0;
        double k = Math.Floor(x * 1.4426950408889634 + 0.5);
        // ln 2 in two parts, the first short enough that k times it is exact.
        double r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10;
        double term = 1, sum = 1;
        for (int n = 1; n <= 14; n++)
        {
            term *= r / n;
            sum += term;
        }
        return sum * BitConverter.Int64BitsToDouble((long)(k + 1023) << 52);
    }
}
