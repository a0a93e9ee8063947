using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace VlmSdk.Tests.Samples;

/// <summary>The embedded model on a small fresh sample, from drawn pixels to text. The full figures stand in docs/scout.md.</summary>
public sealed class ScoutTests
{
    [Test]
    public void The_embedded_model_does_its_job_on_fresh_scenes()
    {
        string json = Path.Combine(Directory.CreateTempSubdirectory("eval").FullName, "eval.json");
        Sample run = Sample.TrainScout("eval", "--scenes", "60", "--seed", "20261", "--json", json);
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        JsonElement figures = JsonDocument.Parse(File.ReadAllText(json)).RootElement;
        double Figure(string name) => figures.GetProperty(name).GetDouble();
        // Bounds lie well below the model card's figures: a sample of sixty scenes wanders by a few points.
        Assert.Multiple(() =>
        {
            Assert.That(Figure("scenes"), Is.EqualTo(60));
            Assert.That(Figure("acc_at_50"), Is.GreaterThan(0.7));
            Assert.That(Figure("mean_iou"), Is.GreaterThan(0.55));
            Assert.That(Figure("relational_acc_at_50"), Is.GreaterThan(0.5));
            Assert.That(Figure("object_f1"), Is.GreaterThan(0.65));
            Assert.That(Figure("count_accuracy"), Is.GreaterThan(0.6));
            Assert.That(Figure("false_present"), Is.LessThan(0.12));
            Assert.That(Figure("presence_recall"), Is.GreaterThan(0.8));
            Assert.That(Figure("calibration_error"), Is.LessThan(0.1));
        });
    }

    [Test]
    public void Training_by_parts_lowers_the_loss_in_both_stages()
    {
        Sample run = Sample.TrainScout("tune", "--steps", "10", "--batch", "4");
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        double[] losses = [.. Regex.Matches(run.Output, @"held-out loss ([0-9.]+)").Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];
        // As trained, with a new projector, after each stage.
        Assert.That(losses, Has.Length.EqualTo(4));
        Assert.Multiple(() =>
        {
            Assert.That(losses[1], Is.GreaterThan(2 * losses[0]));
            Assert.That(losses[2], Is.LessThan(0.75 * losses[1]));
            Assert.That(losses[3], Is.LessThan(losses[2]));
        });
    }
}
