using System.Globalization;
using System.Text.RegularExpressions;
using VlmSdk.Tokenization;

namespace VlmSdk.Models.PaliGemma;

/// <summary>One object of an answer to <c>detect</c> or <c>segment</c>.</summary>
/// <param name="Label">What it is, possibly empty.</param>
/// <param name="Locations">Four numbers 0..1023 in the model's order: top, left, bottom, right.</param>
/// <param name="MaskIndices">Sixteen numbers 0..127 for <see cref="MaskCodec"/>, or null without a mask.</param>
/// <param name="LabelProbability">Product of the probabilities of the label's tokens, 1 when none were given.</param>
/// <param name="BoxProbability">Product of the probabilities of the four location tokens, 1 when none were given.</param>
public sealed record PaliGemmaObject(
    string Label, IReadOnlyList<int> Locations, IReadOnlyList<int>? MaskIndices, float LabelProbability = 1, float BoxProbability = 1)
{
    /// <summary>Whether the box has an area. One that has none is the model's mistake: reject it.</summary>
    public bool IsValid => Locations[2] > Locations[0] && Locations[3] > Locations[1];
}

/// <summary>
/// Reads boxes and masks from answers (spec sheet paligemma, section 10): the first four adjacent location tokens, then
/// sixteen mask tokens if all are there, then the label up to a semicolon, angle bracket or token. Anything else is skipped.
/// </summary>
public static partial class PaliGemmaAnswer
{
    /// <summary>Numbers on an axis of the picture.</summary>
    public const int LocationCount = 1024;

    /// <summary>Rows of the mask codebook.</summary>
    public const int SegmentCount = 128;

    /// <summary>Mask tokens of an object.</summary>
    public const int MaskLength = 16;

    /// <summary>Id of <c>&lt;loc0000&gt;</c> in the published vocabulary; the other locations follow, then the mask tokens.</summary>
    public const int FirstLocation = 256_000;

    /// <summary>Id of <c>&lt;seg000&gt;</c> in the published vocabulary.</summary>
    public const int FirstSegment = FirstLocation + LocationCount;

    private enum Kind { Text, Location, Segment }

    /// <summary>The objects of an answer given as ids, which end at the end token. This is the form to prefer: text cannot pass for a token.</summary>
    /// <param name="ids">The answer.</param>
    /// <param name="tokenizer">The vocabulary, for labels.</param>
    /// <param name="endToken">Id of the end token.</param>
    /// <param name="probabilities">One probability per id, or nothing.</param>
    /// <exception cref="ArgumentException">There are probabilities, but not one per id.</exception>
    public static IReadOnlyList<PaliGemmaObject> Parse(ReadOnlySpan<int> ids, ITokenizer tokenizer, int endToken, ReadOnlySpan<float> probabilities = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (probabilities.Length != 0 && probabilities.Length != ids.Length)
            throw new ArgumentException($"{ids.Length} ids have {probabilities.Length} probabilities; give one each, or none.", nameof(probabilities));
        (int location, int segment) = FirstTokens(tokenizer);
        int end = ids.IndexOf(endToken);
        ids = end < 0 ? ids : ids[..end];
        var items = new List<Item>();
        for (int i = 0; i < ids.Length;)
        {
            (Kind kind, int value) = KindOf(ids[i], location, segment);
            int from = i;
            float probability = 1;
            // A run of text is decoded as a whole.
            do
                probability *= probabilities.IsEmpty ? 1 : probabilities[i];
            while (++i < ids.Length && kind == Kind.Text && KindOf(ids[i], location, segment).Kind == Kind.Text);
            items.Add(new Item(kind, value, kind == Kind.Text ? tokenizer.Decode(ids[from..i]) : "", probability));
        }
        return Objects(items);
    }

    /// <summary>The objects of an answer given as text, with tokens spelled out; it ends at <c>&lt;eos&gt;</c>.</summary>
    public static IReadOnlyList<PaliGemmaObject> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int end = text.IndexOf("<eos>", StringComparison.Ordinal);
        text = end < 0 ? text : text[..end];
        var items = new List<Item>();
        int at = 0;
        foreach (Match token in Token().Matches(text))
        {
            int value = int.Parse(token.Groups["number"].Value, NumberStyles.None, CultureInfo.InvariantCulture);
            Kind kind = token.Groups["kind"].Value == "loc" ? Kind.Location : Kind.Segment;
            if (value >= (kind == Kind.Location ? LocationCount : SegmentCount))
                continue;
            if (token.Index > at)
                items.Add(new Item(Kind.Text, 0, text[at..token.Index], 1));
            items.Add(new Item(kind, value, "", 1));
            at = token.Index + token.Length;
        }
        items.Add(new Item(Kind.Text, 0, text[at..], 1));
        return Objects(items);
    }

    private static List<PaliGemmaObject> Objects(List<Item> items)
    {
        var objects = new List<PaliGemmaObject>();
        for (int i = 0; i < items.Count;)
        {
            if (!Run(Kind.Location, i, 4))
            {
                i++;
                continue;
            }
            List<Item> box = items.GetRange(i, 4);
            i += 4;
            int mask = i < items.Count && items[i].Kind == Kind.Text && string.IsNullOrWhiteSpace(items[i].Text) ? i + 1 : i;
            int[]? indices = null;
            if (Run(Kind.Segment, mask, MaskLength))
            {
                indices = [.. items.GetRange(mask, MaskLength).Select(s => s.Value)];
                i = mask + MaskLength;
            }
            Item label = i < items.Count && items[i].Kind == Kind.Text ? items[i] : new Item(Kind.Text, 0, "", 1);
            int stop = label.Text.AsSpan().IndexOfAny(';', '<', '>');
            objects.Add(new PaliGemmaObject((stop < 0 ? label.Text : label.Text[..stop]).Trim(), [.. box.Select(l => l.Value)], indices,
                label.Probability, box.Aggregate(1f, (p, l) => p * l.Probability)));
        }
        return objects;

        bool Run(Kind kind, int from, int count) => from + count <= items.Count && items.Skip(from).Take(count).All(item => item.Kind == kind);
    }

    /// <summary>The first location and the first mask token of a vocabulary; the published ids if it does not spell them.</summary>
    internal static (int Location, int Segment) FirstTokens(ITokenizer tokenizer) =>
        (tokenizer.FindId("<loc0000>") ?? FirstLocation, tokenizer.FindId("<seg000>") ?? FirstSegment);

    private static (Kind Kind, int Value) KindOf(int id, int location, int segment) =>
        id >= location && id < location + LocationCount ? (Kind.Location, id - location)
        : id >= segment && id < segment + SegmentCount ? (Kind.Segment, id - segment)
        : (Kind.Text, 0);

    [GeneratedRegex("<(?<kind>loc)(?<number>[0-9]{4})>|<(?<kind>seg)(?<number>[0-9]{3})>", RegexOptions.CultureInvariant)]
    private static partial Regex Token();

    private readonly record struct Item(Kind Kind, int Value, string Text, float Probability);
}
