using System.Text.Json;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Samples;

/// <summary>The main job, from the Vulkan frame to the annotated picture, with the embedded model.</summary>
public sealed class SceneQueryTests
{
    private string _folder = "";
    private Sample _run = null!;
    private JsonElement _answer;

    [OneTimeSetUp]
    public void Run()
    {
        _folder = Directory.CreateTempSubdirectory("scenequery").FullName;
        _run = Sample.SceneQuery("--out", _folder, "--json");
        Assert.That(_run.ExitCode, Is.EqualTo(0), _run.Error);
        _answer = JsonDocument.Parse(_run.Output).RootElement;
    }

    [OneTimeTearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Describes_answers_and_grounds() => Assert.Multiple(() =>
    {
        Assert.That(_answer.GetProperty("description").GetString(), Does.StartWith("I see"));
        Assert.That(_answer.GetProperty("answer").GetProperty("text").GetString(), Is.Not.Empty);
        JsonElement[] grounded = [.. _answer.GetProperty("grounded").EnumerateArray()];
        Assert.That(grounded.Select(g => g.GetProperty("in_view").GetBoolean()), Is.EqualTo(new[] { true, true, false }));
        foreach (JsonElement detection in grounded.SelectMany(g => g.GetProperty("detections").EnumerateArray()))
        {
            double[] box = [.. detection.GetProperty("box").EnumerateArray().Select(v => v.GetDouble())];
            Assert.That(box[0] >= 0 && box[1] >= 0 && box[2] > box[0] && box[3] > box[1] && box[2] <= 960 && box[3] <= 540);
            Assert.That(detection.GetProperty("confidence").GetDouble(), Is.InRange(0.3, 1));
        }
    });

    [Test]
    public void Writes_the_picture_the_annotated_picture_and_the_answer()
    {
        PixelBuffer picture = ImageFile.Decode(Path.Combine(_folder, "scene.png"));
        PixelBuffer annotated = ImageFile.Decode(Path.Combine(_folder, "scene.annotated.png"));
        Assert.Multiple(() =>
        {
            Assert.That((picture.Width, picture.Height), Is.EqualTo((960, 540)));
            Assert.That((annotated.Width, annotated.Height), Is.EqualTo((960, 540)));
            Assert.That(annotated.Data.Span.SequenceEqual(picture.Data.Span), Is.False, "boxes must have been drawn");
            Assert.That(File.ReadAllText(Path.Combine(_folder, "answer.json")).Trim(), Is.EqualTo(_run.Output.Trim()));
        });
    }

    [Test]
    public void The_capture_dropped_nothing_it_did_not_count()
    {
        JsonElement capture = _answer.GetProperty("capture");
        long Count(string name) => capture.GetProperty(name).GetInt64();
        Assert.That(Count("captured"), Is.GreaterThan(0));
        Assert.That(Count("delivered"), Is.EqualTo(1));
    }

    [Test]
    public void Questions_and_phrases_of_the_user_are_used_and_unknown_words_named()
    {
        string folder = Path.Combine(_folder, "asked");
        Sample run = Sample.SceneQuery("--out", folder, "--seed", "3", "--ask", "is there a red cube?", "--ground", "the shiny ball", "--ground", "the zebra");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
            Assert.That(run.Output, Does.Contain("is there a red cube?").And.Contain("the shiny ball").And.Contain("'shiny'").And.Contain("'zebra'"));
            Assert.That(run.Output, Does.Match("capture .* ms .*encode .* ms, prefill .* ms, decode .* ms a token"));
        });
    }

    [TestCase("--ground", "", "--ground is empty")]
    [TestCase("--ground", " \t", "--ground is empty")]
    [TestCase("--ask", "", "--ask is empty")]
    [TestCase("--model", "", "--model is empty")]
    [TestCase("--out", " ", "--out is empty")]
    [TestCase("--backend", "nope", "'nope'")]
    [TestCase("--model", "/no/such/model", "/no/such/model")]
    [TestCase("--seed", "x", "'x'")]
    [TestCase("--seed", "-1", "'-1'")]
    [TestCase("--nonsense", "x", "'--nonsense'")]
    public void A_wrong_argument_is_refused_before_anything_is_made(string option, string value, string says)
    {
        string folder = Path.Combine(_folder, "refused");
        string[] arguments = ["--ground", "the red cube", option, value];
        Sample run = Sample.SceneQuery(option == "--out" ? arguments : [.. arguments, "--out", folder]);
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Output, Is.Empty);
            Assert.That(run.Error.Trim().Split('\n'), Has.Length.EqualTo(1), run.Error);
            Assert.That(run.Error, Does.Contain(says));
            Assert.That(Directory.Exists(folder), Is.False);
        });
    }

    [Test]
    public void Help_and_errors()
    {
        Sample help = Sample.SceneQuery("--help"), model = Sample.SceneQuery("--out", _folder, "--model", "/no/such/model");
        Assert.Multiple(() =>
        {
            Assert.That(help.ExitCode, Is.EqualTo(0));
            foreach (string option in new[] { "--ask", "--ground", "--seed", "--model", "--backend", "--out", "--json" })
                Assert.That(help.Output, Does.Contain(option));
            Assert.That(model.ExitCode, Is.Not.EqualTo(0));
            Assert.That(model.Error, Does.Contain("/no/such/model"));
        });
    }
}
