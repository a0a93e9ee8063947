using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;

namespace VlmSdk.Samples.TrainScout;

/// <summary>
/// Scout's training loss as one graph over the model's own graph functions, so that autograd walks what inference runs.
/// All means are prepared on the host: every target row comes multiplied by its share of the mean, so the graph only
/// sums and its shapes depend on the batch alone. Inputs are filled by <see cref="LossInputs"/>.
/// </summary>
internal static class ScoutLoss
{
    internal const int Shapes = 7, Colours = 10, Dense = 1 + Shapes + Colours + 4 + 1;

    internal const float PatchWeight = 0.7f, TokenWeight = 0.5f, BoxWeight = 1, PointWeight = 0.5f;

    /// <summary>Encoder and dense patch loss alone (stage 1). Output: total.</summary>
    internal static Graph Encoder(ScoutConfig c, int batch)
    {
        var g = new GraphBuilder();
        Value pixels = g.Input("pixels", DType.F32, batch, 3, c.ImageSide, c.ImageSide);
        Value patches = ScoutModel.VisionEncoder(g, c, pixels);
        Value patchLoss = PatchLoss(g, c, patches, batch);
        g.Output("patch_dense", patchLoss);
        g.Output("total", patchLoss);
        return g.Build();
    }

    /// <summary>Everything (stage 2). Outputs: total and each part, and the answer logits [B * T, V].</summary>
    internal static Graph Full(ScoutConfig c, int batch, int textLength, int boxes)
    {
        var g = new GraphBuilder();
        (Value patches, Value picture, Value segments, Value logits) = Forward(g, c, batch, textLength);
        Value patchLoss = PatchLoss(g, c, patches, batch);
        Value tokenLoss = TokenLoss(g, c, picture, batch);
        Value answerLoss = AnswerLoss(g, logits);
        Value boxLoss = ExpectedBoxLoss(g, c, logits, boxes);
        Value pointA = PointingLoss(g, c, segments, "dec.1", "point_a", batch, textLength);
        Value pointB = PointingLoss(g, c, segments, "dec.2", "point_b", batch, textLength);

        g.Output("patch_dense", patchLoss);
        g.Output("token_dense", tokenLoss);
        g.Output("answer", answerLoss);
        g.Output("expected_box", boxLoss);
        g.Output("point_a", pointA);
        g.Output("point_b", pointB);
        g.Output("logits", logits);
        g.Output("total", patchLoss * PatchWeight + tokenLoss * TokenWeight + answerLoss + boxLoss * BoxWeight + (pointA + pointB) * PointWeight);
        return g.Build();
    }

    /// <summary>The next-token loss of the answers alone, over the weights that a finished model has. Outputs: total, and the answer logits [B * T, V].</summary>
    internal static Graph Answer(ScoutConfig c, int batch, int textLength)
    {
        var g = new GraphBuilder();
        Value logits = Forward(g, c, batch, textLength).Logits;
        g.Output("logits", logits);
        g.Output("total", AnswerLoss(g, logits));
        return g.Build();
    }

    private static (Value Patches, Value Picture, Value Segments, Value Logits) Forward(GraphBuilder g, ScoutConfig c, int batch, int textLength)
    {
        int all = c.PictureTokens + textLength;
        Value pixels = g.Input("pixels", DType.F32, batch, 3, c.ImageSide, c.ImageSide);
        Value tokens = g.Input("tokens", DType.I32, batch, textLength);
        Value positions = g.Input("positions", DType.I32, batch, all);
        Value segments = g.Input("segments", DType.I32, batch, all);

        Value patches = ScoutModel.VisionEncoder(g, c, pixels);
        Value picture = ScoutModel.Projector(g, c, patches);
        Value sequence = g.Concat(1, picture, ScoutModel.Embed(g, c, tokens));
        Value hidden = ScoutModel.Decoder(g, c, sequence, positions, AttentionMask.PackedPrefix, cached: false, segments);
        Value text = g.Reshape(g.Slice(hidden, 1, c.PictureTokens, textLength), -1, c.DecoderWidth);
        return (patches, picture, segments, ScoutModel.Head(g, c, text));                          // [B * T, V]
    }

    private static Value AnswerLoss(GraphBuilder g, Value logits) => -g.Sum(g.LogSoftmax(logits) * g.Input("answer", DType.F32, logits.Shape.Axes));

    private static Value PatchLoss(GraphBuilder g, ScoutConfig c, Value patches, int batch)
    {
        Value head = new WeightScope(g)["aux"].LinearBias(patches, Dense);                         // [B, P, 23]
        return DenseLoss(g, g.Reshape(head, -1, Dense), Centres(c.PatchSide, slots: 1, batch), "patch");
    }

    private static Value TokenLoss(GraphBuilder g, ScoutConfig c, Value picture, int batch)
    {
        Value head = new WeightScope(g)["aux2"].LinearBias(picture, 2 * Dense);                    // [B, I, 2 x 23]
        return DenseLoss(g, g.Reshape(head, -1, Dense), Centres(c.PatchSide / 2, slots: 2, batch), "token");
    }

    /// <summary>Objectness, shape, colour, box and distance of each row; predictions [R, 23].</summary>
    private static Value DenseLoss(GraphBuilder g, Value rows, HostTensor centres, string name)
    {
        int r = rows.Shape[0];
        Value[] part = g.Split(rows, -1, 1, Shapes, Colours, 4, 1);
        Value objectness = g.Input($"{name}_objectness", DType.F32, r, 1);
        Value cross = g.Unary(UnaryKind.Softplus, part[0]) - part[0] * objectness;
        Value loss = g.Sum(cross * g.Input($"{name}_objectness_weight", DType.F32, r, 1)) * 2f;
        loss -= g.Sum(g.LogSoftmax(part[1]) * g.Input($"{name}_shape", DType.F32, r, Shapes));
        loss -= g.Sum(g.LogSoftmax(part[2]) * g.Input($"{name}_colour", DType.F32, r, Colours));
        Value box = part[3] * 0.25f + g.Constant(centres);
        Value weight = g.Input($"{name}_object_weight", DType.F32, r, 1);
        loss += g.Sum(BoxDifference(g, box, g.Input($"{name}_box", DType.F32, r, 4)) * weight);
        Value distance = g.Unary(UnaryKind.Abs, part[4] - g.Input($"{name}_log_distance", DType.F32, r, 1));
        return loss + g.Sum(distance * weight) * 0.5f;
    }

    /// <summary>4 times the summed absolute difference plus 1 - GIoU, per row: boxes [R, 4] to [R, 1].</summary>
    private static Value BoxDifference(GraphBuilder g, Value box, Value target)
    {
        Value[] p = g.Split(box, -1, 1, 1, 1, 1), t = g.Split(target, -1, 1, 1, 1, 1);
        Value Min(Value a, Value b) => g.Binary(BinaryKind.Minimum, a, b);
        Value Max(Value a, Value b) => g.Binary(BinaryKind.Maximum, a, b);
        Value Relu(Value a) => g.Unary(UnaryKind.Relu, a);
        Value overlap = Relu(Min(p[2], t[2]) - Max(p[0], t[0])) * Relu(Min(p[3], t[3]) - Max(p[1], t[1]));
        Value union = Relu(p[2] - p[0]) * Relu(p[3] - p[1]) + (t[2] - t[0]) * (t[3] - t[1]) - overlap + 1e-7f;
        Value hull = (Max(p[2], t[2]) - Min(p[0], t[0])) * (Max(p[3], t[3]) - Min(p[1], t[1])) + 1e-7f;
        Value giou = overlap / union - (hull - union) / hull;
        Value l1 = g.Reduce(ReduceKind.Sum, g.Unary(UnaryKind.Abs, box - target), -1, keepAxis: true);
        return l1 * 4f - giou + 1f;
    }

    /// <summary>Expected coordinates under the location logits at the four positions of each box, against the true box.</summary>
    private static Value ExpectedBoxLoss(GraphBuilder g, ScoutConfig c, Value logits, int boxes)
    {
        Value rows = g.Gather(g.Slice(logits, -1, c.LocationBase, c.LocationBins), g.Input("box_rows", DType.I32, boxes * 4));
        Value expected = g.Reduce(ReduceKind.Sum, g.Softmax(rows) * ScoutModel.BinCentres(g, c), -1);
        Value difference = BoxDifference(g, g.Reshape(expected, boxes, 4), g.Input("box", DType.F32, boxes, 4));
        return g.Sum(difference * g.Input("box_weight", DType.F32, boxes, 1));
    }

    /// <summary>-log of the attention mass that head 0 of a decoder layer puts on the picture tokens of the meant objects.</summary>
    private static Value PointingLoss(GraphBuilder g, ScoutConfig c, Value segments, string layer, string name, int batch, int textLength)
    {
        int all = c.PictureTokens + textLength;
        Value Head0(Value x) => g.Reshape(g.Slice(x, 2, 0, 1), batch, all, c.HeadWidth);
        Value q = g.Slice(Head0(g.Tapped($"{layer}.q")), 1, c.PictureTokens, textLength);
        Value scores = g.MatMul(q * (1 / MathF.Sqrt(c.HeadWidth)), g.Permute(Head0(g.Tapped($"{layer}.k")), 0, 2, 1));  // [B, T, I + T]

        Value textSegments = g.Slice(segments, 1, c.PictureTokens, textLength);
        Value same = g.Compare(CompareKind.Equal, g.Reshape(textSegments, batch, textLength, 1), g.Reshape(textSegments, batch, 1, textLength));
        var causal = new float[textLength * textLength];
        for (int i = 0; i < textLength; i++)
            causal.AsSpan(i * textLength, i + 1).Fill(1);
        Value visible = same * g.Constant(HostTensor.From(new Shape(1, textLength, textLength), causal));
        Value hidden = g.Select(visible, g.Scalar(0), g.Scalar(-1e9f));
        Value picture = g.Slice(scores, -1, 0, c.PictureTokens), text = g.Slice(scores, -1, c.PictureTokens, textLength) + hidden;

        Value attention = g.Slice(g.Softmax(g.Concat(-1, picture, text)), -1, 0, c.PictureTokens);
        Value mass = g.Reduce(ReduceKind.Sum, attention * g.Input(name, DType.F32, batch, textLength, c.PictureTokens), -1);
        return -g.Sum(g.Unary(UnaryKind.Log, mass + 1e-3f) * g.Input($"{name}_weight", DType.F32, batch, textLength));
    }

    private static HostTensor Centres(int side, int slots, int batch)
    {
        var centres = new float[batch * side * side * slots * 4];
        for (int i = 0; i < centres.Length; i++)
        {
            int cell = i / 4 / slots % (side * side);
            centres[i] = ((i % 2 == 0 ? cell % side : cell / side) + 0.5f) / side;
        }
        return HostTensor.From(new Shape(centres.Length / 4, 4), centres);
    }
}
