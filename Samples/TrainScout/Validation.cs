using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;
using VlmSdk.Tensors;
using VlmSdk.Torch;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Teacher-forced figures of a validation.</summary>
/// <param name="Loss">The summed loss.</param>
/// <param name="Words">Share of answer words right, locations left out.</param>
/// <param name="Presence">Share of in view, not in view, yes and no that is right.</param>
/// <param name="BoxIoU">Mean IoU of expected boxes.</param>
/// <param name="BoxIoUHalf">Share of boxes with IoU of at least 0.5.</param>
/// <param name="PatchLoss">The dense patch loss.</param>
internal readonly record struct ValidationResult(float Loss, float Words, float Presence, float BoxIoU, float BoxIoUHalf, float PatchLoss);

/// <summary>Fixed scenes on which a run is watched. Cheap: the right answers are fed, one run a batch.</summary>
internal sealed class Validation
{
    /// <summary>Validation scenes are numbered from here; training never comes so far.</summary>
    internal const long FirstScene = 1L << 40;

    private readonly List<RawBatch> _batches = [];

    internal Validation(ScoutConfig config, TrainOptions options, Func<long, LabelledPicture> scenes)
    {
        for (int first = 0; first + options.Batch <= Math.Max(options.ValidationScenes, options.Batch); first += options.Batch)
        {
            var batch = new RawBatch(config, options.Batch, options.TextLength);
            for (int i = 0; i < options.Batch; i++)
                batch.Set(i, scenes(FirstScene + first + i), BatchFeed.RandomOf(7, first + i));
            _batches.Add(batch);
        }
    }

    /// <summary>Runs the plan, which stays without gradients, over all scenes.</summary>
    internal ValidationResult Run(TorchTrainingPlan plan)
    {
        var sums = new Sums();
        foreach (RawBatch batch in _batches)
        {
            LossInputs.Fill(batch, plan.Input);
            plan.Forward(gradients: false);
            sums.Loss += plan.Scalar("total");
            sums.Patch += plan.Scalar("patch_dense");
            Judge(batch, plan.Read("logits").Floats, sums);
            plan.EndStep();
        }
        return new ValidationResult(
            (float)(sums.Loss / _batches.Count), Share(sums.WordsRight, sums.Words), Share(sums.PresenceRight, sums.Presence),
            Share(sums.IoU, sums.Boxes), Share(sums.Half, sums.Boxes), (float)(sums.Patch / _batches.Count));

        static float Share(double part, double whole) => (float)(part / Math.Max(1, whole));
    }

    /// <summary>Adds the answers of a batch to the sums.</summary>
    internal static void Judge(RawBatch batch, ReadOnlySpan<float> logits, Sums sums)
    {
        int v = batch.Config.VocabularySize, place = batch.Config.LocationBase;
        int box = ScoutVocabulary.Id("<box>");
        int[] presence = [ScoutVocabulary.Id("<InView>"), ScoutVocabulary.Id("<NotInView>"), ScoutVocabulary.Id("yes"), ScoutVocabulary.Id("no")];
        Span<float> found = stackalloc float[4], truth = stackalloc float[4];
        for (int b = 0; b < batch.Count; b++)
            for (int i = 0; i < batch.TextLength; i++)
            {
                PackedText text = batch.Texts[b];
                int target = text.Targets[i], row = b * batch.TextLength + i;
                if (target < 0)
                    continue;
                if (target < place)
                {
                    bool right = Largest(logits.Slice(row * v, v)) == target;
                    sums.Words++;
                    sums.WordsRight += right ? 1 : 0;
                    if (!presence.Contains(target))
                        continue;
                    sums.Presence++;
                    sums.PresenceRight += right ? 1 : 0;
                }
                else if (text.Tokens[i] == box && i + 3 < batch.TextLength)
                {
                    for (int k = 0; k < 4; k++)
                    {
                        found[k] = Expected(logits.Slice((row + k) * v + place, batch.Config.LocationBins));
                        truth[k] = float.IsNaN(text.Coordinates[i + k])
                            ? (text.Targets[i + k] - place + 0.5f) / batch.Config.LocationBins
                            : text.Coordinates[i + k];
                    }
                    float iou = IoU(found, truth);
                    sums.Boxes++;
                    sums.IoU += iou;
                    sums.Half += iou >= 0.5f ? 1 : 0;
                }
            }
    }

    /// <summary>Expected coordinate under a softmax over the bins, 0..1.</summary>
    internal static float Expected(ReadOnlySpan<float> bins)
    {
        float most = bins[Largest(bins)];
        double mass = 0, sum = 0;
        for (int k = 0; k < bins.Length; k++)
        {
            double p = Math.Exp(bins[k] - most);
            mass += p;
            sum += p * (k + 0.5) / bins.Length;
        }
        return (float)(sum / mass);
    }

    /// <summary>Intersection over union of two boxes x0 y0 x1 y1.</summary>
    internal static float IoU(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        float overlap = MathF.Max(0, MathF.Min(a[2], b[2]) - MathF.Max(a[0], b[0])) * MathF.Max(0, MathF.Min(a[3], b[3]) - MathF.Max(a[1], b[1]));
        float union = MathF.Max(0, a[2] - a[0]) * MathF.Max(0, a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap;
        return union > 0 ? overlap / union : 0;
    }

    private static int Largest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int i = 1; i < row.Length; i++)
            if (row[i] > row[best])
                best = i;
        return best;
    }

    /// <summary>Counts over batches.</summary>
    internal sealed class Sums
    {
        internal double Loss, Patch, Words, WordsRight, Presence, PresenceRight, Boxes, IoU, Half;
    }
}
