using System.Globalization;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using static TorchSharp.torch;

namespace VlmSdk.Samples.TrainScout;

/// <summary>What a tuning run is made of.</summary>
internal sealed record TuneOptions
{
    /// <summary>Steps of each stage.</summary>
    public int Steps { get; init; } = 30;

    /// <summary>Pictures of a step.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Text tokens behind each picture.</summary>
    public int TextLength { get; init; } = 176;

    /// <summary>Pictures that are never learned from, on which the loss is measured; whole batches, one at least.</summary>
    public int HeldOut { get; init; } = 32;

    /// <summary>Threads of an operation.</summary>
    public int Threads { get; init; } = 2;

    /// <summary>Decides the questions and the new projector.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>
/// The usual recipe for joining a vision encoder and a decoder (Liu et al. 2023, 4.2), shown on Scout: a new projector
/// between the two trained halves learns alone while both are frozen, then together with the decoder. The loss is the
/// answers' next-token loss.
/// </summary>
internal sealed class Tuning : IDisposable
{
    private const float Clip = 2;
    private const int WarmUp = 5, ReportSteps = 10;

    private readonly ScoutConfig _config;
    private readonly TuneOptions _options;
    private readonly TextWriter? _console;
    private readonly TorchTrainingPlan _plan;
    private readonly BatchFeed _feed;
    private readonly RawBatch[] _heldOut;

    /// <summary>Begins from the weights of a trained model, with new ones in its projector.</summary>
    internal Tuning(ScoutConfig config, WeightBinding trained, TuneOptions options, Func<long, LabelledPicture> scenes, TextWriter? console)
    {
        (_config, _options, _console) = (config, options, console);
        Graph graph = ScoutLoss.Answer(config, options.Batch, options.TextLength);
        Weights = new TorchParameters(trained);
        _plan = new TorchTrainingPlan(graph, Weights, new TorchOptions { Threads = options.Threads });
        _heldOut = [.. Enumerable.Range(0, Math.Max(1, options.HeldOut / options.Batch))
            .Select(i => BatchFeed.Make(config, options.Batch, options.TextLength, options.Seed, 4 * Validation.FirstScene + i * options.Batch, scenes))];
        Report("the model as it is");
        WeightBinding initial = InitialWeights.Create(graph, (int)options.Seed);
        foreach (string name in initial.Names.Where(ScoutModel.Parts.Learning(ModelParts.Projector)))
            Weights.Write(name, initial.Get(name));
        Report("with a new projector");
        _feed = new BatchFeed(config, options.Batch, options.TextLength, options.Seed, 0, scenes);
    }

    /// <summary>The weights as they stand.</summary>
    internal TorchParameters Weights { get; }

    /// <summary>The stages: the parts that learn, and the highest rate of their matrices.</summary>
    internal static IReadOnlyList<(string[] Parts, float Rate)> Stages { get; } =
    [
        ([ModelParts.Projector], 1e-2f),
        ([ModelParts.Projector, ModelParts.Decoder], 5e-3f),
    ];

    /// <summary>The loss on the pictures held out, after the last stage.</summary>
    internal double HeldOutLoss { get; private set; }

    /// <summary>Trains one stage.</summary>
    internal void Run((string[] Parts, float Rate) stage, CancellationToken cancellationToken)
    {
        Weights.Learn(ScoutModel.Parts.Learning(stage.Parts));
        string parts = string.Join(" and ", stage.Parts);
        _console?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{parts}: {Weights.Learning.Values.Sum(p => p.numel()) / 1e6:f2} of {Weights.Count / 1e6:f2} million parameters learn"));
        // Made anew for each stage: it keeps state for the parameters that learn and for no others.
        using var optimiser = new Optimiser(Weights.Learning.ToDictionary(p => p.Key, p => (Tensor)p.Value), new Dictionary<string, Tensor>());
        double sum = 0;
        for (int step = 0; step < _options.Steps; step++)
        {
            LossInputs.FillAnswer(_feed.Next(cancellationToken), _plan.Input);
            Weights.ClearGradients();
            _plan.Forward(cancellationToken: cancellationToken);
            sum += _plan.Scalar("total");
            _plan.Backward("total");
            _plan.EndStep();
            float rate = stage.Rate * Math.Min(1, (step + 1f) / WarmUp) * (1 - (float)step / _options.Steps);
            optimiser.Step(new Rates(rate, rate * 0.32f), Clip, averageKeep: 0);
            if ((step + 1) % ReportSteps != 0)
                continue;
            _console?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  step {step + 1,4}  loss {sum / ReportSteps:f3}"));
            sum = 0;
        }
        Report($"after {parts}");
    }

    private void Report(string name)
    {
        var sums = new Validation.Sums();
        foreach (RawBatch batch in _heldOut)
        {
            LossInputs.FillAnswer(batch, _plan.Input);
            _plan.Forward(gradients: false);
            sums.Loss += _plan.Scalar("total");
            Validation.Judge(batch, _plan.Read("logits").Floats, sums);
            _plan.EndStep();
        }
        HeldOutLoss = sums.Loss / _heldOut.Length;
        _console?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: held-out loss {HeldOutLoss:f3}, words right {sums.WordsRight / Math.Max(1, sums.Words):f3}, box IoU {sums.IoU / Math.Max(1, sums.Boxes):f3}"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _feed.Dispose();
        _plan.Dispose();
        Weights.Dispose();
    }
}
