using System.Globalization;
using System.Text.Json;
using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Weights;
using static TorchSharp.torch;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Where a run stands. Image and step numbers decide all random choices, so no generator state is needed.</summary>
internal sealed record TrainState
{
    /// <summary>Steps done.</summary>
    public int Step { get; set; }

    /// <summary>Images seen.</summary>
    public long Images { get; set; }

    /// <summary>Seconds of training, pauses and other runs left out.</summary>
    public double Seconds { get; set; }

    /// <summary>First step of the present phase.</summary>
    public int PhaseStart { get; set; }

    /// <summary>The run's options.</summary>
    public required TrainOptions Options { get; init; }
}

/// <summary>One safetensors file with weights, their average, the optimiser's moments and the state of the run.</summary>
internal static class Checkpoint
{
    internal const string FileName = "checkpoint.safetensors", AverageFileName = "average.safetensors";

    private const string StateKey = "state", OptimiserSteps = "optimiser_steps";

    /// <summary>Writes the checkpoint, and beside it the averaged weights alone under the model's names.</summary>
    internal static void Save(TrainState state, TorchParameters weights, TorchParameters average, Optimiser optimiser)
    {
        var metadata = new Dictionary<string, string>
        {
            [StateKey] = JsonSerializer.Serialize(state),
            [OptimiserSteps] = optimiser.Steps.ToString(CultureInfo.InvariantCulture),
        };
        SafetensorsWriter.Write(Path.Combine(state.Options.Out, FileName),
            weights.ByName.Keys.Select(n => ($"weight/{n}", weights.Read(n)))
                .Concat(average.ByName.Keys.Select(n => ($"average/{n}", average.Read(n))))
                .Concat(optimiser.First.Select(p => ($"first/{p.Key}", Host(p.Value))))
                .Concat(optimiser.Second.Select(p => ($"second/{p.Key}", Host(p.Value)))), metadata);
        SafetensorsWriter.Write(Path.Combine(state.Options.Out, AverageFileName), average.ByName.Keys.Select(n => (n, average.Read(n))),
            new Dictionary<string, string> { ["images"] = state.Images.ToString(CultureInfo.InvariantCulture), ["steps"] = state.Step.ToString(CultureInfo.InvariantCulture) });
    }

    /// <summary>Reads the state of a run, and its weights and their average as they begin.</summary>
    /// <exception cref="CheckpointException">The file is missing or not a checkpoint of this program.</exception>
    internal static (TrainState State, WeightBinding Weights, WeightBinding Average) Load(string folder)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, FileName));
        if (!file.Metadata.TryGetValue(StateKey, out string? json) || JsonSerializer.Deserialize<TrainState>(json) is not { } state)
            throw new CheckpointException(file.Source, StateKey, "is missing: this is not a checkpoint of a training run. Start one with 'train'.");
        return (state, Part(file, "weight/"), Part(file, "average/"));
    }

    /// <summary>Puts the optimiser back to where the checkpoint was made.</summary>
    internal static void Restore(string folder, Optimiser optimiser)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, FileName));
        optimiser.Steps = int.Parse(file.Metadata[OptimiserSteps], CultureInfo.InvariantCulture);
        foreach ((string kind, IReadOnlyDictionary<string, Tensor> tensors) in new[] { ("first/", optimiser.First), ("second/", optimiser.Second) })
            foreach ((string name, Tensor tensor) in tensors)
                file.Read(kind + name).Data.Span.CopyTo(tensor.bytes);
    }

    /// <summary>Reads plain weights, such as <see cref="AverageFileName"/>.</summary>
    internal static WeightBinding Weights(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return Part(file, "");
    }

    private static WeightBinding Part(SafetensorsFile file, string prefix) => new(file.Source,
        file.Tensors.Keys.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(n => n[prefix.Length..], file.Read));

    private static HostTensor Host(Tensor tensor)
    {
        using Tensor plain = tensor.detach().contiguous();
        return new HostTensor(DType.F32, new Shape([.. tensor.shape.Select(a => (int)a)]), plain.bytes.ToArray());
    }
}
