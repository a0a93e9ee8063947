namespace VlmSdk.Decoding;

/// <summary>A token and its logit.</summary>
/// <param name="Id">The token.</param>
/// <param name="Logit">Its unnormalised score.</param>
public readonly record struct ScoredToken(int Id, float Logit);

/// <summary>Readings of a row of logits.</summary>
public static class Logits
{
    /// <summary>The largest logit's token, the lowest id on ties.</summary>
    /// <exception cref="ModelOutputException">A logit is NaN or plus infinity, or all are minus infinity.</exception>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = -1;
        float largest = float.NegativeInfinity;
        for (int id = 0; id < logits.Length; id++)
        {
            float logit = logits[id];
            if (float.IsNaN(logit) || logit == float.PositiveInfinity)
                throw Unreadable(logits, id);
            if (logit > largest)
                (best, largest) = (id, logit);
        }
        return best >= 0
            ? best
            : throw new ModelOutputException(
                $"All {logits.Length} logits are minus infinity: no token is left to choose. A grammar must leave at least one allowed.");
    }

    /// <summary>The most likely tokens, best first, lowest ids on ties.</summary>
    /// <param name="logits">Logits [V].</param>
    /// <param name="count">How many; fewer come back when the vocabulary is smaller.</param>
    /// <exception cref="ModelOutputException">A logit is NaN or plus infinity, or all are minus infinity.</exception>
    public static ScoredToken[] Top(ReadOnlySpan<float> logits, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        _ = ArgMax(logits);
        var best = new List<ScoredToken>(count + 1);
        for (int id = 0; id < logits.Length && count > 0; id++)
        {
            if (best.Count == count && logits[id] <= best[^1].Logit)
                continue;
            int at = best.Count;
            while (at > 0 && best[at - 1].Logit < logits[id])
                at--;
            best.Insert(at, new ScoredToken(id, logits[id]));
            if (best.Count > count)
                best.RemoveAt(count);
        }
        return [.. best];
    }

    /// <summary>Probability of one token: its share of the softmax over all logits, in [0, 1].</summary>
    /// <exception cref="ModelOutputException">A logit is NaN or plus infinity, or all are minus infinity.</exception>
    public static double Probability(ReadOnlySpan<float> logits, int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, logits.Length);
        double largest = logits[ArgMax(logits)], sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - largest);
        return Math.Exp(logits[id] - largest) / sum;
    }

    /// <summary>The softmax of logits [V] into <paramref name="probabilities"/> [V]; minus infinity gives 0.</summary>
    /// <exception cref="ModelOutputException">A logit is NaN or plus infinity, or all are minus infinity.</exception>
    public static void Softmax(ReadOnlySpan<float> logits, Span<float> probabilities)
    {
        float largest = logits[ArgMax(logits)];
        double sum = 0;
        for (int id = 0; id < logits.Length; id++)
            sum += probabilities[id] = MathF.Exp(logits[id] - largest);
        for (int id = 0; id < logits.Length; id++)
            probabilities[id] = (float)(probabilities[id] / sum);
    }

    private static ModelOutputException Unreadable(ReadOnlySpan<float> logits, int first)
    {
        int count = 0;
        foreach (float logit in logits)
            if (float.IsNaN(logit) || logit == float.PositiveInfinity)
                count++;
        return new ModelOutputException(
            $"Logit {first} is {(float.IsNaN(logits[first]) ? "not a number" : "plus infinity")} " +
            $"({count} of {logits.Length} are unreadable). The weights are damaged or overflow; load the model again or from another file.");
    }
}
