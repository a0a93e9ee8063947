using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;

namespace VlmSdk.Queries;

/// <summary>How PaliGemma's answers become detections: the grammar they are written under, their reading, their masks.</summary>
internal sealed class PaliGemmaGrounding
{
    private readonly PaliGemmaConfig _config;
    private readonly ITokenizer _tokenizer;
    private readonly MaskCodec? _codec;
    private readonly IExecutor _executor;
    private readonly LocationTokens _tokens;

    internal PaliGemmaGrounding(PaliGemmaConfig config, ITokenizer tokenizer, MaskCodec? codec, IExecutor executor)
    {
        (_config, _tokenizer, _codec, _executor) = (config, tokenizer, codec, executor);
        (int location, int segment) = PaliGemmaAnswer.FirstTokens(tokenizer);
        _tokens = new LocationTokens(location, PaliGemmaAnswer.LocationCount, segment, PaliGemmaAnswer.SegmentCount, PaliGemmaAnswer.MaskLength, config.EndToken);
    }

    /// <summary>Whether masks can be decoded.</summary>
    internal bool Segments => _codec is not null;

    /// <summary>The grammar of one answer.</summary>
    internal LocationGrammar Grammar(GroundOptions options, bool masks, int budget) => new(_tokens, masks, options.Threshold, options.MaxDetections, budget);

    /// <summary>The detections of an answer, masks included where it has any.</summary>
    internal IReadOnlyList<Detection> Read(IReadOnlyList<int> ids, IReadOnlyList<float> probabilities, EncodedView view, CancellationToken cancellationToken)
    {
        IReadOnlyList<PaliGemmaObject> objects = PaliGemmaAnswer.Parse([.. ids], _tokenizer, _config.EndToken, [.. probabilities]);
        int[] indices = [.. objects.Where(o => o.MaskIndices is not null).SelectMany(o => o.MaskIndices!)];
        HostTensor? masks = null;
        if (_codec is not null && indices.Length > 0)
        {
            int count = indices.Length / PaliGemmaAnswer.MaskLength;
            var g = new GraphBuilder();
            g.Output("masks", _codec.Decode(g, g.Input("indices", DType.I32, count, PaliGemmaAnswer.MaskLength)));
            using IPlan plan = _executor.Prepare(g.Build(), new WeightBinding("vae-oid.npz", _codec.Weights));
            indices.CopyTo(plan.Input("indices").Ints);
            plan.Run(null, cancellationToken);
            HostTensor decoded = plan.Output("masks");
            masks = new HostTensor(DType.F32, decoded.Shape, decoded.Data.ToArray());
        }
        return PaliGemmaDetections.From(objects, view.Width, view.Height, masks);
    }
}
