using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Training;

/// <summary>Packed rows and the inputs of the loss made from them; mirrored scenes.</summary>
[TestFixture]
public sealed class PackingTests
{
    private const int Length = 176;

    [Test]
    public void Rows_hold_whole_questions_one_behind_the_other()
    {
        var random = new Random(3);
        int ask = ScoutVocabulary.Id("<ans>"), end = ScoutVocabulary.Id("<eos>"), filled = 0;
        for (int round = 0; round < 60; round++)
        {
            PackedText text = PackedText.Pack(Scenery.Random(random, random.Next(8)), random, Length);
            filled += text.Used;
            int query = 0;
            bool answering = false;
            for (int i = 0; i < Length; i++)
            {
                if (i >= text.Used)
                {
                    Assert.That((text.Tokens[i], text.Targets[i], text.Queries[i], text.PointA[i], text.PointB[i]), Is.EqualTo((0, -1, 0, 0UL, 0UL)));
                    continue;
                }
                if (text.Queries[i] != query)
                {
                    Assert.That(text.Queries[i], Is.EqualTo(++query));
                    Assert.That(text.Positions[i], Is.Zero);
                    Assert.That(i == 0 || text.Targets[i - 1] == end, "every question ends before the next begins");
                    answering = false;
                }
                else
                    Assert.That(text.Positions[i], Is.EqualTo(text.Positions[i - 1] + 1));
                answering |= text.Tokens[i] == ask;
                Assert.That(text.Targets[i] >= 0, Is.EqualTo(answering), "only answers are learned");
                if (answering && text.Targets[i] != end)
                    Assert.That(text.Tokens[i + 1], Is.EqualTo(text.Targets[i]));
                Assert.That(answering ? text.PointA[i] : text.PointB[i], Is.Zero);
                Assert.That(float.IsNaN(text.Coordinates[i]), Is.EqualTo(text.Targets[i] < ScoutVocabulary.LocationBase));
            }
        }
        Assert.That(filled / (60.0 * Length), Is.GreaterThan(0.8));
    }

    [Test]
    public void Shares_of_every_mean_add_up()
    {
        (RawBatch batch, Dictionary<string, HostTensor> inputs) = Inputs();
        float Sum(string name)
        {
            float sum = 0;
            foreach (float v in inputs[name].Floats)
                sum += v;
            return sum;
        }
        Assert.Multiple(() =>
        {
            foreach (string name in new[] { "patch_shape", "patch_colour", "patch_object_weight", "token_shape", "token_colour", "token_object_weight", "answer", "box_weight", "point_a_weight", "point_b_weight" })
                Assert.That(Sum(name), Is.EqualTo(1).Within(1e-4), name);
        });

        int row = 0, box = ScoutVocabulary.Id("<box>"), expected = batch.Texts.Sum(t => t.Tokens.Where((token, i) => token == box && t.Targets[i] >= 0).Count());
        Span<float> weight = inputs["box_weight"].Floats, target = inputs["box"].Floats;
        Span<int> rows = inputs["box_rows"].Ints;
        for (; row < weight.Length && weight[row] > 0; row++)
        {
            PackedText text = batch.Texts[rows[row * 4] / Length];
            int at = rows[row * 4] % Length;
            Assert.That(text.Tokens[at], Is.EqualTo(box));
            for (int k = 0; k < 4; k++)
            {
                Assert.That(rows[row * 4 + k], Is.EqualTo(rows[row * 4] + k));
                Assert.That((int)(target[row * 4 + k] * 128), Is.EqualTo(text.Targets[at + k] - ScoutVocabulary.LocationBase));
            }
        }
        Assert.That(row, Is.EqualTo(expected));
    }

    [Test]
    public void Padding_is_a_segment_of_its_own_and_text_positions_follow_the_picture()
    {
        (RawBatch batch, Dictionary<string, HostTensor> inputs) = Inputs();
        int picture = batch.Config.PictureTokens, all = picture + Length;
        for (int b = 0; b < batch.Count; b++)
            for (int i = 0; i < all; i++)
            {
                int segment = inputs["segments"].Ints[b * all + i], position = inputs["positions"].Ints[b * all + i];
                if (i < picture)
                    Assert.That((segment, position), Is.EqualTo((0, i)));
                else
                {
                    int query = batch.Texts[b].Queries[i - picture];
                    Assert.That(segment, query == 0 ? Is.GreaterThan(batch.Texts[b].Queries.Max()) : Is.EqualTo(query));
                    Assert.That(position, Is.EqualTo(picture + batch.Texts[b].Positions[i - picture]));
                }
            }
    }

    [Test]
    public void Dense_labels_name_the_object_with_most_pixels_and_ignore_ambiguous_ones()
    {
        ObjectLabel clear = Scenery.Object(1, ObjectColour.Red, ObjectShape.Cube, 0.5f), hidden = Scenery.Object(2, ObjectColour.Blue, ObjectShape.Cone, 0.5f, pixels: 40);
        byte[] ids = new byte[64 * 64];
        Fill(0, 0, 16, 10, 1);
        Fill(0, 10, 16, 16, 2);
        Fill(16, 0, 32, 16, 2);
        Fill(32, 0, 36, 4, 1); // 16 of 256 pixels: under 8 %
        int[] grid = DenseLabels.Grid(ids, 64, 4);
        Assert.That(grid[..4], Is.EqualTo(new[] { 1, 2, 0, 0 }));
        var labels = new DenseLabels(16);
        labels.SetPatches(0, grid, new Dictionary<int, ObjectLabel> { [1] = clear, [2] = hidden });
        Assert.That(labels.Objectness[..4], Is.EqualTo(new[] { 1, 2, 0, 0 }));
        var tokens = new DenseLabels(8);
        tokens.SetTokens(0, grid, 4, new Dictionary<int, ObjectLabel> { [1] = clear, [2] = hidden });
        Assert.That(tokens.Objectness, Is.EqualTo(new[] { 1, 2, 0, 0, 0, 0, 0, 0 }));

        void Fill(int x0, int y0, int x1, int y1, byte id)
        {
            for (int y = y0; y < y1; y++)
                ids.AsSpan(y * 64 + x0, x1 - x0).Fill(id);
        }
    }

    [Test]
    public void A_mirrored_scene_swaps_left_and_right_and_nothing_else()
    {
        LabelledPicture picture = Scenery.Picture(8, 64), mirrored = SceneCache.Mirror(picture), back = SceneCache.Mirror(mirrored);
        Assert.That(back.Rgb, Is.EqualTo(picture.Rgb));
        Assert.That(back.ObjectIds, Is.EqualTo(picture.ObjectIds));
        Assert.That(mirrored.ObjectIds, Is.Not.EqualTo(picture.ObjectIds));
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 64; x++)
                Assert.That(mirrored.ObjectIds[y * 64 + x], Is.EqualTo(picture.ObjectIds[y * 64 + 63 - x]));

        var random = new Random(2);
        for (int round = 0; round < 200; round++)
        {
            List<ObjectLabel> scene = Scenery.Random(random, 5);
            ObjectLabel[] other = [.. SceneCache.Mirror(new LabelledPicture(new byte[12], new byte[4], scene)).Objects];
            Phrase a = Phrase.Of(scene[0]), b = Phrase.Of(scene[1]);
            Same(a with { Relation = Relation.LeftOf, Anchor = b }, a with { Relation = Relation.RightOf, Anchor = b });
            Same(a with { Relation = Relation.Behind, Anchor = b }, a with { Relation = Relation.Behind, Anchor = b });
            Same(new Phrase(null, scene[0].Shape, Superlative.Leftmost), new Phrase(null, scene[0].Shape, Superlative.Rightmost));

            void Same(Phrase here, Phrase there)
            {
                Assert.That(here.TryResolve(scene, out ObjectLabel[] found), Is.EqualTo(there.TryResolve(other, out ObjectLabel[] opposite)));
                Assert.That(opposite.Select(o => o.Id), Is.EquivalentTo(found.Select(o => o.Id)));
            }
        }
    }

    private static (RawBatch Batch, Dictionary<string, HostTensor> Inputs) Inputs()
    {
        var batch = new RawBatch(ScoutConfig.Tiny, 3, Length);
        for (int i = 0; i < 3; i++)
            batch.Set(i, Scenery.Picture(20 + i, 64), new Random(i));
        Graph graph = ScoutLoss.Full(ScoutConfig.Tiny, 3, Length, LossInputs.MaximumBoxes(3, Length));
        Dictionary<string, HostTensor> inputs = graph.Inputs.ToDictionary(i => i.InputName, i => new HostTensor(i.InputType, i.InputShape));
        LossInputs.Fill(batch, name => inputs[name]);
        return (batch, inputs);
    }
}
