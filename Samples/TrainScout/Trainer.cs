using System.Diagnostics;
using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Torch;

namespace VlmSdk.Samples.TrainScout;

/// <summary>A training run from its first or a later step to its end.</summary>
internal sealed class Trainer : IDisposable
{
    private const float Clip = 2;
    private const int ReportSteps = 20;

    private readonly ScoutConfig _config;
    private readonly Func<long, LabelledPicture> _scenes;
    private readonly TorchParameters _weights, _average;
    private readonly Optimiser _optimiser;
    private readonly TorchOptions _torch;
    private readonly Graph _full;
    private readonly TorchTrainingPlan _judge;

    private Trainer(ScoutConfig config, TrainState state, WeightBinding weights, WeightBinding average, Func<long, LabelledPicture> scenes)
    {
        (_config, State, _scenes) = (config, state, scenes);
        _torch = new TorchOptions { Threads = Options.Threads, BFloat16Products = Options.Half };
        _full = ScoutLoss.Full(config, Options.Batch, Options.TextLength, LossInputs.MaximumBoxes(Options.Batch, Options.TextLength));
        (_weights, _average) = (new TorchParameters(weights), new TorchParameters(average));
        _judge = new TorchTrainingPlan(_full, _average, _torch);
        _optimiser = new Optimiser(_weights.ByName.ToDictionary(p => p.Key, p => (torch.Tensor)p.Value), _average.ByName.ToDictionary(p => p.Key, p => (torch.Tensor)p.Value));
    }

    /// <summary>Where the run stands.</summary>
    internal TrainState State { get; }

    /// <summary>The averaged weights, which are what a run is for.</summary>
    internal TorchParameters Average => _average;

    private TrainOptions Options => State.Options;

    private double Progress => Options.Steps > 0 ? State.Step / (double)Options.Steps : State.Seconds / (Options.Minutes * 60);

    /// <summary>A new run.</summary>
    internal static Trainer Start(ScoutConfig config, TrainOptions options, Func<long, LabelledPicture> scenes)
    {
        WeightBinding weights = options.Init is { } init
            ? Checkpoint.Weights(init)
            : InitialWeights.Create(ScoutLoss.Full(config, 1, options.TextLength, 1), (int)options.Seed);
        return new Trainer(config, new TrainState { Options = options }, weights, weights, scenes);
    }

    /// <summary>The run of a folder, from its last checkpoint.</summary>
    /// <param name="config">Sizes of the model.</param>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="scenes">Scenes by number.</param>
    /// <param name="change">Options to go on with instead of the run's own, such as a longer schedule.</param>
    internal static Trainer Resume(ScoutConfig config, string folder, Func<long, LabelledPicture> scenes, Func<TrainOptions, TrainOptions>? change = null)
    {
        (TrainState state, WeightBinding weights, WeightBinding average) = Checkpoint.Load(folder);
        if (change is not null)
            state = state with { Options = change(state.Options) };
        var trainer = new Trainer(config, state, weights, average, scenes);
        Checkpoint.Restore(folder, trainer._optimiser);
        return trainer;
    }

    /// <summary>Trains until the schedule's end or a cancellation, then saves.</summary>
    /// <param name="log">Where progress goes.</param>
    /// <param name="stopAfter">Stop (and save) after this step, as an interruption would; 0 to run to the end.</param>
    /// <param name="cancellationToken">Stops after the present step.</param>
    internal void Run(ProgressLog log, int stopAfter = 0, CancellationToken cancellationToken = default)
    {
        Validation? validation = Options.ValidationScenes > 0 ? new Validation(_config, Options, _scenes) : null;
        using var feed = new BatchFeed(_config, Options.Batch, Options.TextLength, Options.Seed, State.Images, _scenes);
        bool alone = Schedule.EncoderAlone(Options, Progress);
        TorchTrainingPlan plan = Plan(alone);
        try
        {
            if (validation is not null)
                log.Validated(State, validation.Run(_judge));
            double saved = State.Seconds, waited = 0;
            var sums = new Dictionary<string, double>();
            int counted = 0;
            double since = State.Seconds;
            while (Progress < 1 && !(stopAfter > 0 && State.Step >= stopAfter) && !cancellationToken.IsCancellationRequested)
            {
                long begin = Stopwatch.GetTimestamp();
                if (alone && !Schedule.EncoderAlone(Options, Progress))
                {
                    plan.Dispose();
                    plan = Plan(alone = false);
                    State.PhaseStart = State.Step;
                }
                RawBatch batch;
                try
                {
                    batch = feed.Next(cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    break;
                }
                waited += Stopwatch.GetElapsedTime(begin).TotalSeconds;
                Rates rates = Schedule.At(Options, Progress, State.Step, State.PhaseStart);
                float norm = Step(plan, batch, alone, rates, sums);
                State.Step++;
                State.Images += Options.Batch;
                State.Seconds += Stopwatch.GetElapsedTime(begin).TotalSeconds;
                sums["norm"] = sums.GetValueOrDefault("norm") + norm;
                counted++;
                if (counted == ReportSteps || State.Step <= 3)
                {
                    log.Step(State, rates, sums.ToDictionary(p => p.Key, p => p.Value / counted),
                        counted * Options.Batch / (State.Seconds - since), waited / (State.Seconds - since));
                    sums.Clear();
                    (counted, since, waited) = (0, State.Seconds, 0);
                }
                if (State.Seconds - saved >= Options.SaveMinutes * 60)
                {
                    saved = State.Seconds;
                    Save(log, validation);
                }
            }
            Save(log, validation);
        }
        finally
        {
            plan.Dispose();
        }
    }

    private TorchTrainingPlan Plan(bool alone) => new(alone ? ScoutLoss.Encoder(_config, Options.Batch) : _full, _weights, _torch);

    private float Step(TorchTrainingPlan plan, RawBatch batch, bool alone, Rates rates, Dictionary<string, double> sums)
    {
        if (alone)
            LossInputs.FillEncoder(batch, plan.Input);
        else
            LossInputs.Fill(batch, plan.Input);
        _weights.ClearGradients();
        plan.Forward();
        foreach (string part in alone ? (ReadOnlySpan<string>)["total"] : ["total", "patch_dense", "token_dense", "answer", "expected_box", "point_a", "point_b"])
            sums[part] = sums.GetValueOrDefault(part) + plan.Scalar(part);
        plan.Backward("total");
        plan.EndStep();
        // A young average would remember the start for too long.
        double keep = Math.Min(Options.AverageKeep, (1 + State.Step) / (10.0 + State.Step));
        return _optimiser.Step(rates, Clip, keep);
    }

    private void Save(ProgressLog log, Validation? validation)
    {
        Checkpoint.Save(State, _weights, _average, _optimiser);
        if (validation is not null)
            log.Validated(State, validation.Run(_judge));
        log.Chart();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _judge.Dispose();
        _optimiser.Dispose();
        _weights.Dispose();
        _average.Dispose();
    }
}
