using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;
using static TorchSharp.torch;

namespace VlmSdk.Tests.Training;

/// <summary>Optimiser, scene cache, and whole runs of the tiny model.</summary>
[TestFixture]
public sealed class TrainingRunTests
{
    private string _folder = null!;

    [SetUp]
    public void Make() => _folder = Directory.CreateTempSubdirectory("trainscout").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [TestCase(12, 40)]
    [TestCase(40, 12)]
    [TestCase(16, 16)]
    public void Muon_makes_matrices_nearly_orthogonal(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var random = new Random(1);
        float[] values = [.. Enumerable.Range(0, 2 * rows * columns).Select(_ => random.NextSingle() - 0.5f)];
        Tensor source = tensor(values).reshape(2, rows, columns);
        Tensor result = Optimiser.Orthogonalise(source);
        Assert.That(result.shape, Is.EqualTo(source.shape));
        for (int k = 0; k < 2; k++)
        {
            (_, Tensor singular, _) = linalg.svd(result[k], fullMatrices: false);
            Assert.That(singular.max().ToSingle(), Is.LessThan(1.3));
            // A square random matrix has a singular value near zero, which five steps cannot lift.
            Assert.That(rows == columns ? singular.median().ToSingle() : singular.min().ToSingle(), Is.GreaterThan(0.6));
            // The row space stays: the result times the source's transpose is symmetric and positive.
            Tensor product = result[k].matmul(source[k].transpose(0, 1));
            Assert.That((product - product.transpose(0, 1)).abs().max().ToSingle(), Is.LessThan(1e-3));
        }
    }

    [Test]
    public void Training_learns_and_a_resumed_run_equals_an_uninterrupted_one()
    {
        const int steps = 8;
        Dictionary<string, byte[]> whole, parts;
        using (Trainer trainer = Trainer.Start(ScoutConfig.Tiny, Options("whole", steps), Scenes))
        {
            trainer.Run(Log("whole"));
            whole = Weights(trainer);
        }
        using (Trainer trainer = Trainer.Start(ScoutConfig.Tiny, Options("parts", steps), Scenes))
            trainer.Run(Log("parts"), stopAfter: 3);
        using (Trainer trainer = Trainer.Resume(ScoutConfig.Tiny, Path.Combine(_folder, "parts"), Scenes))
        {
            Assert.That(trainer.State.Step, Is.EqualTo(3));
            Assert.That(trainer.State.Images, Is.EqualTo(6));
            trainer.Run(Log("parts"));
            parts = Weights(trainer);
        }
        Assert.That(parts.Keys, Is.EquivalentTo(whole.Keys));
        foreach ((string name, byte[] bytes) in whole)
            Assert.That(parts[name].AsSpan().SequenceEqual(bytes), name);
        Assert.That(File.Exists(Path.Combine(_folder, "whole", "loss.png")));
        Assert.That(File.ReadAllText(Path.Combine(_folder, "whole", "loss.txt")), Does.Contain("training loss"));
    }

    [Test]
    public void A_run_from_nothing_lowers_the_loss()
    {
        TrainOptions options = Options("fall", 60) with { Batch = 4, MuonRate = 0.03f, AdamRate = 0.01f, ValidationScenes = 4 };
        using Trainer trainer = Trainer.Start(ScoutConfig.Tiny, options, n => Scenes(n % 4));
        trainer.Run(Log("fall"));
        double[] losses = [.. File.ReadLines(Path.Combine(_folder, "fall", "progress.jsonl")).Select(l => System.Text.Json.JsonDocument.Parse(l).RootElement)
            .Where(e => e.GetProperty("kind").GetString() == "validation").Select(e => e.GetProperty("loss").GetDouble())];
        Assert.That(losses[^1], Is.LessThan(losses[0] * 0.8));
    }

    [Test]
    public void Cached_scenes_come_back_unchanged_and_damaged_files_are_drawn_again()
    {
        var cache = new SceneCache(_folder, Scenes);
        LabelledPicture first = cache.Get(-5), second = cache.Get(-5);
        Assert.That(cache.Drawn, Is.EqualTo(1));
        Assert.That(second.Rgb, Is.EqualTo(first.Rgb));
        Assert.That(second.ObjectIds, Is.EqualTo(first.ObjectIds));
        Assert.That(second.Objects, Is.EqualTo(first.Objects));

        string file = Directory.GetFiles(_folder, "*.scene", SearchOption.AllDirectories).Single();
        byte[] bytes = File.ReadAllBytes(file);
        foreach (int length in new[] { 0, 3, 9, bytes.Length / 2, bytes.Length - 1 })
        {
            File.WriteAllBytes(file, bytes[..length]);
            Assert.That(cache.Get(-5).Rgb, Is.EqualTo(first.Rgb));
        }
        Assert.That(cache.Drawn, Is.EqualTo(6));
    }

    [Test]
    public void Two_writers_of_one_cached_scene_do_not_meet()
    {
        string folder = Path.Combine(_folder, "shared"), file = Path.Combine(folder, "1.scene");
        LabelledPicture picture = Scenes(1);
        Parallel.For(0, 32, _ => SceneCache.Write(file, picture));
        Assert.That(SceneCache.TryRead(file)!.Rgb, Is.EqualTo(picture.Rgb));
        Assert.That(Directory.GetFiles(folder), Is.EqualTo(new[] { file }));
    }

    [Test]
    public void Each_scene_is_shown_four_times_and_twice_mirrored()
    {
        var uses = new Dictionary<long, List<bool>>();
        for (long image = 0; image < 4 * 1200; image++)
        {
            (long scene, bool mirrored) = BatchFeed.Scene(image);
            (uses.TryGetValue(scene, out List<bool>? seen) ? seen : uses[scene] = []).Add(mirrored);
        }
        Assert.That(uses.Where(u => u.Key is >= 0 and < 400).Select(u => (u.Value.Count, u.Value.Count(m => m))), Is.All.EqualTo((4, 2)));
    }

    [Test]
    public void Ambiguous_objects_count_neither_for_nor_against_a_description()
    {
        ObjectLabel[] scene =
        [
            Scenery.Object(1, ObjectColour.Red, ObjectShape.Cube, 0.2f),
            Scenery.Object(2, ObjectColour.Blue, ObjectShape.Cone, 0.8f, pixels: 50),
        ];
        Assert.That(F1("I see two objects: a red cube at the top left, a blue cone in the middle."), Is.EqualTo(1));
        Assert.That(F1("I see one object: a red cube at the top left."), Is.EqualTo(1));
        Assert.That(F1("I see two objects: a red cube at the left, an orange cone in the middle."), Is.EqualTo(0.6667).Within(1e-4));
        Assert.That(F1("I see no objects."), Is.Zero);

        double F1(string text)
        {
            var scores = new EvaluationScores();
            scores.AddDescription(Evaluation.Named(text), scene);
            return scores.ToJson()["object_f1"]!.GetValue<double>();
        }
    }

    private static LabelledPicture Scenes(long number) => Scenery.Picture(number, ScoutConfig.Tiny.ImageSide);

    private TrainOptions Options(string name, int steps) => new()
    {
        Out = Path.Combine(_folder, name),
        Scenes = _folder,
        Steps = steps,
        Batch = 2,
        TextLength = 64,
        Threads = 1,
        ValidationScenes = 0,
        EncoderShare = 0.25,
    };

    private ProgressLog Log(string name) => new(Path.Combine(_folder, name), console: null);

    private static Dictionary<string, byte[]> Weights(Trainer trainer)
    {
        WeightBinding binding = trainer.Average.ToBinding("average");
        return trainer.Average.ByName.ToDictionary(p => p.Key, p => binding.Get(new VlmSdk.Graphs.WeightOp(p.Key, new Shape([.. p.Value.shape.Select(a => (int)a)]))).Data.ToArray());
    }
}
