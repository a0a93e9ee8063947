using VlmSdk.Models.Scout;
using VlmSdk.Tensors;

namespace VlmSdk.Samples.TrainScout;

/// <summary>
/// Turns a batch into the inputs of <see cref="ScoutLoss"/>. Every mean of the loss is prepared here: rows carry their
/// share of it, so rows that do not count are simply zero.
/// </summary>
internal static class LossInputs
{
    private const float ForegroundWeight = 3, PresenceWeight = 2, LocationWeight = 0.5f, LocationSigmaBins = 1;

    private static readonly HashSet<int> Presence = [.. new[] { "<InView>", "<NotInView>", "yes", "no" }.Select(ScoutVocabulary.Id)];

    private static readonly int BoxToken = ScoutVocabulary.Id("<box>");

    /// <summary>Boxes a row of this length can hold at most: each takes six tokens.</summary>
    internal static int MaximumBoxes(int count, int textLength) => Math.Max(1, count * (textLength / 6));

    /// <summary>Fills the inputs of the encoder's loss.</summary>
    internal static void FillEncoder(RawBatch batch, Func<string, HostTensor> input)
    {
        Pixels(batch, input("pixels").Floats);
        Dense(batch.Patches, "patch", batch.Config.PatchSide, input);
    }

    /// <summary>Fills the inputs of the full loss.</summary>
    internal static void Fill(RawBatch batch, Func<string, HostTensor> input)
    {
        FillEncoder(batch, input);
        Dense(batch.Tokens, "token", batch.Config.PatchSide, input);
        Text(batch, input);
        Answer(batch, input("answer").Floats);
        Boxes(batch, input);
        Pointing(batch, t => t.PointA, "point_a", input);
        Pointing(batch, t => t.PointB, "point_b", input);
    }

    /// <summary>Fills the inputs of the answers' loss.</summary>
    internal static void FillAnswer(RawBatch batch, Func<string, HostTensor> input)
    {
        Pixels(batch, input("pixels").Floats);
        Text(batch, input);
        Answer(batch, input("answer").Floats);
    }

    private static void Pixels(RawBatch batch, Span<float> pixels)
    {
        int area = batch.Config.ImageSide * batch.Config.ImageSide;
        for (int b = 0; b < batch.Count; b++)
        {
            ReadOnlySpan<byte> rgb = batch.Rgb.AsSpan(b * area * 3, area * 3);
            Span<float> r = pixels.Slice(b * area * 3, area), g = pixels.Slice(b * area * 3 + area, area), blue = pixels.Slice(b * area * 3 + 2 * area, area);
            for (int i = 0; i < area; i++)
                (r[i], g[i], blue[i]) = (rgb[3 * i] / 64f - 2, rgb[3 * i + 1] / 64f - 2, rgb[3 * i + 2] / 64f - 2);
        }
    }

    private static void Dense(DenseLabels labels, string name, int patchSide, Func<string, HostTensor> input)
    {
        int rows = labels.Objectness.Length;
        Span<float> objectness = input($"{name}_objectness").Floats, objectnessWeight = input($"{name}_objectness_weight").Floats;
        Span<float> shape = input($"{name}_shape").Floats, colour = input($"{name}_colour").Floats;
        Span<float> box = input($"{name}_box").Floats, weight = input($"{name}_object_weight").Floats, distance = input($"{name}_log_distance").Floats;
        objectness.Clear();
        shape.Clear();
        colour.Clear();
        weight.Clear();
        distance.Clear();

        float sum = 0;
        for (int i = 0; i < rows; i++)
            if (labels.Objectness[i] == 1)
                sum += DenseLabels.Weight(labels.Box.AsSpan(i * 4, 4), patchSide);
        for (int i = 0; i < rows; i++)
        {
            int kind = labels.Objectness[i];
            objectnessWeight[i] = kind switch { 0 => 1f, 1 => ForegroundWeight, _ => 0f } / rows;
            // A whole-picture box keeps the arithmetic of rows without weight harmless.
            (box[i * 4], box[i * 4 + 1], box[i * 4 + 2], box[i * 4 + 3]) = (0, 0, 1, 1);
            if (kind != 1)
                continue;
            ReadOnlySpan<float> target = labels.Box.AsSpan(i * 4, 4);
            float share = DenseLabels.Weight(target, patchSide) / sum;
            objectness[i] = 1;
            shape[i * ScoutLoss.Shapes + labels.Shape[i]] = share;
            colour[i * ScoutLoss.Colours + labels.Colour[i]] = share;
            target.CopyTo(box[(i * 4)..]);
            weight[i] = share;
            distance[i] = MathF.Log(labels.Distance[i]);
        }
    }

    private static void Text(RawBatch batch, Func<string, HostTensor> input)
    {
        int t = batch.TextLength, picture = batch.Config.PictureTokens;
        Span<int> tokens = input("tokens").Ints, positions = input("positions").Ints, segments = input("segments").Ints;
        for (int b = 0; b < batch.Count; b++)
        {
            PackedText text = batch.Texts[b];
            text.Tokens.CopyTo(tokens[(b * t)..]);
            int row = b * (picture + t);
            for (int i = 0; i < picture; i++)
                (positions[row + i], segments[row + i]) = (i, 0);
            for (int i = 0; i < t; i++)
            {
                positions[row + picture + i] = picture + text.Positions[i];
                // Segment 0 is the picture: padding gets a segment of its own.
                segments[row + picture + i] = text.Queries[i] == 0 ? t + 1 : text.Queries[i];
            }
        }
    }

    private static void Answer(RawBatch batch, Span<float> answer)
    {
        int t = batch.TextLength, v = batch.Config.VocabularySize, place = batch.Config.LocationBase, bins = batch.Config.LocationBins;
        answer.Clear();
        float sum = 0;
        foreach (PackedText text in batch.Texts)
            foreach (int target in text.Targets)
                sum += Weight(target);

        for (int b = 0; b < batch.Count; b++)
            for (int i = 0; i < t; i++)
            {
                int target = batch.Texts[b].Targets[i];
                if (target < 0)
                    continue;
                Span<float> row = answer.Slice((b * t + i) * v, v);
                float share = Weight(target) / sum;
                if (target < place)
                    row[target] = share;
                else
                    Soften(row[place..], Coordinate(batch, batch.Texts[b], i), share);
            }

        float Weight(int target) => target < 0 ? 0 : target >= place ? LocationWeight : Presence.Contains(target) ? PresenceWeight : 1;

        static void Soften(Span<float> row, float coordinate, float share)
        {
            float centre = coordinate * row.Length - 0.5f, total = 0;
            for (int k = 0; k < row.Length; k++)
                total += row[k] = MathF.Exp(-0.5f * (k - centre) * (k - centre) / (LocationSigmaBins * LocationSigmaBins));
            foreach (ref float value in row)
                value *= share / total;
        }
    }

    private static void Boxes(RawBatch batch, Func<string, HostTensor> input)
    {
        Span<int> rows = input("box_rows").Ints;
        Span<float> box = input("box").Floats, weight = input("box_weight").Floats;
        rows.Clear();
        weight.Clear();
        int count = 0;
        for (int b = 0; b < batch.Count; b++)
        {
            PackedText text = batch.Texts[b];
            for (int i = 0; i + 3 < batch.TextLength; i++)
                if (text.Tokens[i] == BoxToken && text.Targets[i] >= batch.Config.LocationBase)
                {
                    for (int k = 0; k < 4; k++)
                    {
                        rows[count * 4 + k] = b * batch.TextLength + i + k;
                        box[count * 4 + k] = Coordinate(batch, text, i + k);
                    }
                    count++;
                }
        }
        for (int i = 0; i < weight.Length; i++)
            if (i < count)
                weight[i] = 1f / count;
            else
                (box[i * 4], box[i * 4 + 1], box[i * 4 + 2], box[i * 4 + 3]) = (0, 0, 1, 1);
    }

    /// <summary>The exact coordinate behind a location token; the bin's centre when it was not kept.</summary>
    private static float Coordinate(RawBatch batch, PackedText text, int at) =>
        float.IsNaN(text.Coordinates[at]) ? (text.Targets[at] - batch.Config.LocationBase + 0.5f) / batch.Config.LocationBins : text.Coordinates[at];

    private static void Pointing(RawBatch batch, Func<PackedText, ulong[]> objects, string name, Func<string, HostTensor> input)
    {
        Span<float> mask = input(name).Floats, weight = input($"{name}_weight").Floats;
        mask.Clear();
        weight.Clear();
        int side = batch.Config.PatchSide, half = side / 2, tokens = batch.Config.PictureTokens, count = 0;
        var held = new ulong[tokens];
        for (int b = 0; b < batch.Count; b++)
        {
            Array.Clear(held);
            for (int patch = 0; patch < batch.Config.Patches; patch++)
                if (batch.Grid[b * batch.Config.Patches + patch] is > 0 and <= 64 and int id)
                    held[patch / side / 2 * half + patch % side / 2] |= 1UL << (id - 1);
            for (int i = 0; i < batch.TextLength; i++)
            {
                ulong wanted = objects(batch.Texts[b])[i];
                if (wanted == 0)
                    continue;
                int row = b * batch.TextLength + i;
                for (int k = 0; k < tokens; k++)
                    if ((held[k] & wanted) != 0)
                        (mask[row * tokens + k], weight[row]) = (1, 1);
                count += (int)weight[row];
            }
        }
        foreach (ref float value in weight)
            value /= Math.Max(1, count);
    }
}
