using System.Diagnostics;

namespace VlmSdk.Tests.Interop.Samples;

/// <summary>The vlm command line as a user meets it: one line of standard error and an exit code for everything that is wrong.</summary>
public sealed class VlmCommandTests
{
    private string _folder = "";

    private static string Picture => Golden.Own("preprocess", "sources", "pixel.png");

    private static string Decoder => Golden.Own("quant", "llama-mixed", "model.gguf");

    [OneTimeSetUp]
    public void Make()
    {
        _folder = Directory.CreateTempSubdirectory("vlmcommand").FullName;
        File.WriteAllBytes(Path.Combine(_folder, "cut.gguf"), File.ReadAllBytes(Decoder)[..4000]);
        File.WriteAllText(Path.Combine(_folder, "notes.txt"), "unrelated");
        File.WriteAllBytes(Path.Combine(_folder, "empty.png"), []);
    }

    [OneTimeTearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [TestCase("describe|PICTURE|--model|DECODER", "model.gguf", "'llama'")]
    [TestCase("describe|PICTURE|--model|FOLDER/cut.gguf", "cut.gguf", "again")]
    [TestCase("describe|PICTURE|--model|FOLDER/notes.txt", "notes.txt", "GGUF")]
    [TestCase("describe|PICTURE|--model|FOLDER/none", "FOLDER/none", "no such file")]
    [TestCase("describe|FOLDER/empty.png", "empty.png", "0 bytes")]
    [TestCase("describe|FOLDER", "FOLDER", "cannot be read")]
    [TestCase("describe|PICTURE|--backend|99", "'99'", "native")]
    [TestCase("describe|PICTURE|--backend|native, torch", "'native, torch'", "reference")]
    [TestCase("describe|PICTURE|--bogus|--nope", "'--bogus'", "'--nope'", "--help")]
    [TestCase("ground|--backend|nope", "'ground'", "'nope'", "--help")]
    [TestCase("ground", "Required argument missing", "--help")]
    [TestCase("nothing", "'nothing'", "--help")]
    [TestCase("ask|FOLDER/none.png| ", "text", "empty")]
    [TestCase("ground|FOLDER/none.png|LONG", "text", "50000")]
    [TestCase("generate|--model|DECODER|--prompt|", "prompt", "empty")]
    [TestCase("generate|--model|DECODER|--prompt|the|--max|0", "at least one token", "0")]
    [TestCase("generate|--model|DECODER|--prompt|the|--temperature|NaN", "temperature", "finite")]
    [TestCase("generate|--model|FOLDER|--prompt|the", "FOLDER", "is a folder")]
    [TestCase("inspect|FOLDER/notes.txt", "notes.txt", ".safetensors")]
    [TestCase("inspect|FOLDER/cut.gguf", "cut.gguf", "again")]
    public async Task A_fault_gives_one_line_and_an_exit_code(string arguments, params string[] says)
    {
        (int code, string output, string error) = await Run(Filled(arguments).Split('|'));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(output, Is.Empty);
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1), error);
            foreach (string part in says)
                Assert.That(error, Does.Contain(Filled(part)));
        });
    }

    [Test]
    public async Task A_prompt_that_begins_like_a_file_of_arguments_is_text()
    {
        (int code, string output, string error) = await Run("generate", "--model", Decoder, "--prompt", "@the", "--greedy", "--max", "2", "--json");
        Assert.That(code, Is.Zero, error);
        using var json = System.Text.Json.JsonDocument.Parse(output);
        Assert.That(json.RootElement.GetProperty("prompt").GetString(), Is.EqualTo("@the"));
        Assert.That(json.RootElement.GetProperty("ids").GetArrayLength(), Is.InRange(1, 2));
        Assert.That(json.RootElement.GetProperty("first_best").GetArrayLength(), Is.EqualTo(8));
    }

    private string Filled(string text) => text.Replace("PICTURE", Picture, StringComparison.Ordinal).Replace("LONG", new string('x', 50_000), StringComparison.Ordinal)
        .Replace("DECODER", Decoder, StringComparison.Ordinal).Replace("FOLDER", _folder, StringComparison.Ordinal);

    internal static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        // artifacts/bin/<project>/<configuration>/
        string here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        string program = Path.GetFullPath(Path.Combine(here, "..", "..", "Vlm", Path.GetFileName(here), "vlm.dll"));
        var start = new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
