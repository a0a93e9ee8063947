using System.Text.Json;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Samples;

/// <summary>The command-line tool on files.</summary>
public sealed class VlmTests
{
    private string _folder = "", _picture = "";

    [OneTimeSetUp]
    public void Draw()
    {
        _folder = Directory.CreateTempSubdirectory("vlm").FullName;
        Sample run = Sample.SceneQuery("--out", _folder);
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        _picture = Path.Combine(_folder, "scene.png");
    }

    [OneTimeTearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Describe_reads_as_a_sentence()
    {
        Sample run = Sample.Vlm("describe", _picture);
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        Assert.That(run.Output.Trim(), Does.StartWith("I see").And.EndsWith("."));
    }

    [Test]
    public void Ask_answers_as_json()
    {
        Sample run = Sample.Vlm("ask", _picture, "how many objects are there?", "--json");
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        JsonElement answer = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(answer.GetProperty("answer").GetString(), Is.Not.Empty);
        Assert.That(answer.GetProperty("confidence").GetDouble(), Is.InRange(0, 1));
    }

    [Test]
    public void Ground_gives_boxes_and_an_annotated_picture()
    {
        JsonElement told = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "answer.json"))).RootElement.GetProperty("grounded")[0];
        string phrase = told.GetProperty("phrase").GetString()!, annotated = Path.Combine(_folder, "found.png");
        Sample run = Sample.Vlm("ground", _picture, phrase, "--json", "--annotate", annotated);
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(result.GetProperty("in_view").GetBoolean());
        // The file went through the CPU path, the frame through the GPU's: the grids are equal, so the boxes are.
        double[] box = Box(result), captured = Box(told);
        for (int i = 0; i < 4; i++)
            Assert.That(box[i], Is.EqualTo(captured[i]).Within(1e-3));
        PixelBuffer drawn = ImageFile.Decode(annotated);
        Assert.That((drawn.Width, drawn.Height), Is.EqualTo((960, 540)));

        static double[] Box(JsonElement grounded) => [.. grounded.GetProperty("detections")[0].GetProperty("box").EnumerateArray().Select(v => v.GetDouble())];
    }

    [Test]
    public void Backends_agree()
    {
        string phrase = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "answer.json"))).RootElement.GetProperty("grounded")[0].GetProperty("phrase").GetString()!;
        double Presence(string backend)
        {
            Sample run = Sample.Vlm("ground", _picture, phrase, "--json", "--backend", backend);
            Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
            return JsonDocument.Parse(run.Output).RootElement.GetProperty("presence").GetDouble();
        }
        double native = Presence("native");
        Assert.That(Presence("torch"), Is.EqualTo(native).Within(1e-3));
    }

    [Test]
    public void A_published_folder_answers_quantized_segments_and_annotates()
    {
        string model = Queries.TinyPaliGemma.Write(_folder), mask = Path.Combine(_folder, "mask.png");
        Sample ask = Sample.Vlm("ask", _picture, "where is the cube?", "--model", model, "--quantize", "q8_0", "--json");
        Assert.That(ask.ExitCode, Is.EqualTo(0), ask.Error);
        Sample segment = Sample.Vlm("segment", _picture, "the cube", "--model", model, "--mask", mask, "--json");
        Assert.That(segment.ExitCode, Is.EqualTo(0), segment.Error);
        Assert.That(JsonDocument.Parse(segment.Output).RootElement.GetProperty("presence").GetDouble(), Is.InRange(0, 1));
        PixelBuffer pixels = ImageFile.Decode(mask);
        Assert.That((pixels.Width, pixels.Height), Is.EqualTo((960, 540)));
        Sample describe = Sample.Vlm("describe", _picture, "--model", model, "--json");
        Assert.That(describe.ExitCode, Is.EqualTo(0), describe.Error);
        Sample refused = Sample.Vlm("segment", _picture, "the cube");
        Assert.That(refused.ExitCode, Is.Not.EqualTo(0));
        Assert.That(refused.Error, Does.Contain("masks"));
    }

    [Test]
    public void Models_and_labels()
    {
        Sample models = Sample.Vlm("models");
        Assert.That(models.ExitCode, Is.EqualTo(0), models.Error);
        Assert.That(models.Output, Does.Contain("| Scout |").And.Contains("| Pixtral |"));
        Sample wrong = Sample.Vlm("classify", _picture, "a crate", "a cat", "--model", Queries.TinyLlava.Write(_folder));
        Assert.That(wrong.ExitCode, Is.Not.EqualTo(0));
        Assert.That(wrong.Error, Does.Contain("SigLIP"));
        Sample right = Sample.Vlm("classify", _picture, "a crate", "a cat", "--model", Queries.TinySiglip.Write(_folder), "--json");
        Assert.That(right.ExitCode, Is.EqualTo(0), right.Error);
        Assert.That(JsonDocument.Parse(right.Output).RootElement.GetProperty("scores").GetArrayLength(), Is.EqualTo(2));
    }

    [Test]
    public void Generate_tells_ids_text_and_the_first_steps_best_logits()
    {
        string model = Directory.GetFiles(Golden.At("quant"), "model.gguf", SearchOption.AllDirectories).Order(StringComparer.Ordinal).FirstOrDefault() ?? "";
        if (model.Length == 0)
            Assert.Ignore("The golden folder holds no decoder.");
        Sample run = Sample.Vlm("generate", "--model", model, "--prompt", "hello", "--greedy", "--max", "5", "--json");
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(result.GetProperty("prompt_ids").GetArrayLength(), Is.GreaterThan(0));
            Assert.That(result.GetProperty("ids").GetArrayLength(), Is.InRange(1, 5));
            Assert.That(result.GetProperty("text").ValueKind, Is.EqualTo(JsonValueKind.String));
            double[] logits = [.. result.GetProperty("first_best").EnumerateArray().Select(t => t.GetProperty("logit").GetDouble())];
            Assert.That(logits, Has.Length.EqualTo(8).And.Ordered.Descending);
            Assert.That(result.GetProperty("first_best")[0].GetProperty("id").GetInt32(), Is.EqualTo(result.GetProperty("ids")[0].GetInt32()));
        });
    }

    [Test]
    public void Inspect_lists_the_embedded_models_file()
    {
        string file = Path.Combine(TestContext.CurrentContext.TestDirectory, "..", "..", "..", "..", "Runtime", "Models", "Scout", "scout.gguf");
        Sample run = Sample.Vlm("inspect", file, "--json");
        Assert.That(run.ExitCode, Is.EqualTo(0), run.Error);
        Assert.That(JsonDocument.Parse(run.Output).RootElement.GetProperty("tensors").GetArrayLength(), Is.GreaterThan(50));
    }

    [Test]
    public void Faults_name_the_file_and_end_with_a_code()
    {
        string none = Path.Combine(_folder, "none.png"), empty = Path.Combine(_folder, "empty.png"), text = Path.Combine(_folder, "text.png");
        string cut = Path.Combine(_folder, "cut.gguf");
        File.WriteAllBytes(empty, []);
        File.WriteAllText(text, "this is no picture");
        File.WriteAllBytes(cut, "GGUF\x03\0\0\0"u8.ToArray());
        foreach ((string[] arguments, string named) in new (string[], string)[]
        {
            (["describe", none], none), (["describe", empty], empty), (["describe", text], text),
            (["describe", _picture, "--model", _folder], _folder), (["describe", _picture, "--model", cut], cut),
            (["ask", _picture, " "], "empty"), (["inspect", none], none), (["generate", "--model", cut, "--prompt", "x"], cut),
        })
        {
            Sample run = Sample.Vlm(arguments);
            Assert.Multiple(() =>
            {
                Assert.That(run.ExitCode, Is.Not.EqualTo(0), string.Join(' ', arguments));
                Assert.That(run.Error, Does.StartWith("error: ").And.Contain(named), string.Join(' ', arguments));
                Assert.That(run.Error, Does.Not.Contain("   at "), "a fault is told in a sentence, not as a stack trace");
            });
        }
    }

    [Test]
    public void Help_is_there_and_wrong_usage_is_not_zero()
    {
        Sample help = Sample.Vlm("--help"), wrong = Sample.Vlm("frobnicate");
        Assert.Multiple(() =>
        {
            Assert.That(help.ExitCode, Is.EqualTo(0));
            foreach (string command in new[] { "describe", "ask", "ground", "generate", "inspect" })
                Assert.That(help.Output, Does.Contain(command));
            Assert.That(wrong.ExitCode, Is.Not.EqualTo(0));
        });
    }
}
