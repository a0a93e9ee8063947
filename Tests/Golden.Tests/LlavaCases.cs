using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Llava;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Training;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>LLaVA's cases.</summary>
internal static class LlavaCases
{
    internal static readonly Dictionary<string, Handler> All = new()
    {
        ["llava/prefill"] = Handler.Forward(Prefill),
        ["llava/full"] = Handler.Forward(Prefill),
        ["llava/layers"] = Handler.Forward(Prefill),
        ["llava/layout_o"] = Handler.Forward(LayoutO),
        ["llava/greedy"] = Handler.Forward(Greedy),
        ["llava/left_padding"] = Handler.Forward(LeftPadding),
        ["llava/loss"] = Handler.Training(Loss),
        ["llava/preprocess"] = Handler.Plain(Preprocess),
    };

    private static void Prefill(GoldenCase c, IExecutor executor)
    {
        foreach ((string weights, string config) in c.Files())
        {
            // Weights with a configuration of their own have another layout, and a case of their own.
            string own = Path.ChangeExtension(weights, ".json").Replace("model", "config", StringComparison.Ordinal);
            if (own != config && config == "config.json" && File.Exists(c.At(own)))
                continue;
            LlavaConfig read = LlavaConfig.Read(c.Config(config));
            var run = new LlavaRun(executor, read, Weights(c, read, weights));
            c.Compare(run.Whole(c.In("input_ids"), c.In("pixel_values")).GetValueOrDefault);
        }
    }

    private static void LayoutO(GoldenCase c, IExecutor executor)
    {
        (string weights, string config) = c.Files().Single();
        LlavaConfig read = LlavaConfig.ReadOriginal(c.Config(config), c.Config(config.Replace(".json", "-clip.json", StringComparison.Ordinal)));
        var run = new LlavaRun(executor, read, Weights(c, read, weights));
        c.Compare(run.Whole(c.In("input_ids"), c.In("pixel_values")).GetValueOrDefault);
    }

    private static void Greedy(GoldenCase c, IExecutor executor)
    {
        (string weights, string json) = c.Files().Single();
        LlavaConfig config = LlavaConfig.Read(c.Config(json));
        var run = new LlavaRun(executor, config, Weights(c, config, weights));
        HostTensor ids = c.Out("greedy_ids");
        (_, int[] chosen, float[] logits) = run.Greedy(c.In("input_ids"), c.In("pixel_values"), ids.Shape[1]);
        c.Check("out.greedy_ids", HostTensor.From(ids.Shape, chosen));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, logits));
    }

    private static void LeftPadding(GoldenCase c, IExecutor executor)
    {
        (string weights, string json) = c.Files().Single();
        LlavaConfig config = LlavaConfig.Read(c.Config(json));
        var run = new LlavaRun(executor, config, Weights(c, config, weights));
        HostTensor ids = c.In("input_ids"), positions = c.In("position_ids"), mask = c.In("attention_mask"), pixels = c.In("pixel_values"), greedy = c.Out("greedy_ids");
        bool IsReal(int i) => mask.Ints[i / config.Decoder.VocabularySize] != 0;
        c.Check("out.logits", run.Whole(ids, pixels, positions, mask)["logits"], IsReal);
        (HostTensor prompt, int[] chosen, float[] steps) = run.Greedy(ids, pixels, greedy.Shape[1], positions, mask);
        c.Check("out.logits", prompt, IsReal);
        c.Check("out.greedy_ids", HostTensor.From(greedy.Shape, chosen));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, steps));
    }

    private static void Loss(GoldenCase c)
    {
        (string weights, string json) = c.Files().Single();
        LlavaConfig config = LlavaConfig.Read(c.Config(json));
        HostTensor ids = c.In("input_ids"), pixels = c.In("pixel_values"), mask = c.In("attention_mask");
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids.Ints, pixels.Shape[0]);
        (int[] rows, int[] targets) = Losses.NextTokenTargets(c.In("labels").Ints, ids.Shape[1]);
        var g = new GraphBuilder();
        Value logits = LlavaRun.Record(g, config, ids.Shape, pixels.Shape, places.Length, cached: false, masked: true);
        g.Output("logits", logits);
        g.Output("total", Losses.NextToken(g, g.Reshape(logits, -1, config.Decoder.VocabularySize),
            g.Constant(HostTensor.From(new Shape(rows.Length), rows)), g.Constant(HostTensor.From(new Shape(targets.Length), targets))));
        using var parameters = new TorchParameters(new WeightBinding("golden", Weights(c, config, weights)));
        using var plan = new TorchTrainingPlan(g.Build(), parameters, new TorchOptions { BFloat16Products = false });
        foreach ((string name, HostTensor value) in LlavaRun.Inputs(ids.Shape, expanded, places, pixels, null, mask))
            value.Data.CopyTo(plan.Input(name).Data);
        plan.Forward();
        c.Check("out.logits", plan.Read("logits"), i => mask.Ints[i / config.Decoder.VocabularySize] != 0);
        HostTensor loss = plan.Read("total").Reshape(new Shape(1));
        plan.Backward("total");
        c.Compare(name => name == "loss" ? loss : TrainingGradient.Of(parameters, LlavaMapping.Rename(name["grad.".Length..])!), "out.logits");
    }

    private static void Preprocess(GoldenCase c)
    {
        int side = LlavaConfig.Read(c.Config(c.Files().Single().Config)).Vision.ImageSide;
        c.Compare(name => name.Split('_') switch
        {
            [var picture, "crop"] => Pixels.Of(c.In(picture), ImageConventions.ClipCrop(side)),
            [var picture, "pad"] => Pixels.Of(c.In(picture), ImageConventions.LlavaPad(side)),
            _ => null,
        });
    }

    private static IReadOnlyDictionary<string, HostTensor> Weights(GoldenCase c, LlavaConfig config, string file)
    {
        using IWeightSource source = WeightSource.Open(c.At(file));
        return LlavaMapping.Read(source, config);
    }
}
