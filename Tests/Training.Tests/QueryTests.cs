using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Samples.TrainScout;
using static VlmSdk.Samples.Scenes.ObjectColour;
using static VlmSdk.Samples.Scenes.ObjectShape;

namespace VlmSdk.Tests.Training;

/// <summary>Answers to questions about scenes: hand-made ones word by word, random ones against a second, plainer reading.</summary>
[TestFixture]
public sealed class QueryTests
{
    private static readonly ObjectLabel[] Scene =
    [
        Scenery.Object(1, Red, Cube, 0.2f, y: 0.2f, distance: 3),
        Scenery.Object(2, Blue, Sphere, 0.5f, distance: 5),
        Scenery.Object(3, Red, Cube, 0.8f, y: 0.9f, distance: 8),
    ];

    [Test]
    public void A_description_lists_clear_objects_left_to_right()
    {
        ObjectLabel[] scene = [Scene[2], .. Scene[..2], Scenery.Object(4, Green, Cone, 0.3f, pixels: 60)];
        Assert.That(Answers.Describe(scene).ToString(), Is.EqualTo(
            "<describe> <ans> i see three objects : a red cube @top_left , a blue sphere @middle_centre , a red cube @bottom_right . <eos>"));
        Assert.That(Answers.Describe([]).ToString(), Is.EqualTo("<describe> <ans> i see no objects . <eos>"));
        Assert.That(Answers.Describe(scene[1..2]).ToString(), Is.EqualTo("<describe> <ans> i see one object : a red cube @top_left . <eos>"));
    }

    [Test]
    public void A_list_gives_a_box_to_each_object()
    {
        Assert.That(Answers.Detect(Scene[..1]).ToString(), Is.EqualTo(
            "<detect> <ans> <ref> red cube </ref> <box> <loc17> <loc17> <loc33> <loc33> </box> <eos>"));
        Assert.That(Answers.Detect([]).ToString(), Is.EqualTo("<detect> <ans> <eos>"));
    }

    [Test]
    public void Grounding_gives_every_match_from_left_to_right_and_says_not_in_view()
    {
        SceneQuery both = Answers.Ground(Scene, new Phrase(Red, Cube))!;
        Assert.Multiple(() =>
        {
            Assert.That(both.Targets.Select(o => o.Id), Is.EqualTo(new[] { 1, 3 }));
            Assert.That(both.ToString(), Does.StartWith("<ground> the red cube <ans> <InView> <ref> red cube </ref> <box>").And.EndsWith("</box> <eos>"));
            Assert.That(Answers.Ground(Scene, new Phrase(Red, Sphere))!.ToString(), Is.EqualTo("<ground> the red sphere <ans> <NotInView> <eos>"));
            Assert.That(Answers.Ground(Scene, new Phrase(Blue, null))!.ToString(), Does.StartWith("<ground> the blue object <ans> <InView> <ref> blue object </ref>"));
        });
    }

    [Test]
    public void Exact_coordinates_stay_beside_location_tokens()
    {
        SceneQuery query = Answers.Ground(Scene, new Phrase(Blue, Sphere))!;
        float[] kept = [.. query.Coordinates.Where(v => !float.IsNaN(v))];
        Assert.That(kept, Is.EqualTo(new[] { Scene[1].X0, Scene[1].Y0, Scene[1].X1, Scene[1].Y1 }));
        for (int i = 0; i < query.Tokens.Length; i++)
            Assert.That(float.IsNaN(query.Coordinates[i]), Is.EqualTo(!ScoutVocabulary.IsLocation(query.Tokens[i])));
    }

    [Test]
    public void Relations_and_superlatives_choose_among_equal_names()
    {
        var cube = new Phrase(Red, Cube);
        var sphere = new Phrase(Blue, Sphere);
        Assert.Multiple(() =>
        {
            Assert.That(Ids(cube with { Relation = Relation.LeftOf, Anchor = sphere }), Is.EqualTo(new[] { 1 }));
            Assert.That(Ids(cube with { Relation = Relation.RightOf, Anchor = sphere }), Is.EqualTo(new[] { 3 }));
            Assert.That(Ids(cube with { Relation = Relation.InFrontOf, Anchor = sphere }), Is.EqualTo(new[] { 1 }));
            Assert.That(Ids(cube with { Relation = Relation.Behind, Anchor = sphere }), Is.EqualTo(new[] { 3 }));
            Assert.That(Ids(cube with { Most = Superlative.Farthest }), Is.EqualTo(new[] { 3 }));
            Assert.That(Ids(new Phrase(null, null, Superlative.Leftmost)), Is.EqualTo(new[] { 1 }));
            Assert.That(Ids(sphere with { Relation = Relation.Behind, Anchor = cube }), Is.Null, "two cubes are no anchor");
            Assert.That(Answers.Ground(Scene, cube with { Relation = Relation.InFrontOf, Anchor = sphere })!.ToString(),
                Does.StartWith("<ground> the red cube in front of the blue sphere <ans> <InView> <ref> red cube </ref>"));
            Assert.That(Answers.Ground(Scene, cube with { Most = Superlative.Nearest })!.ToString(), Does.StartWith("<ground> the nearest red cube <ans>"));
        });

        static int[]? Ids(Phrase phrase) => phrase.TryResolve(Scene, out ObjectLabel[] found) ? [.. found.Select(o => o.Id)] : null;
    }

    [Test]
    public void Questions_are_answered_exactly()
    {
        var sphere = new Phrase(Blue, Sphere);
        ObjectLabel[] two = Scene[..2];
        Assert.Multiple(() =>
        {
            Assert.That(Answers.Count(Scene, new Phrase(Red, Cube))!.ToString(), Is.EqualTo("<ask> how many red cubes are there ? <ans> two <eos>"));
            Assert.That(Answers.Count(Scene, new Phrase(null, null))!.ToString(), Is.EqualTo("<ask> how many objects are there ? <ans> three <eos>"));
            Assert.That(Answers.Count(Scene, new Phrase(Green, null))!.ToString(), Is.EqualTo("<ask> how many green objects are there ? <ans> zero <eos>"));
            Assert.That(Answers.Attribute(Scene, QueryKind.Colour, new Phrase(null, Sphere))!.ToString(), Is.EqualTo("<ask> what colour is the sphere ? <ans> blue <eos>"));
            Assert.That(Answers.Attribute(Scene, QueryKind.Shape, new Phrase(Blue, null))!.ToString(), Is.EqualTo("<ask> what shape is the blue object ? <ans> sphere <eos>"));
            Assert.That(Answers.Attribute(Scene, QueryKind.Shape, new Phrase(Red, null)), Is.Null, "two red objects have no one shape");
            Assert.That(Answers.Exist(Scene, new Phrase(Red, Sphere))!.ToString(), Is.EqualTo("<ask> is there a red sphere ? <ans> no <eos>"));
            Assert.That(Answers.RelationYesNo(two, sphere, Relation.LeftOf, new Phrase(Red, Cube))!.ToString(), Is.EqualTo("<ask> is the blue sphere left of the red cube ? <ans> no <eos>"));
            Assert.That(Answers.Nearer(two, sphere, new Phrase(Red, Cube))!.ToString(), Is.EqualTo("<ask> which is nearer , the blue sphere or the red cube ? <ans> the red cube <eos>"));
        });
    }

    [Test]
    public void Ambiguous_objects_and_close_pairs_are_not_asked_about()
    {
        ObjectLabel[] hidden = [.. Scene, Scenery.Object(4, Green, Cone, 0.3f, pixels: 60)];
        ObjectLabel[] close = [Scenery.Object(1, Red, Cube, 0.5f, distance: 4), Scenery.Object(2, Blue, Sphere, 0.52f, distance: 4.1f)];
        Assert.Multiple(() =>
        {
            Assert.That(Answers.Ground(hidden, new Phrase(Green, Cone)), Is.Null);
            Assert.That(Answers.Count(hidden, new Phrase(null, null)), Is.Null);
            Assert.That(Answers.Ground(hidden, new Phrase(null, null, Superlative.Leftmost)), Is.Null);
            Assert.That(Answers.Ground(hidden, new Phrase(Red, Cube)), Is.Not.Null);
            foreach (Relation relation in Enum.GetValues<Relation>())
                Assert.That(Answers.RelationYesNo(close, new Phrase(Red, Cube), relation, new Phrase(Blue, Sphere)), Is.Null, relation.ToString());
        });
    }

    [Test]
    public void Random_scenes_agree_with_a_plain_reading_of_the_phrase()
    {
        var random = new Random(11);
        int answered = 0;
        for (int round = 0; round < 3000; round++)
        {
            List<ObjectLabel> scene = Scenery.Random(random, random.Next(1, 7));
            var phrase = new Phrase(random.Next(3) > 0 ? (ObjectColour)random.Next(3) : null, random.Next(3) > 0 ? (ObjectShape)random.Next(3) : null);
            int form = random.Next(3);
            if (form == 1)
                phrase = phrase with { Most = (Superlative)random.Next(4) };
            else if (form == 2)
                phrase = phrase with { Relation = (Relation)random.Next(4), Anchor = new Phrase((ObjectColour)random.Next(3), (ObjectShape)random.Next(3)) };
            HashSet<int>? expected = Plain(scene, phrase);
            bool known = phrase.TryResolve(scene, out ObjectLabel[] found);
            Assert.That(known, Is.EqualTo(expected is not null), phrase.ToString());
            if (!known)
                continue;
            answered++;
            Assert.That(found.Select(o => o.Id), Is.EquivalentTo(expected!), phrase.ToString());
            Assert.That(found.Select(o => o.CentreX), Is.Ordered);
        }
        Assert.That(answered, Is.GreaterThan(600));
    }

    [Test]
    public void The_mix_asks_only_what_can_be_answered_and_oversamples_hard_relations()
    {
        var random = new Random(4);
        int relations = 0, hard = 0, absent = 0, grounded = 0;
        for (int round = 0; round < 6000; round++)
        {
            List<ObjectLabel> scene = Scenery.Random(random, 6);
            if (QueryMix.Next(scene, random) is not { Kind: QueryKind.Ground } query)
                continue;
            Assert.That(query.Targets.All(o => o.IsClear));
            grounded++;
            absent += query.Targets.Length == 0 ? 1 : 0;
            if (query.Phrase!.Relation is null || query.Targets.Length == 0)
                continue;
            relations++;
            hard += query.Candidates > 1 ? 1 : 0;
        }
        Assert.That(hard / (double)relations, Is.GreaterThan(0.35));
        Assert.That(absent / (double)grounded, Is.InRange(0.1, 0.5));
    }

    /// <summary>The same rules written once more, object by object.</summary>
    private static HashSet<int>? Plain(List<ObjectLabel> scene, Phrase phrase)
    {
        bool Fits(ObjectLabel o, Phrase p) => (p.Colour == null || o.Colour == p.Colour) && (p.Shape == null || o.Shape == p.Shape);
        int anchor = 0;
        if (phrase.Anchor is { } a)
        {
            List<ObjectLabel> anchors = scene.FindAll(o => Fits(o, a));
            if (anchors.Count != 1 || !anchors[0].IsClear)
                return null;
            anchor = anchors[0].Id;
        }
        List<ObjectLabel> named = scene.FindAll(o => Fits(o, phrase) && o.Id != anchor);
        if (named.Exists(o => !o.IsClear))
            return null;
        if (phrase.Relation is { } relation)
        {
            var result = new HashSet<int>();
            ObjectLabel other = scene.Find(o => o.Id == anchor)!;
            foreach (ObjectLabel o in named)
            {
                bool depth = relation is Relation.InFrontOf or Relation.Behind;
                float gap = depth ? o.Distance - other.Distance : (o.X0 + o.X1 - other.X0 - other.X1) / 2;
                if (Math.Abs(gap) < (depth ? 0.05f * Math.Max(o.Distance, other.Distance) : 0.03f))
                    return null;
                if (gap < 0 == relation is Relation.LeftOf or Relation.InFrontOf)
                    result.Add(o.Id);
            }
            return result;
        }
        if (phrase.Most is not { } most || named.Count == 0)
            return [.. named.Select(o => o.Id)];
        bool far = most is Superlative.Nearest or Superlative.Farthest;
        float Key(ObjectLabel o) => (most is Superlative.Rightmost or Superlative.Farthest ? -1 : 1) * (far ? o.Distance : o.CentreX);
        ObjectLabel[] order = [.. named.OrderBy(Key)];
        foreach (ObjectLabel rival in order[1..])
            if (Math.Abs(Key(rival) - Key(order[0])) < (far ? 0.05f * Math.Max(rival.Distance, order[0].Distance) : 0.03f))
                return null;
        return [order[0].Id];
    }
}
