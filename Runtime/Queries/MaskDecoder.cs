using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;

namespace VlmSdk.Queries;

/// <summary>Turns the mask indices of an answer into masks on an executor; the graph is prepared once. Not thread-safe.</summary>
public sealed class MaskDecoder : IDisposable
{
    private readonly IPlan _plan;

    /// <summary>Prepares the codec.</summary>
    /// <param name="codec">Weights of the mask codec.</param>
    /// <param name="executor">Where it runs; dispose it after this object.</param>
    public MaskDecoder(MaskCodec codec, IExecutor executor)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(executor);
        var g = new GraphBuilder();
        g.Output("mask", codec.Decode(g, g.Input("indices", DType.I32, 1, PaliGemmaAnswer.MaskLength)));
        _plan = executor.Prepare(g.Build(), new WeightBinding("mask codec", codec.Weights));
    }

    /// <summary>The masks of the objects that have indices, F32 [m, 64, 64], as <see cref="PaliGemmaDetections.From"/> takes them.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public HostTensor Decode(IReadOnlyList<PaliGemmaObject> objects, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objects);
        IReadOnlyList<int>[] indices = [.. objects.Select(o => o.MaskIndices).OfType<IReadOnlyList<int>>()];
        var masks = new HostTensor(DType.F32, new Shape(indices.Length, MaskCodec.Side, MaskCodec.Side));
        for (int i = 0; i < indices.Length; i++)
        {
            indices[i].ToArray().CopyTo(_plan.Input("indices").Ints);
            _plan.Run(cancellationToken: cancellationToken);
            HostTensor mask = _plan.Output("mask");
            mask.Data.CopyTo(masks.Data[(i * mask.Data.Length)..]);
        }
        return masks;
    }

    /// <inheritdoc/>
    public void Dispose() => _plan.Dispose();
}
