using System.Globalization;
using System.Text.RegularExpressions;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Training;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>PaliGemma's cases, both generations.</summary>
internal static class PaliGemmaCases
{
    // Only the mask codec has one; the other weight files of a folder hold the model.
    private const string Codebook = "_vq_vae._embedding";

    internal static readonly Dictionary<string, Handler> All = new()
    {
        ["paligemma/prefill"] = Handler.Forward(Prefill),
        ["paligemma/two_images"] = Handler.Forward((c, e) => Compare(c, Open(c, e, "config.json"))),
        ["paligemma/greedy"] = Handler.Forward(Greedy),
        ["paligemma/left_padding"] = Handler.Forward(LeftPadding),
        ["paligemma/teacher"] = Handler.Forward(Teacher),
        ["paligemma/preprocess"] = Handler.Plain(Preprocess),
        ["paligemma/mask_decode"] = Handler.Forward(MaskDecode),
        ["paligemma/mask_encode"] = Handler.Forward(MaskEncode),
        ["paligemma/mask_paste"] = Handler.Plain(MaskPaste),
        ["paligemma2/prefill"] = Handler.Forward(Prefill),
        ["paligemma2/no_window"] = Handler.Forward((c, e) => Compare(c, Open(c, e, "config-window.json"))),
        ["paligemma2/greedy"] = Handler.Forward(Greedy),
        ["paligemma2/left_padding"] = Handler.Forward(LeftPadding),
        ["paligemma2/teacher"] = Handler.Forward(Teacher),
    };

    private static void Prefill(GoldenCase c, IExecutor executor)
    {
        string[] files = [.. c.WeightFiles(f => !f.Tensors.ContainsKey(Codebook))];
        Assert.That(files, Is.Not.Empty, c.At(""));
        foreach (string file in files)
            Compare(c, Open(c, executor, "config.json", file));
    }

    private static void Compare(GoldenCase c, PaliGemmaRun run)
    {
        Dictionary<string, HostTensor> all = run.Whole(c.In("input_ids"), c.In("pixel_values"));
        c.Compare(all.GetValueOrDefault, "out.logits", "out.logits_softcapped");
        foreach (string name in c.List("outputs"))
            CheckWords(c, name, all[name], run.Config.Decoder.VocabularySize);
    }

    /// <summary>Compares logits; a file without filler rows has fewer columns than the reference.</summary>
    private static void CheckWords(GoldenCase c, string name, HostTensor logits, int columns, Func<int, bool>? counts = null)
    {
        HostTensor expected = c.Out(name);
        int wanted = expected.Shape[^1];
        Assert.That(columns, Is.LessThanOrEqualTo(wanted), name);
        var wide = new HostTensor(DType.F32, logits.Shape.With(^1, wanted));
        for (int row = 0; row < logits.Floats.Length / columns; row++)
            logits.Floats.Slice(row * columns, columns).CopyTo(wide.Floats[(row * wanted)..]);
        c.Check("out." + name, wide, i => i % wanted < columns && counts?.Invoke(i / wanted) != false);
    }

    private static void Greedy(GoldenCase c, IExecutor executor)
    {
        PaliGemmaRun run = Open(c, executor, "config.json");
        HostTensor ids = c.Out("greedy_ids");
        (_, int[] chosen, float[] logits) = run.Greedy(c.In("input_ids"), c.In("pixel_values"), ids.Shape[1]);
        c.Check("out.greedy_ids", HostTensor.From(ids.Shape, chosen));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, logits));
    }

    private static void LeftPadding(GoldenCase c, IExecutor executor)
    {
        PaliGemmaRun run = Open(c, executor, "config.json");
        HostTensor ids = c.In("input_ids"), real = c.In("attention_mask"), pixels = c.In("pixel_values"), greedy = c.Out("greedy_ids");
        int batch = ids.Shape[0], length = ids.Shape[1], steps = greedy.Shape[1], words = run.Config.Decoder.VocabularySize;

        // The padded batch, one full pass for each token: the answer grows on the right as a segment of its own.
        var tokens = Rows(ids);
        var positions = Rows(c.In("position_ids"));
        int[] prompt = PaliGemmaPrompt.Segments(new int[real.Ints.Length], real.Ints);
        var segments = Rows(HostTensor.From(real.Shape, prompt));
        var batchIds = new int[batch, steps];
        var batchLogits = new float[batch, steps, words];
        for (int s = 0; s < steps; s++)
        {
            HostTensor logits = run.Whole(Join(tokens), pixels, Join(positions), Join(segments))["logits"];
            if (s == 0)
                CheckWords(c, "logits", logits, words, row => real.Ints[row] != 0);
            for (int b = 0; b < batch; b++)
            {
                ReadOnlySpan<float> last = logits.Floats.Slice(((b + 1) * (length + s) - 1) * words, words);
                for (int w = 0; w < words; w++)
                    batchLogits[b, s, w] = last[w];
                batchIds[b, s] = run.Largest(last);
                tokens[b].Add(batchIds[b, s]);
                positions[b].Add(positions[b][^1] + 1);
                segments[b].Add(1);
            }
        }
        c.Check("out.greedy_ids", HostTensor.From(greedy.Shape, batchIds.Cast<int>().ToArray()));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, batchLogits.Cast<float>().ToArray()));

        // The same batch through the cache, padding and all.
        (HostTensor prompts, int[] chosen, float[] each) = run.Greedy(ids, pixels, steps, c.In("position_ids"), real);
        CheckWords(c, "logits", prompts, words, row => real.Ints[row] != 0);
        c.Check("out.greedy_ids", HostTensor.From(greedy.Shape, chosen));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, each));

        static List<int>[] Rows(HostTensor x) => [.. Enumerable.Range(0, x.Shape[0]).Select(b => x.Ints.Slice(b * x.Shape[1], x.Shape[1]).ToArray().ToList())];
        static HostTensor Join(List<int>[] rows) => HostTensor.From(new Shape(rows.Length, rows[0].Count), rows.SelectMany(r => r).ToArray());
    }

    private static void Teacher(GoldenCase c, IExecutor executor)
    {
        PaliGemmaConfig config = PaliGemmaConfig.Read(c.Config());
        HostTensor ids = c.In("input_ids"), pixels = c.In("pixel_values"), real = c.In("attention_mask");
        HostTensor segments = HostTensor.From(ids.Shape, PaliGemmaPrompt.Segments(c.In("token_type_ids").Ints, real.Ints));
        using IWeightSource file = WeightSource.Open(c.At("model.safetensors"));
        IReadOnlyDictionary<string, HostTensor> weights = PaliGemmaMapping.Read(file, config);
        Dictionary<string, HostTensor> inputs = PaliGemmaRun.Inputs(config, ids, pixels, null, segments);
        c.Check("out.mask", Visible(executor, segments, real));

        var g = new GraphBuilder();
        Value logits = PaliGemmaModel.Head(g, config, PaliGemmaRun.TeacherForced(g, config, ids.Shape, pixels.Shape));
        (int[] rows, int[] targets) = Losses.NextTokenTargets(c.In("labels").Ints, ids.Shape[1]);
        Value flat = g.Reshape(logits, -1, config.Decoder.VocabularySize), at = Ints(g, rows), labels = Ints(g, targets);
        Value weighted = g.Constant(HostTensor.From(new Shape(rows.Length), Losses.PerExampleWeights(rows, ids.Shape[1])));
        g.Output("logits", logits);
        g.Output("loss", g.Reshape(Losses.NextToken(g, flat, at, labels), 1));
        g.Output("loss_per_example", g.Reshape(Losses.NextToken(g, flat, at, labels, weighted), 1));
        g.Output("loss_smoothed", g.Reshape(Losses.NextToken(g, flat, at, labels, weighted, Smoothing(c)), 1));
        Dictionary<string, HostTensor> all = GoldenCase.Run(executor, g, weights, inputs, taps: false);
        c.Check("out.logits", all["logits"], i => real.Ints[i / config.Decoder.VocabularySize] != 0);
        foreach (string loss in new[] { "loss", "loss_per_example", "loss_smoothed" })
            c.Check("out." + loss, all[loss]);
        if (executor is not TorchExecutor)
            return;

        using var parameters = new TorchParameters(new WeightBinding("golden", weights));
        using var plan = new TorchTrainingPlan(g.Build(), parameters, new TorchOptions { BFloat16Products = false });
        foreach ((string name, HostTensor value) in inputs)
            value.Data.CopyTo(plan.Input(name).Data);
        plan.Forward();
        plan.Backward("loss");
        foreach (string name in c.List("outputs").Where(o => o.StartsWith("grad.", StringComparison.Ordinal)))
            c.Check("out." + name, TrainingGradient.Of(parameters, PaliGemmaMapping.Rename(name["grad.".Length..])!));
    }

    /// <summary>What an executor lets tokens see, by attention of equal scores over values that are one key each; padding's own rows are blank.</summary>
    private static HostTensor Visible(IExecutor executor, HostTensor segments, HostTensor real)
    {
        int batch = segments.Shape[0], length = segments.Shape[1];
        var unit = new HostTensor(DType.F32, new Shape(batch, length, 1, length));
        for (int i = 0; i < batch * length; i++)
            unit.Floats[i * length + i % length] = 1;
        var g = new GraphBuilder();
        Value zero = g.Constant(new HostTensor(DType.F32, unit.Shape));
        g.Output("seen", g.Attention(zero, zero, g.Constant(unit), AttentionMask.PackedPrefix, maskInput: g.Input("segments", DType.I32, segments.Shape.Axes)));
        Span<float> seen = GoldenCase.Run(executor, g, new Dictionary<string, HostTensor>(), new Dictionary<string, HostTensor> { ["segments"] = segments })["seen"].Floats;
        var mask = new HostTensor(DType.U8, new Shape(batch, length, length));
        for (int i = 0; i < seen.Length; i++)
            mask.Data.Span[i] = (byte)(seen[i] > 0 && real.Ints[i / length] != 0 ? 1 : 0);
        return mask;
    }

    private static void Preprocess(GoldenCase c)
    {
        int side = PaliGemmaConfig.Read(c.Config()).Vision.ImageSide;
        c.Compare(_ => Pixels.Of(c.In("image"), ImageConventions.Siglip(side)));
    }

    private static void MaskDecode(GoldenCase c, IExecutor executor)
    {
        MaskCodec codec = Codec(c);
        var g = new GraphBuilder();
        Value mask = codec.Decode(g, g.Input("indices", DType.I32, c.In("indices").Shape.Axes));
        g.Output("mask", mask);
        g.Output("soft", MaskCodec.Soft(g, mask));
        Dictionary<string, HostTensor> all = GoldenCase.Run(executor, g, codec.Weights, new Dictionary<string, HostTensor> { ["indices"] = c.In("indices") });
        c.Compare(all.GetValueOrDefault);

        // The same one by one, from the objects of an answer.
        using var decoder = new MaskDecoder(codec, executor);
        c.Check("out.mask", decoder.Decode([.. c.In("indices").Ints.ToArray().Chunk(PaliGemmaAnswer.MaskLength).Select(i => new PaliGemmaObject("", [0, 0, 1, 1], i))]));
    }

    private static void MaskEncode(GoldenCase c, IExecutor executor)
    {
        MaskCodec codec = Codec(c);
        var g = new GraphBuilder();
        g.Output("indices", codec.Encode(g, g.Input("mask", DType.F32, c.In("mask").Shape.Axes)));
        Dictionary<string, HostTensor> all = GoldenCase.Run(executor, g, codec.Weights, new Dictionary<string, HostTensor> { ["mask"] = c.In("mask") });
        c.Compare(all.GetValueOrDefault);
    }

    private static void MaskPaste(GoldenCase c)
    {
        int[] boxes = c.In("boxes").Ints.ToArray();
        int box = 0;
        c.Compare(_ =>
        {
            int[] b = boxes[(4 * box)..(4 * ++box)];
            return MaskCodec.Resize(c.In("mask"), b[2] - b[0], b[3] - b[1]);
        });
    }

    private static MaskCodec Codec(GoldenCase c)
    {
        using IWeightSource file = WeightSource.Open(c.WeightFiles(f => f.Tensors.ContainsKey(Codebook)).Single());
        return MaskCodec.Read(file);
    }

    /// <summary>The label smoothing, which the case gives in its text only.</summary>
    private static float Smoothing(GoldenCase c)
    {
        Match said = Regex.Match(c.Json.GetProperty("shows").GetString()!, @"label smoothing ([0-9]*\.?[0-9]+)");
        return said.Success ? float.Parse(said.Groups[1].Value, CultureInfo.InvariantCulture) : throw new AssertionException($"{c.Name}: no smoothing is named.");
    }

    private static Value Ints(GraphBuilder g, int[] values) => g.Constant(HostTensor.From(new Shape(values.Length), values));

    private static PaliGemmaRun Open(GoldenCase c, IExecutor executor, string config, string? file = null)
    {
        file ??= c.At("model.safetensors");
        PaliGemmaConfig read = PaliGemmaConfig.Read(c.Config(config));
        using IWeightSource source = WeightSource.Open(file);
        read = PaliGemmaMapping.Fit(source, read);
        return new PaliGemmaRun(executor, read, PaliGemmaMapping.Read(source, read));
    }
}
