using VlmSdk.Execution;
using VlmSdk.Graphs;

namespace VlmSdk.Decoding;

/// <summary>
/// Appends tokens to a sequence in chunks of few fixed lengths, so that graphs are built once and replayed. Sequences are
/// caches, so several may take turns. Not thread-safe.
/// </summary>
/// <param name="executor">Runs the graphs; stays the caller's.</param>
/// <param name="weights">The weights.</param>
/// <param name="graph">
/// The graph of a chunk of one length: "ids" and "positions" I32 [1, length] through the cache, to "logits" [1, V] of the last token.
/// </param>
internal sealed class ChunkRunner(IExecutor executor, WeightBinding weights, Func<int, Graph> graph) : IDisposable
{
    private static readonly int[] Lengths = [128, 32, 8, 1];

    private readonly Dictionary<int, IPlan> _plans = [];

    /// <summary>
    /// Appends tokens (at least one) to a sequence and gives the logits [V] after the last, in a buffer that the next
    /// call overwrites. After an exception or cancellation the sequence holds the chunks that were complete.
    /// </summary>
    internal Span<float> Append(KvCache cache, scoped ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        IPlan? plan = null;
        while (!ids.IsEmpty)
        {
            int left = ids.Length, chunk = Lengths.First(length => length <= left);
            if (!_plans.TryGetValue(chunk, out plan))
                _plans.Add(chunk, plan = executor.Prepare(graph(chunk), weights));
            ids[..chunk].CopyTo(plan.Input("ids").Ints);
            Positions(plan, cache.Length);
            plan.Run(cache, cancellationToken);
            ids = ids[chunk..];
        }
        return plan!.Output("logits").Floats;
    }

    /// <summary>Fills a plan's "positions" with those that follow <paramref name="past"/> tokens.</summary>
    internal static void Positions(IPlan plan, int past)
    {
        Span<int> positions = plan.Input("positions").Ints;
        for (int i = 0; i < positions.Length; i++)
            positions[i] = past + i;
    }

    /// <summary>Releases the plans.</summary>
    public void Dispose()
    {
        foreach (IPlan plan in _plans.Values)
            plan.Dispose();
        _plans.Clear();
    }
}
