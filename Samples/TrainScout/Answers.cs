using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>What a query asks for.</summary>
internal enum QueryKind
{
    Describe,
    Detect,
    Ground,
    Count,
    Colour,
    Shape,
    Exist,
    RelationYesNo,
    Nearer,
}

/// <summary>A question about a picture with its exact answer.</summary>
/// <param name="Kind">What is asked.</param>
/// <param name="Phrase">The phrase asked about; null for whole-picture tasks.</param>
/// <param name="Tokens">Prompt, from the task word to the answer mark, then the answer with its end mark.</param>
/// <param name="PromptLength">Tokens of the prompt.</param>
/// <param name="Objects">
/// By token, the objects it is about as bits (number - 1): in the prompt at nouns, in the answer at the tokens to be
/// predicted that concern them.
/// </param>
/// <param name="Coordinates">By token, the exact coordinate (0..1) a location token stands for; NaN elsewhere.</param>
/// <param name="Targets">The objects of the answer, in its order.</param>
/// <param name="Candidates">Objects that compete for a relation or superlative.</param>
internal sealed record SceneQuery(
    QueryKind Kind, Phrase? Phrase, int[] Tokens, int PromptLength, ulong[] Objects, float[] Coordinates, ObjectLabel[] Targets, int Candidates)
{
    /// <summary>The prompt alone.</summary>
    internal ReadOnlySpan<int> Prompt => Tokens.AsSpan(0, PromptLength);

    /// <summary>The answer alone, end mark included.</summary>
    internal ReadOnlySpan<int> Answer => Tokens.AsSpan(PromptLength);

    /// <summary>The words as one line, for reading.</summary>
    public override string ToString() => string.Join(' ', Tokens.Select(t => ScoutVocabulary.Words[t]));
}

/// <summary>Writes Scout's prompts and answers word by word.</summary>
internal static class Answers
{
    private static readonly string[] Numbers =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

    /// <summary>The largest count with a word.</summary>
    internal const int MaximumCount = 12;

    internal static string Word(ObjectShape shape) => shape.ToString().ToLowerInvariant();

    internal static string Word(ObjectColour colour) => colour.ToString().ToLowerInvariant();

    internal static string Number(int count) => Numbers[count];

    internal static string[] Words(Relation relation) => relation switch
    {
        Relation.LeftOf => ["left", "of"],
        Relation.RightOf => ["right", "of"],
        Relation.InFrontOf => ["in", "front", "of"],
        _ => ["behind"],
    };

    /// <summary>The word of the third of the picture a box centre lies in.</summary>
    internal static string Place(ObjectLabel o)
    {
        string Third(float v, string a, string b, string c) => v < 1 / 3f ? a : v < 2 / 3f ? b : c;
        return $"@{Third(o.CentreY, "top", "middle", "bottom")}_{Third(o.CentreX, "left", "centre", "right")}";
    }

    internal static ulong Bits(IEnumerable<ObjectLabel> objects) => objects.Aggregate(0UL, (bits, o) => bits | Bit(o));

    internal static ulong Bit(ObjectLabel o) => o.Id is >= 1 and <= 64
        ? 1UL << (o.Id - 1)
        : throw new ArgumentOutOfRangeException(nameof(o), $"Object number {o.Id} is outside 1 to 64; draw smaller scenes.");

    /// <summary>Everything clear, left to right, in words.</summary>
    internal static SceneQuery Describe(IReadOnlyList<ObjectLabel> objects)
    {
        ObjectLabel[] seen = Listed(objects);
        var w = new Writer(QueryKind.Describe, null, objects);
        w.Add("<describe>").Ask().Add("i").Add("see");
        if (seen.Length == 0)
            return w.Add("no").Add("objects").Add(".").End(seen);
        w.Add(Number(seen.Length), Bits(seen)).Add(seen.Length == 1 ? "object" : "objects");
        for (int i = 0; i < seen.Length; i++)
        {
            ulong bit = Bit(seen[i]);
            w.Add(i == 0 ? ":" : ",").Add("a", bit).Add(Word(seen[i].Colour), bit).Add(Word(seen[i].Shape), bit).Add(Place(seen[i]), bit);
        }
        return w.Add(".").End(seen);
    }

    /// <summary>Everything clear, left to right, with boxes.</summary>
    internal static SceneQuery Detect(IReadOnlyList<ObjectLabel> objects)
    {
        ObjectLabel[] seen = Listed(objects);
        var w = new Writer(QueryKind.Detect, null, objects);
        w.Add("<detect>").Ask();
        foreach (ObjectLabel o in seen)
            w.Add("<ref>", Bit(o)).Add(Word(o.Colour), Bit(o)).Add(Word(o.Shape), Bit(o)).Add("</ref>").Box(o);
        return w.End(seen);
    }

    /// <summary>The boxes of a phrase, or not in view. Null when the scene has no honest answer.</summary>
    internal static SceneQuery? Ground(IReadOnlyList<ObjectLabel> objects, Phrase phrase)
    {
        if (!phrase.TryResolve(objects, out ObjectLabel[] found))
            return null;
        var w = new Writer(QueryKind.Ground, phrase, objects);
        w.Add("<ground>").The(phrase).Ask();
        if (found.Length == 0)
            return w.Add("<NotInView>").End(found);
        w.Add("<InView>", Bits(found)).Add("<ref>").Name(phrase, 0).Add("</ref>");
        foreach (ObjectLabel o in found)
            w.Box(o);
        return w.End(found);
    }

    /// <summary>How many objects a plain phrase means.</summary>
    internal static SceneQuery? Count(IReadOnlyList<ObjectLabel> objects, Phrase phrase)
    {
        if (!phrase.TryResolve(objects, out ObjectLabel[] found) || found.Length > MaximumCount)
            return null;
        var w = new Writer(QueryKind.Count, phrase, objects);
        w.Add("<ask>").Add("how").Add("many");
        if (phrase.Colour is { } colour)
            w.Add(Word(colour));
        w.Add((phrase.Shape is { } shape ? Word(shape) : "object") + "s", Bits(found)).Add("are").Add("there").Add("?").Ask();
        return w.Add(Number(found.Length), Bits(found)).End(found);
    }

    /// <summary>"what colour is the cone" for the only cone, or "what shape is the red object" for the only red one.</summary>
    internal static SceneQuery? Attribute(IReadOnlyList<ObjectLabel> objects, QueryKind kind, Phrase phrase)
    {
        if (Phrase.Unique(objects, phrase) is not { } found)
            return null;
        var w = new Writer(kind, phrase, objects);
        w.Add("<ask>").Add("what").Add(kind == QueryKind.Colour ? "colour" : "shape").Add("is").The(phrase).Add("?").Ask();
        return w.Add(kind == QueryKind.Colour ? Word(found.Colour) : Word(found.Shape), Bit(found)).End([found]);
    }

    /// <summary>"is there a ..." with yes or no.</summary>
    internal static SceneQuery? Exist(IReadOnlyList<ObjectLabel> objects, Phrase phrase)
    {
        if (!phrase.TryResolve(objects, out ObjectLabel[] found))
            return null;
        var w = new Writer(QueryKind.Exist, phrase, objects);
        w.Add("<ask>").Add("is").Add("there").Add("a").Name(phrase, Bits(found)).Add("?").Ask();
        return w.Add(found.Length > 0 ? "yes" : "no", Bits(found)).End(found);
    }

    /// <summary>"is the A left of the B" for two unique objects.</summary>
    internal static SceneQuery? RelationYesNo(IReadOnlyList<ObjectLabel> objects, Phrase a, Relation relation, Phrase b)
    {
        if (Phrase.Unique(objects, a) is not { } first || Phrase.Unique(objects, b) is not { } second || first.Id == second.Id)
            return null;
        int holds = Phrase.Holds(relation, first, second);
        if (holds == 0)
            return null;
        var w = new Writer(QueryKind.RelationYesNo, a with { Relation = relation, Anchor = b }, objects);
        w.Add("<ask>").Add("is").The(a with { Relation = relation, Anchor = b }).Add("?").Ask();
        return w.Add(holds > 0 ? "yes" : "no").End([first, second]);
    }

    /// <summary>"which is nearer, the A or the B" for two unique objects.</summary>
    internal static SceneQuery? Nearer(IReadOnlyList<ObjectLabel> objects, Phrase a, Phrase b)
    {
        if (Phrase.Unique(objects, a) is not { } first || Phrase.Unique(objects, b) is not { } second || first.Id == second.Id)
            return null;
        int holds = Phrase.Holds(Relation.InFrontOf, first, second);
        if (holds == 0)
            return null;
        var w = new Writer(QueryKind.Nearer, a, objects);
        w.Add("<ask>").Add("which").Add("is").Add("nearer").Add(",").The(a).Add("or").The(b).Add("?").Ask();
        return w.Add("the").Name(holds > 0 ? a : b, 0).End([holds > 0 ? first : second]);
    }

    private static ObjectLabel[] Listed(IReadOnlyList<ObjectLabel> objects) =>
        [.. objects.Where(o => o.IsClear).OrderBy(o => o.CentreX).Take(MaximumCount)];

    private sealed class Writer(QueryKind kind, Phrase? phrase, IReadOnlyList<ObjectLabel> scene)
    {
        private readonly List<int> _tokens = [];
        private readonly List<ulong> _objects = [];
        private readonly List<float> _coordinates = [];
        private int _prompt;

        internal Writer Add(string word, ulong objects = 0) => Add(ScoutVocabulary.Id(word), objects, float.NaN);

        internal Writer Ask()
        {
            Add("<ans>");
            _prompt = _tokens.Count;
            return this;
        }

        internal Writer Name(Phrase p, ulong objects)
        {
            if (p.Colour is { } colour)
                Add(Word(colour), _prompt > 0 ? objects : 0);
            return Add(p.Shape is { } shape ? Word(shape) : "object", objects);
        }

        internal Writer The(Phrase p)
        {
            Add("the");
            if (p.Most is { } most)
                Add(most.ToString().ToLowerInvariant());
            Name(p, Bits(scene.Where(o => o.IsClear && p.Names(o))));
            if (p.Relation is { } relation && p.Anchor is not null)
            {
                foreach (string word in Words(relation))
                    Add(word);
                The(p.Anchor);
            }
            return this;
        }

        internal Writer Box(ObjectLabel o)
        {
            Add("<box>", Bit(o));
            foreach (float v in (ReadOnlySpan<float>)[o.X0, o.Y0, o.X1, o.Y1])
                Add(ScoutVocabulary.LocationBase + Math.Clamp((int)(v * ScoutVocabulary.LocationBins), 0, ScoutVocabulary.LocationBins - 1), Bit(o), v);
            return Add("</box>");
        }

        internal SceneQuery End(ObjectLabel[] targets)
        {
            Add("<eos>");
            ObjectLabel? anchor = phrase?.Anchor is { } a ? Phrase.Unique(scene, a) : null;
            int candidates = phrase?.Candidates(scene, anchor).Count() ?? 0;
            return new SceneQuery(kind, phrase, [.. _tokens], _prompt, [.. _objects], [.. _coordinates], targets, candidates);
        }

        private Writer Add(int token, ulong objects, float coordinate)
        {
            _tokens.Add(token);
            _objects.Add(objects);
            _coordinates.Add(coordinate);
            return this;
        }
    }
}
