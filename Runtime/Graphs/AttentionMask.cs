namespace VlmSdk.Graphs;

/// <summary>
/// Which keys a query may see, as a descriptor instead of a tensor. Query t of a chunk has absolute index past + t,
/// where past is the cache length (0 without a cache); keys count from 0 at the beginning of the cache. Full and causal
/// masks take a fourth input, if there is one, as padding: I32 [B], how many keys at a sequence's beginning no query sees,
/// the padding of shorter prompts in a batch.
/// </summary>
public enum AttentionMask
{
    /// <summary>Every query sees every key, also those of its own chunk that come later.</summary>
    Full,

    /// <summary>A query sees the keys up to its own absolute index, or with a window the newest of them.</summary>
    Causal,

    /// <summary>
    /// Packed rows for training, with a segment number per token as fourth input (I32 [B, S], S = T): segment 0 is a
    /// prefix whose tokens see each other and whom everyone sees; other segments are causal inside and see nothing of
    /// each other. No cache.
    /// </summary>
    PackedPrefix,

    /// <summary>An additive bias as fourth input, F32 broadcastable to [B, N, T, S]; minus infinity hides. No cache.</summary>
    Bias,
}
