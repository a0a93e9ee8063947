namespace VlmSdk.Decoding;

/// <summary>The tokens a <see cref="LocationGrammar"/> works with; ids of the model's vocabulary.</summary>
/// <param name="FirstLocation">First location token; they ascend.</param>
/// <param name="Locations">Number of location tokens.</param>
/// <param name="FirstSegment">First mask token.</param>
/// <param name="Segments">Number of mask tokens.</param>
/// <param name="MaskLength">Mask tokens of an object.</param>
/// <param name="End">End of an answer.</param>
public sealed record LocationTokens(int FirstLocation, int Locations, int FirstSegment, int Segments, int MaskLength, int End);

/// <summary>
/// Which tokens may come next in answers of the form <c>loc loc loc loc [mask tokens] label ; ...</c> (top, left, bottom, right), so
/// that every box is whole and has an area and every mask is complete. The first token decides whether anything is in view: the
/// probability of all location tokens together is the presence. Not thread-safe; one grammar an answer.
/// </summary>
/// <param name="tokens">The vocabulary's tokens.</param>
/// <param name="masks">Each box is followed by a mask.</param>
/// <param name="threshold">Presence below this ends the answer, 0..1.</param>
/// <param name="mostObjects">Most boxes, at least 1.</param>
/// <param name="budget">Most tokens of the answer; no object is begun that would not fit.</param>
public sealed class LocationGrammar(LocationTokens tokens, bool masks, float threshold, int mostObjects, int budget) : ILogitsProcessor
{
    private readonly int[] _corners = new int[4];
    private int _objects, _corner = -1, _mask, _accepted;

    /// <summary>Probability that the phrase is in view, known once the first logits were seen.</summary>
    public float Presence { get; private set; }

    private int ObjectLength => 4 + (masks ? tokens.MaskLength : 0);

    /// <inheritdoc/>
    public void Process(Span<float> logits)
    {
        if (_accepted == 0)
        {
            Presence = ShareOfLocations(logits);
            if (Presence < threshold)
            {
                float end = logits[tokens.End];
                logits.Fill(float.NegativeInfinity);
                logits[tokens.End] = float.IsNegativeInfinity(end) ? 0 : end;
                return;
            }
        }
        for (int id = 0; id < logits.Length; id++)
            if (!Allows(id))
                logits[id] = float.NegativeInfinity;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The token may not come here.</exception>
    public void Accept(int token)
    {
        bool ends = token == tokens.End && _accepted == 0 && Presence < threshold;
        if (!ends && !Allows(token))
            throw new ArgumentException($"Token {token} cannot follow here; mask the logits with {nameof(Process)} first.", nameof(token));
        _accepted++;
        if (IsLocation(token))
        {
            if (_corner < 0)
                (_corner, _objects) = (0, _objects + 1);
            _corners[_corner++] = token - tokens.FirstLocation;
            if (_corner == 4)
                (_corner, _mask) = (-1, masks ? tokens.MaskLength : 0);
        }
        else if (_mask > 0)
        {
            _mask--;
        }
    }

    private bool IsLocation(int id) => id >= tokens.FirstLocation && id < tokens.FirstLocation + tokens.Locations;

    private bool IsSegment(int id) => id >= tokens.FirstSegment && id < tokens.FirstSegment + tokens.Segments;

    private bool Allows(int id)
    {
        if (_mask > 0)
            return IsSegment(id);
        if (_corner < 0 && _objects > 0 && !IsLocation(id))
            return !IsSegment(id);
        // A corner: the far edges lie beyond the near ones, which leave room for that.
        int corner = Math.Max(_corner, 0), at = id - tokens.FirstLocation;
        if (_corner < 0 && (_objects >= mostObjects || budget - _accepted < ObjectLength))
            return false;
        return IsLocation(id) && (corner < 2 ? at < tokens.Locations - 1 : at > _corners[corner - 2]);
    }

    private float ShareOfLocations(ReadOnlySpan<float> logits)
    {
        float most = float.NegativeInfinity;
        foreach (float logit in logits)
            most = MathF.Max(most, logit);
        double all = 0, places = 0;
        for (int id = 0; id < logits.Length; id++)
        {
            double share = Math.Exp(logits[id] - most);
            all += share;
            places += IsLocation(id) ? share : 0;
        }
        return (float)(places / all);
    }
}
