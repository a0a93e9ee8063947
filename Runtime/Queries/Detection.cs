namespace VlmSdk.Queries;

/// <summary>A rectangle in pixels of the source picture, whatever letterbox or crop the model saw it through.</summary>
/// <param name="Left">Left edge, 0..width.</param>
/// <param name="Top">Top edge, 0..height.</param>
/// <param name="Right">Right edge, at least <paramref name="Left"/>.</param>
/// <param name="Bottom">Bottom edge, at least <paramref name="Top"/>.</param>
public readonly record struct PixelBox(double Left, double Top, double Right, double Bottom)
{
    /// <summary>Width in pixels.</summary>
    public double Width => Right - Left;

    /// <summary>Height in pixels.</summary>
    public double Height => Bottom - Top;

    /// <summary>Area shared with another box over the area covered by either, 0..1.</summary>
    public double IntersectionOverUnion(PixelBox other)
    {
        double width = Math.Min(Right, other.Right) - Math.Max(Left, other.Left);
        double height = Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top);
        if (width <= 0 || height <= 0)
            return 0;
        double shared = width * height;
        return shared / (Width * Height + other.Width * other.Height - shared);
    }
}

/// <summary>One object found in a picture.</summary>
/// <param name="Phrase">What the model says it is.</param>
/// <param name="Box">Where it is.</param>
/// <param name="Confidence">Probability, from the model's own token probabilities, that the object is there, 0..1.</param>
/// <param name="BoxConfidence">How sure the model is of the four edges: the product of the probability mass near each, 0..1.</param>
public sealed record Detection(string Phrase, PixelBox Box, float Confidence, float BoxConfidence)
{
    /// <summary>Which pixels of the box it covers, from models that segment; else null.</summary>
    public DetectionMask? Mask { get; init; }
}

/// <summary>
/// The result of grounding a phrase: <see cref="Grounded"/> with at least one detection, or <see cref="NotInView"/>.
/// </summary>
public abstract record GroundingResult
{
    private protected GroundingResult() { }

    /// <summary>The phrase as it was asked.</summary>
    public required string Phrase { get; init; }

    /// <summary>Probability that the phrase is in view, 0..1, calibrated on the training distribution.</summary>
    public required float Presence { get; init; }

    /// <summary>The objects found, in the order the model names them; empty when not in view.</summary>
    public required IReadOnlyList<Detection> Detections { get; init; }

    /// <summary>Words of the phrase the model does not know; they had no influence on the result.</summary>
    public IReadOnlyList<string> UnknownWords { get; init; } = [];

    /// <summary>Words replaced by synonyms the model knows, as "crimson -> red".</summary>
    public IReadOnlyList<string> FoldedWords { get; init; } = [];

    /// <summary>What the query cost.</summary>
    public QueryStatistics Statistics { get; init; }

    /// <summary>The result of what was found: grounded when there is anything, each detection then as likely as it is and the phrase's presence.</summary>
    internal static GroundingResult Of(string phrase, float presence, IReadOnlyList<Detection> found, QueryStatistics statistics) => found.Count == 0
        ? new NotInView { Phrase = phrase, Presence = presence, Detections = [], Statistics = statistics }
        : new Grounded
        {
            Phrase = phrase,
            Presence = presence,
            Detections = [.. found.Select(d => d with { Confidence = d.Confidence * presence })],
            Statistics = statistics,
        };
}

/// <summary>The phrase is in view.</summary>
public sealed record Grounded : GroundingResult;

/// <summary>The phrase is not in view, or the model does not know the thing it names (<see cref="GroundingResult.UnknownWords"/>).</summary>
public sealed record NotInView : GroundingResult;

/// <summary>The answer to a question.</summary>
/// <param name="Text">The answer in words.</param>
/// <param name="Confidence">Product of the probabilities of its words, 0..1.</param>
/// <param name="UnknownWords">Words of the question the model does not know; they had no influence on the answer.</param>
/// <param name="FoldedWords">Words replaced by synonyms the model knows.</param>
/// <param name="Statistics">What the query cost.</param>
public sealed record Answer(
    string Text, float Confidence, IReadOnlyList<string> UnknownWords, IReadOnlyList<string> FoldedWords, QueryStatistics Statistics);

/// <summary>What a query cost.</summary>
/// <param name="PromptTokens">Text tokens of the prompt.</param>
/// <param name="AnswerTokens">Tokens of the answer.</param>
/// <param name="Prefill">Time of reading the prompt.</param>
/// <param name="Decode">Time of writing the answer.</param>
public readonly record struct QueryStatistics(int PromptTokens, int AnswerTokens, TimeSpan Prefill, TimeSpan Decode);
