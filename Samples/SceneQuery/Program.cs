using System.CommandLine;
using System.CommandLine.Parsing;
using VlmSdk;
using VlmSdk.Samples.SceneQuery;

// The main job: an engine draws, the SDK captures a frame without stopping it, and a model describes, answers and grounds.

var ask = new Option<string>("--ask") { Description = "The question.", DefaultValueFactory = _ => "How many objects are there?" };
var ground = new Option<string[]>("--ground") { Description = "A phrase to find; may be given several times. Default: two things in the scene and one that is not." };
var seed = new Option<ulong>("--seed") { Description = "Which scene to draw.", DefaultValueFactory = _ => SceneQueryRun.DefaultSeed };
var model = new Option<string>("--model") { Description = "scout, a folder, or a .gguf file.", DefaultValueFactory = _ => "scout" };
var backend = new Option<Backend>("--backend") { Description = "auto, native, torch or reference.", DefaultValueFactory = _ => Backend.Auto };
var output = new Option<string>("--out") { Description = "Folder for scene.png, scene.annotated.png and answer.json.", DefaultValueFactory = _ => "out" };
var json = new Option<bool>("--json") { Description = "Write the answer as JSON to standard output." };

var root = new RootCommand("Draws a 3-D scene with Vulkan, captures the frame, and asks a vision-language model about it.")
{
    ask, ground, seed, model, backend, output, json,
};
root.SetAction(async (ParseResult r, CancellationToken token) =>
{
    try
    {
        await new SceneQueryRun(r.GetRequiredValue(ask), r.GetValue(ground) ?? [], r.GetValue(seed), r.GetRequiredValue(model),
            r.GetValue(backend), r.GetRequiredValue(output), r.GetValue(json)).RunAsync(token);
        return 0;
    }
    catch (Exception e) when (e is VlmException or ArgumentException or IOException or UnauthorizedAccessException)
    {
        await Console.Error.WriteLineAsync($"error: {e.Message}");
        return 1;
    }
});
return await root.Parse(args).InvokeAsync();
