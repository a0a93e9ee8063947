using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Pixtral;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Training;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Training;

/// <summary>Training by parts: what is frozen keeps its bits, what learns changes, and gradients pass through what is frozen.</summary>
[TestFixture]
public sealed class FreezingTests
{
    private static readonly string[][] Stages = [[ModelParts.Projector], [ModelParts.Projector, ModelParts.Decoder]];

    [Test]
    public void Parts_are_the_weights_of_the_graph_functions_of_that_name()
    {
        ScoutConfig scout = ScoutConfig.Default;
        Check(ScoutModel.Parts, [.. ScoutCheckpoint.Shapes(scout).Select(s => s.Name)],
            g => ScoutModel.VisionEncoder(g, scout, g.Input("pixels", DType.F32, 1, 3, scout.ImageSide, scout.ImageSide)), (g, x) => ScoutModel.Projector(g, scout, x));
        LlavaConfig llava = LlavaConfig.Read(Config("llava"));
        Check(LlavaModel.Parts, Names(LlavaMapping.Tensors(llava)), g => LlavaModel.VisionEncoder(g, llava, Pixels(g, llava.Vision.ImageSide)), (g, x) => LlavaModel.Projector(g, llava, x));
        PaliGemmaConfig paligemma = PaliGemmaConfig.Read(Config("paligemma"));
        Check(PaliGemmaModel.Parts, Names(PaliGemmaMapping.Tensors(paligemma)),
            g => PaliGemmaModel.VisionEncoder(g, paligemma, Pixels(g, paligemma.Vision.ImageSide)), (g, x) => PaliGemmaModel.Projector(g, paligemma, x));
        PixtralConfig pixtral = PixtralConfig.Read(Config("pixtral"));
        Check(PixtralModel.Parts, Names(PixtralMapping.Tensors(pixtral)),
            g => PixtralModel.VisionEncoder(g, pixtral, Pixels(g, 2 * pixtral.Vision.PatchSize)), (g, x) => PixtralModel.Projector(g, pixtral, x));

        static string[] Names(IEnumerable<WeightSpec> weights) => [.. weights.Select(w => w.Name)];

        static Value Pixels(GraphBuilder g, int side) => g.Input("pixels", DType.F32, 1, 3, side, side);

        static void Check(ModelParts parts, string[] all, Func<GraphBuilder, Value> vision, Func<GraphBuilder, Value, Value> projector)
        {
            GraphBuilder alone = new(), both = new();
            alone.Output("features", vision(alone));
            both.Output("rows", projector(both, vision(both)));
            string[] seen = [.. alone.Build().Weights.Select(w => w.WeightName).Distinct()];
            string[] joined = [.. both.Build().Weights.Select(w => w.WeightName).Distinct().Except(seen)];
            ILookup<string?, string> found = all.Distinct().ToLookup(parts.Of);
            Assert.Multiple(() =>
            {
                Assert.That(found[ModelParts.Vision], Is.EquivalentTo(seen));
                Assert.That(found[ModelParts.Projector], Is.EquivalentTo(joined));
                Assert.That(found[ModelParts.Decoder], Is.EquivalentTo(all.Distinct().Except(seen).Except(joined)).And.Not.Empty);
            });
        }
    }

    [Test]
    public void Unknown_parts_and_weights_are_refused_with_the_list_and_constants_never_learn()
    {
        ModelParts parts = LlavaModel.Parts;
        Func<string, bool> all = parts.Learning(ModelParts.Names);
        Assert.Multiple(() =>
        {
            Assert.That(() => parts.Learning("projector", "tower"), Throws.ArgumentException.With.Message.Contains("'tower'").And.Message.Contains("vision, projector, decoder"));
            Assert.That(() => parts.Learning(), Throws.ArgumentException.With.Message.Contains("vision, projector, decoder"));
            Assert.That(() => all("vision_tower2.weight"), Throws.ArgumentException.With.Message.Contains("'vision_tower2.weight'").And.Message.Contains("projector has multi_modal_projector"));
            Assert.That(all("output.weight"));
            Assert.That(all("rope_freqs.weight"), Is.False);
        });
    }

    [Test]
    public void A_rule_that_leaves_nothing_to_learn_changes_nothing_and_is_refused()
    {
        using var parameters = new TorchParameters(new WeightBinding("one weight", new Dictionary<string, HostTensor> { ["p1.weight"] = HostTensor.From(new Shape(2), new[] { 1f, 2f }) }));
        Assert.That(() => parameters.Learn(ScoutModel.Parts.Learning(ModelParts.Decoder)), Throws.ArgumentException.With.Message.Contains("one weight"));
        Assert.That(parameters.Learning.Keys, Is.EqualTo(new[] { "p1.weight" }));
    }

    [Test]
    public void A_loss_that_no_learning_part_reaches_has_no_backward_run()
    {
        Graph graph = ScoutLoss.Encoder(TinyScout.Config, 1);
        var made = TinyScout.Weights(TinyScout.Loss());
        using var parameters = new TorchParameters(made);
        using var plan = new TorchTrainingPlan(graph, parameters);
        parameters.Learn(name => name.StartsWith("dec.", StringComparison.Ordinal));
        plan.Forward();
        Assert.That(() => plan.Backward("total"), Throws.InvalidOperationException.With.Message.Contains("'total'"));
    }

    [Test]
    public void The_recipe_on_Scout_lowers_the_loss_and_frozen_weights_keep_their_bits()
    {
        ScoutConfig config = TinyScout.Config;
        var options = new TuneOptions { Steps = 12, Batch = 2, TextLength = 64, HeldOut = 4, Threads = 1 };
        WeightBinding trained = TinyScout.Weights(ScoutLoss.Answer(config, options.Batch, options.TextLength));
        using var tuning = new Tuning(config, trained, options, n => Scenery.Picture(n % 4, config.ImageSide), console: null);
        foreach ((string[] Parts, float Rate) stage in Tuning.Stages)
        {
            double before = tuning.HeldOutLoss;
            Dictionary<string, byte[]> weights = Bits(tuning.Weights);
            tuning.Run(stage, CancellationToken.None);
            Assert.That(tuning.HeldOutLoss, Is.LessThan(before));
            OnlyTheseChanged(ScoutModel.Parts, stage.Parts, weights, tuning.Weights);
        }
        Assert.That(Tuning.Stages.Select(s => s.Parts), Is.EqualTo(Stages));
    }

    [Test]
    public void The_recipe_on_Llava_lowers_the_loss_and_frozen_weights_keep_their_bits()
    {
        using var parameters = new TorchParameters(LlavaWeights(out LlavaConfig config));
        using TorchTrainingPlan plan = LlavaPlan(config, parameters);
        foreach (string[] parts in Stages)
        {
            parameters.Learn(LlavaModel.Parts.Learning(parts));
            Dictionary<string, byte[]> weights = Bits(parameters);
            using var optimiser = torch.optim.AdamW(parameters.Learning.Values, lr: 1e-2, weight_decay: 0.1);
            var losses = new List<float>();
            for (int step = 0; step < 6; step++)
            {
                plan.Forward();
                losses.Add(plan.Scalar("total"));
                parameters.ClearGradients();
                plan.Backward("total");
                optimiser.step();
            }
            Assert.That(losses[^1], Is.LessThan(0.9f * losses[0]));
            OnlyTheseChanged(LlavaModel.Parts, parts, weights, parameters);
        }
        // Whoever freezes again loses the gradients of what is frozen then.
        parameters.Learn(LlavaModel.Parts.Learning(ModelParts.Projector));
        Assert.That(parameters.Gradient("output_norm.weight"), Is.Null);
    }

    [Test]
    public void Gradients_pass_a_frozen_decoder_unchanged()
    {
        using var parameters = new TorchParameters(LlavaWeights(out LlavaConfig config));
        using TorchTrainingPlan plan = LlavaPlan(config, parameters);
        plan.Forward();
        plan.Backward("total");
        using var scope = torch.NewDisposeScope();
        string[] names = [.. parameters.ByName.Keys.Where(n => LlavaModel.Parts.Of(n) == ModelParts.Projector)];
        Dictionary<string, torch.Tensor> expected = names.ToDictionary(n => n, n => parameters.Gradient(n)!.clone());

        parameters.Learn(LlavaModel.Parts.Learning(ModelParts.Projector));
        parameters.ClearGradients();
        plan.Forward();
        plan.Backward("total");
        Assert.Multiple(() =>
        {
            foreach (string name in names)
            {
                Assert.That(expected[name].abs().max().ToSingle(), Is.Positive, name);
                Assert.That(parameters.Gradient(name)!.allclose(expected[name], rtol: 1e-5, atol: 1e-8), name);
            }
            Assert.That(parameters.ByName.Keys.Where(n => parameters.Gradient(n) is not null), Is.EquivalentTo(names));
        });
    }

    private static void OnlyTheseChanged(ModelParts model, string[] parts, Dictionary<string, byte[]> before, TorchParameters after)
    {
        Dictionary<string, byte[]> now = Bits(after);
        string[] learning = [.. before.Keys.Where(n => parts.Contains(model.Of(n)))];
        Assert.Multiple(() =>
        {
            Assert.That(now.Where(p => !p.Value.AsSpan().SequenceEqual(before[p.Key])).Select(p => p.Key), Is.EquivalentTo(learning));
            Assert.That(after.Learning.Keys, Is.EquivalentTo(learning));
            Assert.That(after.ByName.Keys.Where(n => after.Gradient(n) is not null), Is.EquivalentTo(learning));
        });
    }

    private static Dictionary<string, byte[]> Bits(TorchParameters parameters) => parameters.ByName.Keys.ToDictionary(n => n, n => parameters.Read(n).Data.ToArray());

    private static ConfigReader Config(string family) => ConfigReader.Open(Golden.Own(family, "config.json"));

    private static WeightBinding LlavaWeights(out LlavaConfig config)
    {
        config = LlavaConfig.Read(Config("llava"));
        using IWeightSource file = WeightSource.Open(Golden.Own("llava", "model.safetensors"));
        return new WeightBinding(file.Source, LlavaMapping.Read(file, config));
    }

    /// <summary>The next-token loss of one picture, a prompt that is ignored, and an answer; filled and ready to run.</summary>
    private static TorchTrainingPlan LlavaPlan(LlavaConfig config, TorchParameters parameters)
    {
        const int prompt = 5, answer = 7, ignore = -100;
        var random = new Random(2);
        int words = Math.Min(config.ImageToken, config.Decoder.VocabularySize), length = config.ImageRows + prompt + answer;
        int[] ids = [.. Enumerable.Range(0, length).Select(i => i < config.ImageRows ? config.ImageToken : random.Next(words))];
        int[] labels = [.. ids.Select((id, i) => i < config.ImageRows + prompt ? ignore : id)];
        (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids, pictures: 1);
        (int[] rows, int[] targets) = Losses.NextTokenTargets(labels, length, ignore);
        Assert.That(rows, Has.Length.EqualTo(answer));

        var g = new GraphBuilder();
        Value pictures = LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, 1, 3, config.Vision.ImageSide, config.Vision.ImageSide)));
        Value hidden = LlavaModel.Decoder(g, config, g.Constant(HostTensor.From(new Shape(1, length), expanded)), g.Constant(HostTensor.From(new Shape(places.Length), places)),
            pictures, g.Constant(HostTensor.From(new Shape(1, length), Enumerable.Range(0, length).ToArray())), cached: false);
        Value logits = g.Reshape(LlavaModel.Head(g, config, hidden), length, config.Decoder.VocabularySize);
        g.Output("total", Losses.NextToken(g, logits, g.Constant(HostTensor.From(new Shape(rows.Length), rows)), g.Constant(HostTensor.From(new Shape(targets.Length), targets))));
        var plan = new TorchTrainingPlan(g.Build(), parameters, new TorchOptions { Threads = 1, BFloat16Products = false });
        foreach (ref float v in plan.Input("pixels").Floats)
            v = 2 * random.NextSingle() - 1;
        return plan;
    }
}
