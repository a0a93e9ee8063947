using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Tensors;

namespace VlmSdk.Decoding;

/// <summary>Runs a Llama decoder over sequences, each in a cache of its own. Not thread-safe.</summary>
internal sealed class LlamaRunner : IDisposable
{
    private readonly LlamaConfig _config;
    private readonly IExecutor _executor;
    private readonly ChunkRunner _chunks;

    internal LlamaRunner(LlamaConfig config, IExecutor executor, WeightBinding weights)
    {
        (_config, _executor) = (config, executor);
        _chunks = new ChunkRunner(executor, weights, ChunkGraph);
    }

    /// <summary>An empty cache for a sequence of this many tokens; the caller's to dispose.</summary>
    internal KvCache CreateCache(int capacity) =>
        _executor.CreateCache(new KvCacheSpec(_config.Layers, _config.KeyValueHeads, _config.HeadWidth, capacity));

    /// <inheritdoc cref="ChunkRunner.Append"/>
    internal Span<float> Append(KvCache cache, scoped ReadOnlySpan<int> ids, CancellationToken cancellationToken) =>
        _chunks.Append(cache, ids, cancellationToken);

    /// <summary>Releases the plans.</summary>
    public void Dispose() => _chunks.Dispose();

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
