using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Samples.TrainScout;

// Trains Scout: draws scenes, learns from them, evaluates and exports. See Usage below, or docs/scout.md for the model.

const string Usage = """
    trainscout train  [--out DIR] [--scenes-dir DIR] [--init FILE] [--minutes M | --steps N] [--batch B] [--threads T]
                      [--half] [--rate R] [--seed S] [--save-minutes M] [--validation N]
    trainscout resume [--out DIR]

    train    a new run: from nothing, or from the weights of --init (safetensors). Ctrl+C saves and stops.
    resume   goes on with the run in --out from its last checkpoint.
    """;

string cache = Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } home
    ? home
    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "vlmsdk", "scout");

if (args.Length == 0 || args.Contains("--help"))
{
    Console.WriteLine(Usage);
    return args.Length == 0 ? 2 : 0;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

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
        default:
            throw new ArgumentException($"There is no command '{args[0]}'. Run with --help for the list.");
    }
}
catch (Exception e) when (e is VlmSdk.VlmException or ArgumentException or IOException)
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
    var a = new Arguments(args.AsSpan(1), new HashSet<string> { "out" }, new HashSet<string>());
    string folder = Path.GetFullPath(a.Text("out") ?? Path.Combine(cache, "run"));
    using var scenes = new SceneSource();
    string drawn = Checkpoint.Load(folder).State.Options.Scenes;
    using Trainer trainer = Trainer.Resume(ScoutConfig.Default, folder, new SceneCache(drawn, scenes.Draw).Get);
    trainer.Run(new ProgressLog(folder, Console.Out), cancellationToken: stop.Token);
}
