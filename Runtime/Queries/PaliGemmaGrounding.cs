using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;

namespace VlmSdk.Queries;

/// <summary>How PaliGemma's answers become detections: the grammar they are written under, their reading, their masks.</summary>
internal sealed class PaliGemmaGrounding : IDisposable
{
    private readonly PaliGemmaConfig _config;
    private readonly ITokenizer _tokenizer;
    private readonly MaskDecoder? _masks;
    private readonly LocationTokens _tokens;

    internal PaliGemmaGrounding(PaliGemmaConfig config, ITokenizer tokenizer, MaskCodec? codec, IExecutor executor)
    {
        (_config, _tokenizer) = (config, tokenizer);
        _masks = codec is null ? null : new MaskDecoder(codec, executor);
        (int location, int segment) = PaliGemmaAnswer.FirstTokens(tokenizer);
        _tokens = new LocationTokens(location, PaliGemmaAnswer.LocationCount, segment, PaliGemmaAnswer.SegmentCount, PaliGemmaAnswer.MaskLength, config.EndToken);
    }

    /// <summary>Whether masks can be decoded.</summary>
    internal bool Segments => _masks is not null;

    /// <summary>The grammar of one answer.</summary>
    internal LocationGrammar Grammar(GroundOptions options, bool masks, int budget) => new(_tokens, masks, options.Threshold, options.MaxDetections, budget);

    /// <summary>The detections of an answer, masks included where it has any.</summary>
    internal IReadOnlyList<Detection> Read(IReadOnlyList<int> ids, IReadOnlyList<float> probabilities, EncodedView view, CancellationToken cancellationToken)
    {
        IReadOnlyList<PaliGemmaObject> objects = PaliGemmaAnswer.Parse([.. ids], _tokenizer, _config.EndToken, [.. probabilities]);
        HostTensor? masks = _masks is not null && objects.Any(o => o.MaskIndices is not null) ? _masks.Decode(objects, cancellationToken) : null;
        return PaliGemmaDetections.From(objects, view.Width, view.Height, masks);
    }

    public void Dispose() => _masks?.Dispose();
}
