using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Execution;

/// <summary>
/// Something that runs graphs. Executors are thread-safe; the plans and caches they make belong to one caller at a time.
/// Dispose an executor after its plans and caches.
/// </summary>
public interface IExecutor : IDisposable
{
    /// <summary>Short name used in messages: reference, torch, native.</summary>
    string Name { get; }

    /// <summary>Whether a kernel for this operation exists. Fused operations without one are decomposed by <see cref="Prepare"/>.</summary>
    bool Supports(Op op);

    /// <summary>
    /// Makes a graph ready to run with these weights: memory laid out, weights in the form the kernels want. Plans of one
    /// executor and one binding share the prepared weights.
    /// </summary>
    /// <exception cref="UnsupportedOpException">An operation has neither a kernel here nor a decomposition.</exception>
    /// <exception cref="CheckpointException">The binding lacks a weight, or holds it in another shape.</exception>
    /// <exception cref="ObjectDisposedException">The executor was disposed.</exception>
    IPlan Prepare(Graph graph, WeightBinding weights);

    /// <summary>
    /// Brings a weight that was just bound into the executor's own form now, not with the first plan, so that a model which is read
    /// tensor by tensor is never held twice. Executors that compute with the tensors as they are bound do nothing.
    /// </summary>
    void Take(WeightBinding weights, WeightSpec weight)
    {
    }

    /// <summary>Makes an empty KV cache for the slots of a decoder.</summary>
    /// <exception cref="ObjectDisposedException">The executor was disposed.</exception>
    KvCache CreateCache(KvCacheSpec spec);
}

/// <summary>
/// A graph made ready. Fill the inputs, run, read the outputs; all buffers are the plan's own and are reused by the next
/// run, so nothing is allocated while running. Not thread-safe.
/// </summary>
public interface IPlan : IDisposable
{
    /// <summary>The buffer of an input, to be filled before each run.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such input.</exception>
    HostTensor Input(string name);

    /// <summary>The buffer of an output, valid until the next run.</summary>
    /// <exception cref="KeyNotFoundException">The graph has no such output.</exception>
    HostTensor Output(string name);

    /// <summary>
    /// Runs the graph. With a cache, its cached attentions append their chunk and <see cref="KvCache.Length"/> grows by
    /// it, but only when the whole run succeeded: a cancelled or failed run leaves the cache as it was.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled; checked between operations.</exception>
    /// <exception cref="ArgumentException">The graph needs a cache and none was given, or it is full or of another layout.</exception>
    /// <exception cref="ObjectDisposedException">The plan was disposed.</exception>
    void Run(KvCache? cache = null, CancellationToken cancellationToken = default);
}
