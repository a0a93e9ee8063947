using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Encoders;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Training;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>SigLIP's cases.</summary>
internal static class SiglipCases
{
    internal static readonly Dictionary<string, Handler> All = new()
    {
        ["siglip/main"] = Handler.Forward(Towers),
        ["siglip/zero_shot"] = Handler.Forward(ZeroShot),
        ["siglip/text_length"] = Handler.Forward(TextLength),
        ["siglip/gradients"] = Handler.Training(Gradients),
        ["siglip/preprocess"] = Handler.Plain(Preprocess),
    };

    private static void Towers(GoldenCase c, IExecutor executor)
    {
        SiglipConfig config = SiglipConfig.Read(c.Config());
        string[] whole = [.. c.WeightFiles(HoldsText)], halves = [.. c.WeightFiles(f => !HoldsText(f))];
        Assert.That(whole.Length + halves.Length, Is.AtLeast(c.Json.GetProperty("files").EnumerateObject().Count()), "every file that the case lists");
        foreach (string path in whole)
            c.Compare(Whole(c, executor, config, perText: true, path).GetValueOrDefault);

        // The image half alone, under each of its name generations.
        foreach (string path in halves)
        {
            VitConfig vision = VitConfig.Siglip(c.Config("config-vision.json"));
            using IWeightSource file = WeightSource.Open(path);
            var g = new GraphBuilder();
            WeightScope w = new WeightScope(g)["vision_model"];
            Value pixels = g.Input("pixel_values", DType.F32, c.In("pixel_values").Shape.Axes);
            g.Output("pooled", SiglipVit.Pool(g, vision, w["head"], SiglipVit.Encode(g, vision, w, pixels)));
            Dictionary<string, HostTensor> half = GoldenCase.Run(executor, g, SiglipMapping.ReadVision(file, vision), Inputs(c));
            foreach (string tap in c.List("taps").Where(t => t.StartsWith("vision.", StringComparison.Ordinal)))
                c.Check("tap." + tap, half[tap]);
        }

        static bool HoldsText(IWeightSource file) =>
            file.Tensors.Keys.Any(n => n.Contains("text_model.", StringComparison.Ordinal) || n.Contains("txt/", StringComparison.Ordinal));
    }

    private static void ZeroShot(GoldenCase c, IExecutor executor)
    {
        Dictionary<string, HostTensor> all = Whole(c, executor, SiglipConfig.Read(c.Config()), perText: false);
        c.Compare(all.GetValueOrDefault);
    }

    private static void TextLength(GoldenCase c, IExecutor executor)
    {
        SiglipConfig config = SiglipConfig.Read(c.Config());
        IReadOnlyDictionary<string, HostTensor> weights = Weights(c, config);
        Dictionary<string, HostTensor> Encode(string ids)
        {
            var g = new GraphBuilder();
            g.Output("result", SiglipModel.TextEncoder(g, config, g.Input(ids, DType.I32, c.In(ids).Shape.Axes)));
            return GoldenCase.Run(executor, g, weights, new Dictionary<string, HostTensor> { [ids] = c.In(ids) });
        }
        Dictionary<string, HostTensor> full = Encode("input_ids"), cut = Encode("short_ids");
        c.Compare(name => name switch
        {
            "pooled" => full["text.pooled"],
            "last_hidden_state" => full["text.out"],
            "short_pooled" => cut["text.pooled"],
            _ => null,
        });
    }

    private static void Gradients(GoldenCase c)
    {
        SiglipConfig config = SiglipConfig.Read(c.Config());
        var g = new GraphBuilder();
        Value logits = Record(g, c, config);
        // The logits' own gradient is that of a zero added to them.
        Value nudge = g.Weight("nudge", logits.Shape.Axes);
        g.Output("total", Losses.SigmoidContrastive(g, logits + nudge));
        var weights = new Dictionary<string, HostTensor>(Weights(c, config)) { ["nudge"] = new(DType.F32, logits.Shape) };
        using var parameters = new TorchParameters(new WeightBinding("golden", weights));
        using var plan = new TorchTrainingPlan(g.Build(), parameters, new TorchOptions { BFloat16Products = false });
        c.In("pixel_values").Data.CopyTo(plan.Input("pixel_values").Data);
        c.In("input_ids").Data.CopyTo(plan.Input("input_ids").Data);
        plan.Forward();
        HostTensor loss = plan.Read("total").Reshape(new Shape(1));
        plan.Backward("total");
        c.Compare(name => name == "loss" ? loss
            : TrainingGradient.Of(parameters, name["grad.".Length..] is var of && of == "logits_per_text" ? "nudge" : SiglipMapping.Rename(of)!));
    }

    private static void Preprocess(GoldenCase c)
    {
        int side = SiglipConfig.Read(c.Config()).Vision.ImageSide;
        c.Compare(name => Pixels.Of(c.In(name), ImageConventions.Siglip(side)));
    }

    private static Dictionary<string, HostTensor> Whole(GoldenCase c, IExecutor executor, SiglipConfig config, bool perText, string? path = null)
    {
        var g = new GraphBuilder();
        Value logits = Record(g, c, config), perImage = g.Permute(logits, 1, 0);
        g.Output("logits_per_text", logits);
        g.Output("logits_per_image", perImage);
        g.Output("probabilities", g.Unary(UnaryKind.Sigmoid, perText ? logits : perImage));
        g.Output("softmax", g.Softmax(perImage));
        g.Output("best", g.ArgMax(perImage));
        if (logits.Shape[0] == logits.Shape[1])
            g.Output("loss", g.Reshape(Losses.SigmoidContrastive(g, logits), 1));
        return GoldenCase.Run(executor, g, Weights(c, config, path), Inputs(c));
    }

    private static Value Record(GraphBuilder g, GoldenCase c, SiglipConfig config)
    {
        Value images = SiglipModel.ImageEmbeddings(g, config, g.Input("pixel_values", DType.F32, c.In("pixel_values").Shape.Axes));
        Value texts = SiglipModel.TextEmbeddings(g, config, g.Input("input_ids", DType.I32, c.In("input_ids").Shape.Axes));
        g.Output("image_embeds", images);
        g.Output("text_embeds", texts);
        return SiglipModel.Logits(g, texts, images);
    }

    private static Dictionary<string, HostTensor> Inputs(GoldenCase c) =>
        new() { ["pixel_values"] = c.In("pixel_values"), ["input_ids"] = c.In("input_ids") };

    private static IReadOnlyDictionary<string, HostTensor> Weights(GoldenCase c, SiglipConfig config, string? path = null)
    {
        using IWeightSource file = WeightSource.Open(path ?? c.At("model.safetensors"));
        return SiglipMapping.Read(file, config);
    }
}
