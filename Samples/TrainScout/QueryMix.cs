using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Draws questions about a scene in the proportions Scout is trained with. Pure: the same generator state gives the same questions.</summary>
internal static class QueryMix
{
    /// <summary>Share of relational phrases without a match that is kept; all of them would shift the sense of presence.</summary>
    internal const double RelationNegatives = 0.4;

    /// <summary>Share of relational phrases for which one with several candidates is sought first: the others need no relation.</summary>
    internal const double HardRelations = 0.4;

    private static readonly (double Weight, Func<Draw, SceneQuery?> Make)[] Kinds =
    [
        (3, d => Answers.Ground(d.Objects, d.Name(colour: true, shape: true))),
        (1, d => Answers.Ground(d.Objects, d.Name(colour: false, shape: true))),
        (1, d => Answers.Ground(d.Objects, d.Name(colour: true, shape: false))),
        (3, Negative),
        (3, Related),
        (1, Extreme),
        (2, Counted),
        (0.5, d => Answers.Attribute(d.Objects, QueryKind.Colour, d.Name(colour: false, shape: true))),
        (0.5, d => Answers.Attribute(d.Objects, QueryKind.Shape, d.Name(colour: true, shape: false))),
        (1.5, d => Answers.Exist(d.Objects, d.Chance(0.5) ? d.AnyName() : d.AbsentName())),
        (1.5, d => Answers.RelationYesNo(d.Objects, d.AnyName(), d.Relation(), d.AnyName())),
        (1, d => Answers.Nearer(d.Objects, d.Name(colour: true, shape: true), d.Name(colour: true, shape: true))),
    ];

    private static readonly double Total = Kinds.Sum(k => k.Weight);

    /// <summary>One question, or null when the drawn kind has no honest answer in this scene.</summary>
    internal static SceneQuery? Next(IReadOnlyList<ObjectLabel> objects, Random random)
    {
        double at = random.NextDouble() * Total;
        int kind = 0;
        while (kind < Kinds.Length - 1 && (at -= Kinds[kind].Weight) >= 0)
            kind++;
        return Kinds[kind].Make(new Draw(objects, random));
    }

    /// <summary>A phrase that is not there: mostly what is there with one word changed, the mistake worth learning.</summary>
    private static SceneQuery? Negative(Draw d)
    {
        SceneQuery? query = Answers.Ground(d.Objects, d.AbsentName());
        return query is { Targets.Length: 0 } ? query : null;
    }

    private static SceneQuery? Related(Draw d)
    {
        if (d.Clear.Length < 2)
            return null;
        bool hard = d.Chance(HardRelations);
        for (int attempt = 0; attempt < (hard ? 12 : 1); attempt++)
        {
            SceneQuery? query = Answers.Ground(d.Objects, d.AnyName() with { Relation = d.Relation(), Anchor = d.AnyName() });
            if (query is null || hard && attempt < 11 && (query.Candidates < 2 || query.Targets.Length == 0))
                continue;
            if (query.Candidates == 0 || query.Targets.Length == 0 && !d.Chance(RelationNegatives))
                return null;
            return query;
        }
        return null;
    }

    private static SceneQuery? Extreme(Draw d)
    {
        bool several = d.Chance(0.7);
        for (int attempt = 0; attempt < 4; attempt++)
        {
            Phrase name = d.Chance(0.15) ? new Phrase(null, null) : d.AnyName();
            SceneQuery? query = Answers.Ground(d.Objects, name with { Most = (Superlative)d.Random.Next(4) });
            if (query is { Targets.Length: 1 } && (!several || query.Candidates > 1 || attempt == 3))
                return query;
        }
        return null;
    }

    private static SceneQuery? Counted(Draw d)
    {
        if (d.Chance(0.2))
            return Answers.Count(d.Objects, d.AbsentName());
        double kind = d.Random.NextDouble();
        return Answers.Count(d.Objects, kind < 0.2 ? new Phrase(null, null) : d.Name(colour: kind is < 0.45 or >= 0.7, shape: kind >= 0.45));
    }

    /// <summary>What the draws of one question share.</summary>
    private sealed class Draw(IReadOnlyList<ObjectLabel> objects, Random random)
    {
        internal IReadOnlyList<ObjectLabel> Objects => objects;

        internal Random Random => random;

        internal ObjectLabel[] Clear { get; } = [.. objects.Where(o => o.IsClear)];

        internal bool Chance(double share) => random.NextDouble() < share;

        internal Relation Relation() => (Relation)random.Next(4);

        /// <summary>Words of a random clear object; of anything when there is none.</summary>
        internal Phrase Name(bool colour, bool shape)
        {
            ObjectLabel? o = Clear.Length > 0 ? Clear[random.Next(Clear.Length)] : null;
            return new Phrase(
                colour ? o?.Colour ?? AnyColour() : null,
                shape ? o?.Shape ?? AnyShape() : null);
        }

        internal Phrase AnyName()
        {
            double kind = random.NextDouble();
            return Name(colour: kind is < 0.5 or >= 0.75, shape: kind < 0.75);
        }

        /// <summary>Words that probably fit nothing; the caller checks.</summary>
        internal Phrase AbsentName()
        {
            double kind = random.NextDouble();
            if (Clear.Length == 0 || kind >= 0.85)
            {
                double form = random.NextDouble();
                return new Phrase(form is < 0.5 or >= 0.75 ? AnyColour() : null, form < 0.75 ? AnyShape() : null);
            }
            ObjectLabel o = Clear[random.Next(Clear.Length)], other = Clear[random.Next(Clear.Length)];
            return kind switch
            {
                < 0.35 => new Phrase(AnyColour(), o.Shape),
                < 0.7 => new Phrase(o.Colour, AnyShape()),
                _ => new Phrase(o.Colour, other.Shape),
            };
        }

        private ObjectColour AnyColour() => (ObjectColour)random.Next(ScoutLoss.Colours);

        private ObjectShape AnyShape() => (ObjectShape)random.Next(ScoutLoss.Shapes);
    }
}
