using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;

namespace VlmSdk.Decoding;

/// <summary>
/// Runs a Llama decoder: a prompt in chunks of few fixed lengths, so that graphs are built once and
/// replayed, then token by token through the one-token graph. Sequences are
/// caches, so several may take turns. Not thread-safe.
/// </summary>
internal sealed class LlamaRunner : IDisposable
{
    private static readonly int[] ChunkLengths = [128, 32, 8, 1];

    private readonly LlamaConfig _config;
    private readonly IExecutor _executor;
    private readonly WeightBinding _weights;
    private readonly Dictionary<int, IPlan> _plans = [];

    internal LlamaRunner(LlamaConfig config, IExecutor executor, WeightBinding weights)
    {
        _config = config;
        _executor = executor;
        _weights = weights;
    }

    /// <summary>An empty cache for a sequence of this many tokens; the caller's to dispose.</summary>
    internal KvCache CreateCache(int capacity) =>
        _executor.CreateCache(new KvCacheSpec(_config.Layers, _config.KeyValueHeads, _config.HeadWidth, capacity));

    /// <summary>
    /// Appends tokens (at least one) to a sequence and gives the logits [V] after the last, in a buffer that the next
    /// call overwrites. After an exception or cancellation the sequence holds the chunks that were complete.
    /// </summary>
    internal Span<float> Append(KvCache cache, scoped ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        IPlan? plan = null;
        while (!ids.IsEmpty)
        {
            int chunk = ChunkFor(ids.Length);
            plan = Plan(chunk);
            ids[..chunk].CopyTo(plan.Input("ids").Ints);
            Span<int> positions = plan.Input("positions").Ints;
            for (int i = 0; i < chunk; i++)
                positions[i] = cache.Length + i;
            plan.Run(cache, cancellationToken);
            ids = ids[chunk..];
        }
        return plan!.Output("logits").Floats;
    }

    /// <summary>Releases the plans.</summary>
    public void Dispose()
    {
        foreach (IPlan plan in _plans.Values)
            plan.Dispose();
        _plans.Clear();
    }

    private static int ChunkFor(int tokens) => ChunkLengths.First(size => size <= tokens);

    private IPlan Plan(int chunk)
    {
        if (!_plans.TryGetValue(chunk, out IPlan? plan))
            _plans.Add(chunk, plan = _executor.Prepare(ChunkGraph(chunk), _weights));
        return plan;
    }

    private Graph ChunkGraph(int length)
    {
        var g = new GraphBuilder();
        Value x = LlamaDecoder.Embed(g, _config, g.Input("ids", DType.I32, 1, length));
        x = LlamaDecoder.Layers(g, _config, x, g.Input("positions", DType.I32, 1, length), cached: true);
        Value last = g.Reshape(g.Slice(x, 1, length - 1, 1), 1, _config.Width);
        g.Output("logits", LlamaDecoder.Head(g, _config, last));                                   // [1, V]
        return g.Build();
    }
}
