using System.CommandLine;
using VlmSdk;
using VlmSdk.Models;
using VlmSdk.Samples;
using VlmSdk.Samples.Vlm;
using VlmSdk.Tensors;

// vlm: the SDK on files, from a shell. Each command is one class; this file only says what the arguments are.

var image = new Argument<string>("image") { Description = "PNG, JPEG or WebP file." };
Argument<string> text = Shell.Text(new Argument<string>("text") { Description = "The question or phrase." });
var path = new Argument<string>("path") { Description = "A .gguf or .safetensors file, a safetensors index, a folder, or scout." };
var model = new Option<string>("--model") { Description = "scout, the folder of a published model, or a .gguf file.", DefaultValueFactory = _ => "scout" };
var siglip = new Option<string>("--model") { Description = "The folder of a SigLIP model.", Required = true };
Argument<string[]> labels = Shell.Text(new Argument<string[]>("labels") { Description = "Labels such as \"a red crate\".", Arity = ArgumentArity.OneOrMore });
var quantize = new Option<DType?>("--quantize") { Description = "Bring the matrices of a published model into Q8_0 or Q4_0 while they are read." };
var mask = new Option<string?>("--mask") { Description = "Write the objects' pixels, white on black, to this PNG." };
var decoder = new Option<string>("--model") { Description = "A Llama-architecture .gguf file.", Required = true };
Option<Backend> backend = Shell.BackendOption();
var json = new Option<bool>("--json") { Description = "Write one JSON object to standard output." };
var annotate = new Option<string?>("--annotate") { Description = "Write the picture with its boxes to this PNG." };
var read = new Option<DType?>("--read") { Description = "Also read all weights, with matrices in this type (Q8_0, Q4_0, F16, ...), and say what it took." };
var prompt = new Option<string>("--prompt") { Description = "The text to continue.", Required = true };
var greedy = new Option<bool>("--greedy") { Description = "Always take the likeliest token." };
var temperature = new Option<float>("--temperature") { Description = "Above 0; not used with --greedy.", DefaultValueFactory = _ => 0.8f };
var seed = new Option<int>("--seed") { Description = "Seed of the sampler.", DefaultValueFactory = _ => 0 };
var max = new Option<int>("--max") { Description = "Most tokens to write.", DefaultValueFactory = _ => 128 };

Command Make(string name, string description, Func<ParseResult, CancellationToken, Task> run, params Symbol[] symbols)
{
    var command = new Command(name, description);
    foreach (Symbol symbol in symbols)
    {
        if (symbol is Argument argument)
            command.Arguments.Add(argument);
        else
            command.Options.Add((Option)symbol);
    }
    command.SetAction((result, token) => Shell.RunAsync(() => run(result, token)));
    return command;
}

ImageCommand Picture(ParseResult r) =>
    new(r.GetRequiredValue(image), r.GetRequiredValue(model), r.GetValue(backend), r.GetValue(quantize), r.GetValue(json), r.GetValue(annotate));

var root = new RootCommand("Ask vision-language models about picture files.")
{
    Make("describe", "Describe a picture.", (r, t) => Picture(r).DescribeAsync(t), image, model, backend, quantize, json, annotate),
    Make("ask", "Answer a question about a picture.", (r, t) => Picture(r).AskAsync(r.GetRequiredValue(text), t), image, text, model, backend, quantize, json, annotate),
    Make("ground", "Find what a phrase names, with boxes in source pixels.", (r, t) => Picture(r).GroundAsync(r.GetRequiredValue(text), t), image, text, model, backend, quantize, json, annotate),
    Make("segment", "Find what a phrase names, with boxes and the pixels that belong to it (PaliGemma with its mask codec).",
        (r, t) => Picture(r).SegmentAsync(r.GetRequiredValue(text), r.GetValue(mask), t), image, text, model, mask, backend, quantize, json, annotate),
    Make("classify", "Say how well each label fits a picture (SigLIP).",
        (r, t) => new ClassifyCommand(r.GetRequiredValue(image), r.GetRequiredValue(labels), r.GetRequiredValue(siglip), r.GetValue(backend), r.GetValue(quantize), r.GetValue(json)).RunAsync(t),
        image, labels, siglip, backend, quantize, json),
    Make("models", "List the families of models known here and what they can do.", (_, _) =>
    {
        Console.Write(ModelRegistry.ToMarkdown());
        return Task.CompletedTask;
    }),
    Make("generate", "Continue a text (no picture) with a Llama-architecture GGUF decoder.",
        (r, t) => new GenerateCommand(r.GetRequiredValue(decoder), r.GetRequiredValue(prompt), r.GetValue(backend),
            r.GetValue(greedy) ? 0 : r.GetValue(temperature), r.GetValue(seed), r.GetValue(max), r.GetValue(json)).RunAsync(t),
        decoder, prompt, greedy, temperature, seed, max, backend, json),
    Make("inspect", "Say what a model file or folder holds, and whether it can be used here.", (r, t) => new InspectCommand(r.GetRequiredValue(path), r.GetValue(json), r.GetValue(read)).RunAsync(t), path, json, read),
};
return await Shell.InvokeAsync(root, args);
