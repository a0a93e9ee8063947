using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>How one object stands to another, as the camera sees it.</summary>
internal enum Relation
{
    LeftOf,
    RightOf,
    InFrontOf,
    Behind,
}

/// <summary>The extreme one of several objects, as the camera sees them.</summary>
internal enum Superlative
{
    Leftmost,
    Rightmost,
    Nearest,
    Farthest,
}

/// <summary>A noun phrase: "[most] [colour] shape|object [relation the anchor]".</summary>
/// <param name="Colour">The colour named, if any.</param>
/// <param name="Shape">The shape named; "object" without.</param>
/// <param name="Most">A superlative in front.</param>
/// <param name="Relation">A relation behind, with <paramref name="Anchor"/>.</param>
/// <param name="Anchor">The other object of the relation.</param>
internal sealed record Phrase(ObjectColour? Colour, ObjectShape? Shape, Superlative? Most = null, Relation? Relation = null, Phrase? Anchor = null)
{
    /// <summary>Pairs whose centres are closer than this share of the picture's width have no left or right.</summary>
    internal const float SideMargin = 0.03f;

    /// <summary>Pairs whose distances differ by less than this share of the farther one have no front or back.</summary>
    internal const float DepthMargin = 0.05f;

    /// <summary>The phrase of an object's colour and shape.</summary>
    internal static Phrase Of(ObjectLabel o) => new(o.Colour, o.Shape);

    /// <summary>Whether colour and shape fit an object; relation and superlative are left out.</summary>
    internal bool Names(ObjectLabel o) => (Colour is null || Colour == o.Colour) && (Shape is null || Shape == o.Shape);

    /// <summary>The objects that compete for the phrase: those named, without the anchor.</summary>
    internal IEnumerable<ObjectLabel> Candidates(IReadOnlyList<ObjectLabel> objects, ObjectLabel? anchor) =>
        objects.Where(o => Names(o) && o.Id != anchor?.Id);

    /// <summary>The only object an anchor phrase means, or null.</summary>
    internal static ObjectLabel? Unique(IReadOnlyList<ObjectLabel> objects, Phrase phrase) =>
        phrase.TryResolve(objects, out ObjectLabel[] found) && found.Length == 1 ? found[0] : null;

    /// <summary>
    /// The objects meant, left to right by box centre. False when no honest answer exists: an ambiguous object would have
    /// a part in it, a pair is too close to compare, or the anchor is not unique.
    /// </summary>
    internal bool TryResolve(IReadOnlyList<ObjectLabel> objects, out ObjectLabel[] matches)
    {
        matches = [];
        ObjectLabel? anchor = null;
        if (Anchor is not null && (anchor = Unique(objects, Anchor)) is null)
            return false;
        ObjectLabel[] candidates = [.. Candidates(objects, anchor)];
        if (candidates.Any(o => !o.IsClear))
            return false;

        if (Relation is { } relation && anchor is not null)
        {
            int[] holds = [.. candidates.Select(o => Holds(relation, o, anchor))];
            if (holds.Contains(0))
                return false;
            candidates = [.. candidates.Where((_, i) => holds[i] > 0)];
        }
        if (Most is { } most && candidates.Length > 0)
        {
            Relation wins = most switch
            {
                Superlative.Leftmost => TrainScout.Relation.LeftOf,
                Superlative.Rightmost => TrainScout.Relation.RightOf,
                Superlative.Nearest => TrainScout.Relation.InFrontOf,
                _ => TrainScout.Relation.Behind,
            };
            candidates = [.. candidates.Where(o => candidates.All(other => other == o || Holds(wins, o, other) > 0))];
            if (candidates.Length != 1)
                return false;
        }
        matches = [.. candidates.OrderBy(o => o.CentreX)];
        return true;
    }

    /// <summary>1 if a stands so to b, -1 if the other way round, 0 if they are too close to tell.</summary>
    internal static int Holds(Relation relation, ObjectLabel a, ObjectLabel b)
    {
        bool sideways = relation is TrainScout.Relation.LeftOf or TrainScout.Relation.RightOf;
        float difference = sideways ? b.CentreX - a.CentreX : b.Distance - a.Distance;
        float margin = sideways ? SideMargin : DepthMargin * MathF.Max(a.Distance, b.Distance);
        if (MathF.Abs(difference) < margin)
            return 0;
        bool first = relation is TrainScout.Relation.LeftOf or TrainScout.Relation.InFrontOf;
        return difference > 0 == first ? 1 : -1;
    }
}
