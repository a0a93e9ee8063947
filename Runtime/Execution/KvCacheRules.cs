using VlmSdk.Graphs;

namespace VlmSdk.Execution;

/// <summary>Checks that every executor makes before a run touches a KV cache.</summary>
public static class KvCacheRules
{
    /// <summary>Checks that the cache fits the cached attentions of a graph and has room for their chunk.</summary>
    /// <exception cref="ArgumentException">There is no cache, it has another layout, or it is full.</exception>
    public static void Check(Graph graph, KvCache? cache)
    {
        foreach (Value node in graph.Nodes)
        {
            if (node.Op is not AttentionOp { Slot: { } slot })
                continue;
            if (cache is null)
                throw new ArgumentException("The graph holds cached attentions; pass a KV cache to Run.", nameof(cache));
            KvCacheSpec spec = cache.Spec;
            var k = node.Inputs[1].Shape;
            if (slot >= spec.Slots || k[0] != spec.Batch || k[2] != spec.Heads || k[3] != spec.HeadWidth)
                throw new ArgumentException(
                    $"Attention slot {slot} appends keys {k}, but the cache has {spec.Slots} slots of batch {spec.Batch}, " +
                    $"{spec.Heads} heads of width {spec.HeadWidth}. Create it from this model's specification.", nameof(cache));
        }
        if (graph.CachedTokens > 0)
            cache!.EnsureRoom(graph.CachedTokens);
    }
}
