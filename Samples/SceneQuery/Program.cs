using System.CommandLine;
using VlmSdk;
using VlmSdk.Samples;
using VlmSdk.Samples.SceneQuery;

// The main job: an engine draws, the SDK captures a frame without stopping it, and a model describes, answers and grounds.

Option<string> ask = Shell.Text(new Option<string>("--ask") { Description = "The question.", DefaultValueFactory = _ => "How many objects are there?" });
Option<string[]> ground = Shell.Text(new Option<string[]>("--ground") { Description = "A phrase to find; may be given several times. Default: two things in the scene and one that is not." });
var seed = new Option<ulong>("--seed") { Description = "Which scene to draw.", DefaultValueFactory = _ => SceneQueryRun.DefaultSeed };
Option<string> model = Shell.Text(new Option<string>("--model") { Description = "scout, a folder, or a .gguf file.", DefaultValueFactory = _ => "scout" });
Option<Backend> backend = Shell.BackendOption();
Option<string> output = Shell.Text(new Option<string>("--out") { Description = "Folder for scene.png, scene.annotated.png and answer.json.", DefaultValueFactory = _ => "out" });
var json = new Option<bool>("--json") { Description = "Write the answer as JSON to standard output." };

var root = new RootCommand("Draws a 3-D scene with Vulkan, captures the frame, and asks a vision-language model about it.")
{
    ask, ground, seed, model, backend, output, json,
};
root.SetAction((r, token) => Shell.RunAsync(() => new SceneQueryRun(r.GetRequiredValue(ask), r.GetValue(ground) ?? [], r.GetValue(seed),
    r.GetRequiredValue(model), r.GetValue(backend), r.GetRequiredValue(output), r.GetValue(json)).RunAsync(token)));
return await Shell.InvokeAsync(root, args);
