using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>
/// The graphs of a prefix model on one executor: pictures to rows, prompts with rows into a cache, text behind them. Plans are
/// built at first use and replayed. Not thread-safe.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="words">Logits that stand for words of the vocabulary.</param>
/// <param name="weights">Its weights.</param>
/// <param name="executor">Runs the graphs; stays the caller's.</param>
internal sealed class PrefixGenerator(IPrefixModel model, int words, WeightBinding weights, IExecutor executor) : IDisposable
{
    // Picture sizes and prompt lengths vary without end; the plans of the latest few are kept.
    private const int KeptPlans = 4;

    private readonly ChunkRunner _text = new(executor, weights, length => TextGraph(model, length));
    private readonly List<((int, int) Key, IPlan Plan)> _pictures = [], _prompts = [];
    private long _encodes, _picturePrefills, _promptPrefills, _decodeSteps;

    internal WorkCounts Work => new(
        Interlocked.Read(ref _encodes), Interlocked.Read(ref _picturePrefills), Interlocked.Read(ref _promptPrefills), Interlocked.Read(ref _decodeSteps));

    /// <summary>The rows [R, D] of a picture.</summary>
    internal HostTensor Rows(PatchGrid grid, CancellationToken cancellationToken)
    {
        (int height, int width) = (grid.Spec.Height, grid.Spec.Width);
        IPlan plan = Keep(_pictures, (height, width), () =>
        {
            var g = new GraphBuilder();
            g.Output("rows", model.Rows(g, g.Input("pixels", DType.F32, 1, 3, height, width)));
            return g.Build();
        });
        grid.Values.Data.CopyTo(plan.Input("pixels").Data);
        plan.Run(null, cancellationToken);
        Interlocked.Increment(ref _encodes);
        HostTensor rows = plan.Output("rows");
        return new HostTensor(DType.F32, rows.Shape, rows.Data.ToArray());
    }

    /// <summary>An empty cache for this many tokens; the caller's to dispose.</summary>
    internal KvCache CreateCache(int capacity) =>
        executor.CreateCache(new KvCacheSpec(model.Decoder.Layers, model.Decoder.KeyValueHeads, model.Decoder.HeadWidth, capacity));

    /// <summary>
    /// Reads ids in which <see cref="IPrefixModel.RowToken"/> stands for the rows, in order, into an empty cache. Gives the logits of the words
    /// after the last token, in memory that later calls overwrite.
    /// </summary>
    internal Span<float> Prefill(KvCache cache, ReadOnlySpan<int> ids, HostTensor rows, CancellationToken cancellationToken)
    {
        int length = ids.Length, count = rows.Shape[0];
        IPlan plan = Keep(_prompts, (length, count), () =>
        {
            var g = new GraphBuilder();
            Value hidden = model.Hidden(g, g.Input("ids", DType.I32, 1, length), g.Input("positions", DType.I32, 1, length),
                g.Input("places", DType.I32, count), g.Input("rows", DType.F32, rows.Shape.Axes));
            g.Output("logits", Last(g, model, hidden));
            return g.Build();
        });
        Span<int> to = plan.Input("ids").Ints, places = plan.Input("places").Ints;
        int row = 0;
        for (int i = 0; i < length; i++)
            if (ids[i] == model.RowToken)
            {
                // The id at a row's place is looked up and replaced; it may lie outside the table, so another stands in.
                places[row++] = i;
                to[i] = 0;
            }
            else
            {
                to[i] = ids[i];
            }
        rows.Data.CopyTo(plan.Input("rows").Data);
        ChunkRunner.Positions(plan, 0);
        plan.Run(cache, cancellationToken);
        Interlocked.Increment(ref _picturePrefills);
        return plan.Output("logits").Floats[..words];
    }

    /// <summary>Reads text, at least one id, behind what the cache holds; logits as <see cref="Prefill"/>.</summary>
    internal Span<float> Append(KvCache cache, scoped ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        if (ids.Length == 1)
            Interlocked.Increment(ref _decodeSteps);
        else
            Interlocked.Increment(ref _promptPrefills);
        return _text.Append(cache, ids, cancellationToken)[..words];
    }

    public void Dispose()
    {
        _text.Dispose();
        foreach ((_, IPlan plan) in _pictures.Concat(_prompts))
            plan.Dispose();
    }

    private static Graph TextGraph(IPrefixModel model, int length)
    {
        var g = new GraphBuilder();
        Value hidden = model.Hidden(g, g.Input("ids", DType.I32, 1, length), g.Input("positions", DType.I32, 1, length), null, null);
        g.Output("logits", Last(g, model, hidden));
        return g.Build();
    }

    // Only the last token's logits are needed, and the head is the largest product.
    private static Value Last(GraphBuilder g, IPrefixModel model, Value hidden) =>
        model.Logits(g, g.Reshape(g.Slice(hidden, 1, hidden.Shape[1] - 1, 1), 1, hidden.Shape[2]));

    private IPlan Keep(List<((int, int) Key, IPlan Plan)> kept, (int, int) key, Func<Graph> build)
    {
        int at = kept.FindIndex(p => p.Key == key);
        IPlan plan = at >= 0 ? kept[at].Plan : executor.Prepare(build(), weights);
        if (at >= 0)
            kept.RemoveAt(at);
        kept.Add((key, plan));
        if (kept.Count > KeptPlans)
        {
            kept[0].Plan.Dispose();
            kept.RemoveAt(0);
        }
        return plan;
    }
}
