using VlmSdk.Graphs;
using VlmSdk.Tensors;

// The image half of Pixtral (Agrawal et al. 2024): pictures of any size and aspect, several in one pass.
//
// Differs from the obvious: no learned positions and no class token; rotary positions over two axes, rows by the
// even-numbered frequencies on the first half of a head's pairs, columns by the odd-numbered ones on the second half;
// one norm before the blocks and none after them; a gated MLP; no biases anywhere; a patch sees only its own picture.
//
// Axes: P patches of all pictures one after the other, p of one picture, E width, N heads, H head width, F MLP width.

namespace VlmSdk.Models.Encoders;

/// <summary>The graph functions of Pixtral's image half. Names are those below <c>vision_tower.</c> in published files.</summary>
public static class PixtralVit
{
    /// <summary>
    /// Pictures [1, 3, h, w], each with sides of its own that are multiples of the patch and at most
    /// <see cref="PixtralVitConfig.ImageSide"/>, normalised with CLIP's statistics; to patch features [1, P, E], picture after
    /// picture and row after row.
    /// </summary>
    /// <exception cref="ShapeMismatchException">A picture is not F32 [1, 3, h, w] of such sides, or there is none.</exception>
    public static Value Encode(GraphBuilder g, PixtralVitConfig c, WeightScope w, params Value[] pictures)
    {
        (int Rows, int Columns)[] grids = [.. pictures.Select(p => Grid(c, p))];
        if (grids.Length == 0)
            throw new ShapeMismatchException("The image half was given no picture. Give at least one, or leave it out.");
        Value kernel = w["patch_conv"].Weight("weight", c.Width, 3, c.PatchSize, c.PatchSize);
        Value[] patches = [.. pictures.Select(p => g.Permute(g.Reshape(g.Conv2d(p, kernel, stride: c.PatchSize), 1, c.Width, -1), 0, 2, 1))];
        Value x = g.Tap("vision.patches", Joined(g, patches));                                     // [1, P, E]
        x = g.Tap("vision.embed", w["ln_pre"].RmsNorm(x, c.NormEpsilon));
        Turns turns = Turns.Of(g, c, grids);
        for (int i = 0; i < c.Layers; i++)
        {
            WeightScope block = w["transformer"]["layers"][i];
            x += Attention(g, c, block["attention"], block["attention_norm"].RmsNorm(x, c.NormEpsilon), turns, grids);
            x += GatedMlp(g, c, block["feed_forward"], block["ffn_norm"].RmsNorm(x, c.NormEpsilon));
            g.Tap($"vision.block.{i}", x);
        }
        return x;
    }

    private static Value Attention(GraphBuilder g, PixtralVitConfig c, WeightScope w, Value x, Turns turns, (int Rows, int Columns)[] grids)
    {
        Value q = turns.Turn(g, c, Heads(w["q_proj"].Linear(x, c.Width)));                         // [1, P, N, H]
        Value k = turns.Turn(g, c, Heads(w["k_proj"].Linear(x, c.Width)));
        Value v = Heads(w["v_proj"].Linear(x, c.Width));
        // One attention per picture is the block-diagonal mask without its empty blocks.
        var mixed = new Value[grids.Length];
        for (int i = 0, start = 0; i < grids.Length; start += grids[i].Rows * grids[i].Columns, i++)
        {
            int first = start, count = grids[i].Rows * grids[i].Columns;
            Value Own(Value all) => grids.Length == 1 ? all : g.Slice(all, 1, first, count);       // [1, p, N, H]
            mixed[i] = g.Attention(Own(q), Own(k), Own(v), AttentionMask.Full);
        }
        return w["o_proj"].Linear(g.Reshape(Joined(g, mixed), 1, -1, c.Width), c.Width);

        Value Heads(Value wide) => g.Reshape(wide, 1, -1, c.Heads, c.HeadWidth);
    }

    private static Value GatedMlp(GraphBuilder g, PixtralVitConfig c, WeightScope w, Value x)
    {
        Value gate = g.Activation(c.Activation, w["gate_proj"].Linear(x, c.MlpWidth));             // [1, P, F]
        return w["down_proj"].Linear(gate * w["up_proj"].Linear(x, c.MlpWidth), c.Width);
    }

    private static Value Joined(GraphBuilder g, Value[] parts) => parts.Length == 1 ? parts[0] : g.Concat(1, parts);

    private static (int Rows, int Columns) Grid(PixtralVitConfig c, Value picture)
    {
        Shape s = picture.Shape;
        bool Fits(int side) => side > 0 && side <= c.ImageSide && side % c.PatchSize == 0;
        return picture.Type == DType.F32 && s.Rank == 4 && s[0] == 1 && s[1] == 3 && Fits(s[2]) && Fits(s[3])
            ? (s[2] / c.PatchSize, s[3] / c.PatchSize)
            : throw new ShapeMismatchException($"A picture is {picture.Type}{s}; the image half takes F32[1, 3, h, w] with sides that are multiples of " +
                $"{c.PatchSize} up to {c.ImageSide}. Process pictures with the model's image convention, one by one.");
    }

    // The rotation over both axes as two rotary operations over the whole head: one by rows, one by columns, each with
    // an infinite factor, so no turn, on the pairs of the other axis. With base theta^2 pair j turns by theta^(-4j/H),
    // which is the even-numbered frequency 2j; columns turn pair H/4 + j by the odd-numbered one, theta^(-(4j+2)/H).
    private sealed record Turns(Value Rows, Value Columns, Value RowFactors, Value ColumnFactors)
    {
        internal static Turns Of(GraphBuilder g, PixtralVitConfig c, (int Rows, int Columns)[] grids)
        {
            int[] rows = [.. grids.SelectMany(p => Enumerable.Range(0, p.Rows * p.Columns).Select(i => i / p.Columns))];
            int[] columns = [.. grids.SelectMany(p => Enumerable.Range(0, p.Rows * p.Columns).Select(i => i % p.Columns))];
            int half = c.HeadWidth / 4;
            float column = (float)Math.Pow(c.RopeTheta, 2.0 / c.HeadWidth - 1), still = float.PositiveInfinity;
            return new Turns(
                g.Constant(HostTensor.From(new Shape(1, rows.Length), rows)),
                g.Constant(HostTensor.From(new Shape(1, columns.Length), columns)),
                Factors(1, still),
                Factors(still, column));

            Value Factors(float first, float second) =>
                g.Constant(HostTensor.From(new Shape(2 * half), [.. Enumerable.Repeat(first, half), .. Enumerable.Repeat(second, half)]));
        }

        internal Value Turn(GraphBuilder g, PixtralVitConfig c, Value x)
        {
            float theta = c.RopeTheta * c.RopeTheta;
            x = g.Rope(x, Rows, theta, c.HeadWidth, c.RopeLayout, RowFactors);
            return g.Rope(x, Columns, theta, c.HeadWidth, c.RopeLayout, ColumnFactors);
        }
    }
}
