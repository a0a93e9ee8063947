using System.Globalization;
using System.Text.Json;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Progress of a run: lines on the console, one JSON object a line in progress.jsonl, the curve as text and picture.</summary>
internal sealed class ProgressLog(string folder, TextWriter? console)
{
    private const string FileName = "progress.jsonl";

    private string FilePath => Path.Combine(folder, FileName);

    /// <summary>Means since the last report.</summary>
    internal void Step(TrainState state, Rates rates, Dictionary<string, double> means, double imagesPerSecond, double waitedShare)
    {
        long memory = Environment.WorkingSet >> 20;
        Write(new
        {
            kind = "train",
            step = state.Step,
            images = state.Images,
            seconds = Math.Round(state.Seconds, 1),
            rate = rates.Muon,
            images_per_second = Math.Round(imagesPerSecond, 2),
            waited = Math.Round(waitedShare, 3),
            memory_mb = memory,
            losses = means.ToDictionary(p => p.Key, p => Math.Round(p.Value, 5)),
        });
        console?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{state.Seconds / 60,7:f1} min  step {state.Step,6}  images {state.Images,7}  loss {means["total"]:f3}  norm {means["norm"]:f2}  rate {rates.Muon:e1}  {imagesPerSecond:f1} images/s  waited {waitedShare:p0}  {memory} MB"));
    }

    /// <summary>Figures of a validation.</summary>
    internal void Validated(TrainState state, ValidationResult r)
    {
        Write(new
        {
            kind = "validation",
            step = state.Step,
            images = state.Images,
            seconds = Math.Round(state.Seconds, 1),
            loss = r.Loss,
            words = r.Words,
            presence = r.Presence,
            box_iou = r.BoxIoU,
            box_iou_half = r.BoxIoUHalf,
            patch_loss = r.PatchLoss,
        });
        console?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{state.Seconds / 60,7:f1} min  step {state.Step,6}  validation: loss {r.Loss:f3}  words {r.Words:f3}  presence {r.Presence:f3}  box IoU {r.BoxIoU:f3}  IoU>=.5 {r.BoxIoUHalf:f3}  patch {r.PatchLoss:f3}"));
    }

    /// <summary>Draws what progress.jsonl holds.</summary>
    internal void Chart() => LossChart.Draw(File.ReadLines(FilePath), folder);

    private void Write<T>(T line)
    {
        Directory.CreateDirectory(folder);
        File.AppendAllText(FilePath, JsonSerializer.Serialize(line) + "\n");
    }
}
