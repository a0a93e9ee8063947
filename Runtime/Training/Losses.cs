using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Training;

/// <summary>Training losses as graph functions. Each records a scalar.</summary>
public static class Losses
{
    /// <summary>
    /// SigLIP's sigmoid loss of logits [n, n] whose diagonal holds the pairs that belong together: minus the logarithm of
    /// the sigmoid, summed over each row and averaged over rows (not over n^2).
    /// </summary>
    /// <exception cref="ShapeMismatchException">The logits are not square.</exception>
    public static Value SigmoidContrastive(GraphBuilder g, Value logits)
    {
        int n = Square(logits, "sigmoid");
        // -log sigmoid(z) = softplus(-z), with z the logit on the diagonal and its negative elsewhere.
        return g.Sum(g.Unary(UnaryKind.Softplus, logits * Signs(g, n, onDiagonal: -1, elsewhere: 1))) / n;
    }

    /// <summary>CLIP's loss of logits [n, n]: cross entropy of the diagonal along rows and along columns, averaged.</summary>
    /// <exception cref="ShapeMismatchException">The logits are not square.</exception>
    public static Value SoftmaxContrastive(GraphBuilder g, Value logits)
    {
        int n = Square(logits, "softmax");
        Value both = g.LogSoftmax(logits) + g.Permute(g.LogSoftmax(g.Permute(logits, 1, 0)), 1, 0);
        return g.Sum(both * Signs(g, n, onDiagonal: 1, elsewhere: 0)) / (-2f * n);
    }

    /// <summary>
    /// Mean cross entropy of logits [R, V] at the rows that are supervised: <paramref name="rows"/> I32 [M] picks them,
    /// <paramref name="labels"/> I32 [M] are the tokens that should come there. Ignored labels are simply not listed; the
    /// shift by one is the caller's, see <see cref="NextTokenTargets"/>. With <paramref name="weights"/> F32 [M] the rows
    /// are summed with these weights instead. <paramref name="smoothing"/>, 0 to below 1, is spread evenly over the other tokens.
    /// </summary>
    public static Value NextToken(GraphBuilder g, Value logits, Value rows, Value labels, Value? weights = null, float smoothing = 0)
    {
        int vocabulary = logits.Shape[^1], count = rows.Shape[0];
        Value log = g.LogSoftmax(g.Gather(logits, rows));                                          // [M, V]
        int[] words = Enumerable.Range(0, vocabulary).ToArray();
        Value chosen = g.Compare(CompareKind.Equal, g.Reshape(labels, count, 1), g.Constant(HostTensor.From(new Shape(1, vocabulary), words)));
        if (smoothing > 0)
            chosen = chosen * (1 - smoothing - smoothing / (vocabulary - 1)) + smoothing / (vocabulary - 1);
        return weights is null
            ? g.Sum(log * chosen) / -count
            : -g.Sum(log * chosen * g.Reshape(weights, count, 1));
    }

    /// <summary>
    /// The weights of <see cref="NextToken"/> with which every sequence counts alike: the mean over its supervised rows, then
    /// over the sequences that have any.
    /// </summary>
    public static float[] PerExampleWeights(ReadOnlySpan<int> rows, int length)
    {
        int[] examples = [.. rows.ToArray().Select(r => r / length)];
        Dictionary<int, int> counts = examples.CountBy(e => e).ToDictionary();
        return [.. examples.Select(e => 1f / counts[e] / counts.Count)];
    }

    /// <summary>
    /// The rows and labels of <see cref="NextToken"/> from labels [B, T] in row order, where <paramref name="ignore"/> marks
    /// what is not supervised: row t of a sequence is asked for label t + 1.
    /// </summary>
    /// <exception cref="ArgumentException">The labels are not whole sequences, or none is supervised.</exception>
    public static (int[] Rows, int[] Labels) NextTokenTargets(ReadOnlySpan<int> labels, int length, int ignore = -100)
    {
        if (length < 1 || labels.Length % length != 0)
            throw new ArgumentException($"{labels.Length} labels are not whole sequences of {length}.", nameof(labels));
        var rows = new List<int>();
        var targets = new List<int>();
        for (int i = 1; i < labels.Length; i++)
            if (i % length != 0 && labels[i] != ignore)
            {
                rows.Add(i - 1);
                targets.Add(labels[i]);
            }
        return rows.Count > 0 ? ([.. rows], [.. targets]) : throw new ArgumentException("No label is supervised; the loss would have no meaning.", nameof(labels));
    }

    private static int Square(Value logits, string loss) => logits.Shape.Rank == 2 && logits.Shape[0] == logits.Shape[1]
        ? logits.Shape[0]
        : throw new ShapeMismatchException($"The {loss} loss needs square logits, one row and column per pair, not {logits.Shape}.");

    private static Value Signs(GraphBuilder g, int n, float onDiagonal, float elsewhere)
    {
        var signs = new float[n * n];
        for (int i = 0; i < signs.Length; i++)
            signs[i] = i / n == i % n ? onDiagonal : elsewhere;
        return g.Constant(HostTensor.From(new Shape(n, n), signs));
    }
}
