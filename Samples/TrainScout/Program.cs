using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using VlmSdk;
using VlmSdk.Execution;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;
using VlmSdk.Torch;

// Trains Scout: draws scenes, learns from them, evaluates and exports. See Usage below, or docs/scout.md for the model.

const string Usage = """
    trainscout train  [--out DIR] [--scenes-dir DIR] [--init FILE] [--minutes M | --steps N] [--batch B] [--threads T]
                      [--half] [--rate R] [--seed S] [--save-minutes M] [--validation N]
    trainscout resume [--out DIR] [--minutes M | --steps N] [--threads T]
    trainscout tune   [--model scout|FILE.gguf] [--steps N] [--batch B] [--threads T] [--seed S]
    trainscout export [--out DIR] [--weights FILE] [--to FILE.gguf] [--type q8_0|q4_0|f16|f32]
    trainscout eval   [--model scout|FILE.gguf | --out DIR] [--scenes N] [--seed S] [--json FILE] [--backend native|torch|reference] [--lists] [--small]

    train    a new run: from nothing, or from the weights of --init (safetensors). Ctrl+C saves and stops.
    resume   goes on with the run in --out from its last checkpoint; exactly, unless its length is changed.
    tune     gives a trained model a new projector and trains by parts, N steps each: the projector alone, then projector and
             decoder; the vision encoder stays frozen. Shows the losses and keeps nothing.
    export   writes the averaged weights of the run in --out (or of --weights) as GGUF; <out>/scout.gguf by default.
    eval     draws fresh scenes and scores a model from pixels to text; with --out the run's weights, quantized. --lists also
             counts through the list of all objects; --small draws as many small objects as training does.
    """;

string cache = Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } home
    ? home
    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "vlmsdk", "scout");

if (args.Length == 0 || args.Contains("--help"))
{
    Console.WriteLine(Usage);
    return args.Length == 0 ? 2 : 0;
}

// Before libtorch loads: threads that spin while they wait make training several times slower on busy cores.
NativeEnvironment.SetDefault("OMP_WAIT_POLICY", "passive");

using var stop = new CancellationTokenSource();
using IDisposable interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using IDisposable terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

try
{
    switch (args[0])
    {
        case "train":
            Train();
            return 0;
        case "resume":
            Resume();
            return 0;
        case "tune":
            Tune();
            return 0;
        case "export":
            Export();
            return 0;
        case "eval":
            await Evaluate();
            return 0;
        default:
            throw new ArgumentException($"There is no command '{args[0]}'. Run with --help for the list.");
    }
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("trainscout: stopped.");
    return 1;
}
catch (Exception e) when (e is VlmException or ArgumentException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"trainscout: {e.Message}");
    return 1;
}

void Train()
{
    var a = new Arguments(args.AsSpan(1),
        new HashSet<string> { "out", "scenes-dir", "init", "minutes", "steps", "batch", "threads", "rate", "seed", "save-minutes", "validation" },
        new HashSet<string> { "half" });
    float rate = (float)a.Number("rate", 2.5e-3, 0);
    var options = new TrainOptions
    {
        Out = Path.GetFullPath(a.Text("out") ?? Path.Combine(cache, "run")),
        Scenes = Path.GetFullPath(a.Text("scenes-dir") ?? Path.Combine(cache, "scenes")),
        Init = a.Text("init"),
        Minutes = a.Number("minutes", 120, 0.01),
        Steps = a.Integer("steps", 0, 0),
        Batch = a.Integer("batch", 28, 1),
        Threads = a.Integer("threads", Math.Min(Environment.ProcessorCount, 8), 1),
        Half = a.Has("half"),
        MuonRate = rate,
        AdamRate = rate * 0.32f,
        Seed = (ulong)a.Integer("seed", 1, 0),
        SaveMinutes = a.Number("save-minutes", 4, 0),
        ValidationScenes = a.Integer("validation", 128, 0),
    };
    if (File.Exists(Path.Combine(options.Out, Checkpoint.FileName)))
        throw new ArgumentException($"{options.Out} already holds a run. Go on with 'resume --out {options.Out}', or choose another --out.");
    using var scenes = new SceneSource();
    using Trainer trainer = Trainer.Start(ScoutConfig.Default, options, new SceneCache(options.Scenes, scenes.Draw).Get);
    trainer.Run(new ProgressLog(options.Out, Console.Out), cancellationToken: stop.Token);
}

void Resume()
{
    var a = new Arguments(args.AsSpan(1), new HashSet<string> { "out", "minutes", "steps", "threads" }, new HashSet<string>());
    string folder = Folder(a);
    using var scenes = new SceneSource();
    string drawn = Checkpoint.Load(folder).State.Options.Scenes;
    using Trainer trainer = Trainer.Resume(ScoutConfig.Default, folder, new SceneCache(drawn, scenes.Draw).Get, o => o with
    {
        Out = folder,
        Minutes = a.Number("minutes", o.Minutes, 0.01),
        Steps = a.Integer("steps", o.Steps, 0),
        Threads = a.Integer("threads", o.Threads, 1),
    });
    trainer.Run(new ProgressLog(folder, Console.Out), cancellationToken: stop.Token);
}

void Tune()
{
    var a = new Arguments(args.AsSpan(1), new HashSet<string> { "model", "steps", "batch", "threads", "seed" }, new HashSet<string>());
    var defaults = new TuneOptions();
    TuneOptions options = defaults with
    {
        Steps = a.Integer("steps", defaults.Steps, 1),
        Batch = a.Integer("batch", defaults.Batch, 1),
        Threads = a.Integer("threads", Math.Min(Environment.ProcessorCount, 8), 1),
        Seed = (ulong)a.Integer("seed", 1, 0),
    };
    ScoutCheckpoint model = ScoutCheckpoint.Load(a.Text("model") ?? ScoutCheckpoint.EmbeddedName);
    using var scenes = new SceneSource();
    using var tuning = new Tuning(model.Config, new WeightBinding(model.Source, model.Tensors), options, scenes.Draw, Console.Out);
    foreach ((string[] Parts, float Rate) stage in Tuning.Stages)
        tuning.Run(stage, stop.Token);
}

void Export()
{
    var a = new Arguments(args.AsSpan(1), new HashSet<string> { "out", "weights", "to", "type" }, new HashSet<string>());
    string folder = Folder(a);
    string to = Path.GetFullPath(a.Text("to") ?? Path.Combine(folder, "scout.gguf"));
    WriteModel(a.Text("weights") ?? Path.Combine(folder, Checkpoint.AverageFileName), to, a.Text("type") ?? "q8_0");
    Console.WriteLine($"{to}  {new FileInfo(to).Length / 1e6:f2} MB");
}

async Task Evaluate()
{
    var a = new Arguments(args.AsSpan(1), new HashSet<string> { "model", "out", "scenes", "seed", "json", "backend" }, new HashSet<string> { "lists", "small" });
    string model = a.Text("model") ?? "scout";
    if (a.Has("out"))
        WriteModel(Path.Combine(Folder(a), Checkpoint.AverageFileName), model = Path.Combine(Folder(a), "scout.gguf"), "q8_0");
    string name = a.Text("backend") ?? "auto";
    if (!Enum.TryParse(name, ignoreCase: true, out Backend backend) || !Enum.IsDefined(backend))
        throw new ArgumentException($"'--backend {name}' is not native, torch or reference.");
    int scenes = a.Integer("scenes", 2000, 1);
    long start = System.Diagnostics.Stopwatch.GetTimestamp();
    using IExecutor executor = backend switch
    {
        Backend.Reference => new ReferenceExecutor(),
        Backend.Torch => new TorchExecutor(),
        _ => new NativeExecutor(),
    };
    await using VlmModel vlm = await VlmModel.LoadAsync(model, new VlmModelOptions { Executor = executor }, stop.Token);
    using var source = new SceneSource();
    EvaluationScores scores = await Evaluation.RunAsync(vlm, source.Fresh(a.Has("small")), scenes, a.Integer("seed", 1, 0), a.Has("lists"), (done, now) =>
    {
        if (done % 100 == 0 && done < scenes)
            Console.WriteLine($"{done} scenes, {System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMinutes:f1} min: {Short(now)}");
    }, stop.Token);
    JsonObject json = scores.ToJson();
    string text = json.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
    if (a.Text("json") is { } file)
        File.WriteAllText(file, text + "\n");
    Console.WriteLine(text);

    static string Short(EvaluationScores now)
    {
        JsonObject json = now.ToJson();
        json.Remove("details");
        return json.ToJsonString();
    }
}

string Folder(Arguments a) => Path.GetFullPath(a.Text("out") ?? Path.Combine(cache, "run"));

static void WriteModel(string weights, string to, string type)
{
    DType scheme = type.ToLowerInvariant() switch
    {
        "q8_0" => DType.Q8_0,
        "q4_0" => DType.Q4_0,
        "f16" => DType.F16,
        "f32" => DType.F32,
        _ => throw new ArgumentException($"'--type {type}' is not q8_0, q4_0, f16 or f32."),
    };
    WeightBinding binding = Checkpoint.Weights(weights);
    var tensors = ScoutCheckpoint.Shapes(ScoutConfig.Default).Where(s => binding.Contains(s.Name))
        .ToDictionary(s => s.Name, s => binding.Get(new VlmSdk.Graphs.WeightOp(s.Name, s.Shape)));
    ScoutCheckpoint.Write(to, ScoutConfig.Default, tensors, scheme);
}
