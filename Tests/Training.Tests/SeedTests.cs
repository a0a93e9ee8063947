using System.Text.Json;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Tensors;
using VlmSdk.Torch;

namespace VlmSdk.Tests.Training;

/// <summary>Model, losses and gradients held to the seed: what another implementation computed from the same weights and labels.</summary>
[TestFixture]
public sealed class SeedTests
{
    private static readonly ScoutConfig Config = ScoutConfig.Default;

    [Test]
    public void Torch_equals_the_seed_at_every_tap()
    {
        using var executor = new TorchExecutor(new TorchOptions { Threads = 2 });
        CompareTaps(executor, ScoutSeed.Count);
    }

    [Test]
    public void Reference_equals_the_seed_at_every_tap() => CompareTaps(new ReferenceExecutor(), count: 1);

    [Test]
    public void Losses_and_gradient_norms_equal_the_seed()
    {
        using ScoutSeed seed = ScoutSeed.Open();
        RawBatch batch = seed.Batch();
        using var parameters = new TorchParameters(seed.Weights);
        Graph graph = ScoutLoss.Full(Config, batch.Count, batch.TextLength, LossInputs.MaximumBoxes(batch.Count, batch.TextLength));
        using var plan = new TorchTrainingPlan(graph, parameters, new TorchOptions { Threads = 2, BFloat16Products = false });
        LossInputs.Fill(batch, plan.Input);
        plan.Forward();
        plan.Backward("total");

        JsonElement losses = seed.Expected.GetProperty("losses");
        Assert.Multiple(() =>
        {
            foreach (string name in new[] { "total", "patch_dense", "token_dense", "answer" })
                Assert.That(plan.Scalar(name), Is.EqualTo(losses.GetProperty(name).GetSingle()).Within(0.1).Percent, name);
            Assert.That(plan.Scalar("point_a"), Is.EqualTo(losses.GetProperty("pointing")[0].GetSingle()).Within(0.1).Percent, "point_a");
            Assert.That(plan.Scalar("point_b"), Is.EqualTo(losses.GetProperty("pointing")[1].GetSingle()).Within(0.1).Percent, "point_b");
        });

        IReadOnlyDictionary<string, double> norms = parameters.GradientNorms();
        JsonProperty[] expected = [.. seed.Expected.GetProperty("gradient_norms").EnumerateObject()];
        Assert.That(norms.Keys, Is.EquivalentTo(expected.Select(p => p.Name)));
        Assert.Multiple(() =>
        {
            foreach (JsonProperty norm in expected)
                Assert.That(norms[norm.Name], Is.EqualTo(norm.Value.GetDouble()).Within(0.1).Percent, norm.Name);
        });
    }

    private static void CompareTaps(IExecutor executor, int count)
    {
        using ScoutSeed seed = ScoutSeed.Open();
        RawBatch batch = seed.Batch();
        var all = new Dictionary<string, HostTensor>();
        LossInputs.Fill(batch, Buffers(all, batch));
        using IPlan plan = executor.Prepare(Forward(count), seed.Weights);
        foreach (string name in new[] { "pixels", "tokens", "positions", "segments" })
        {
            Memory<byte> target = plan.Input(name).Data;
            all[name].Data[..target.Length].CopyTo(target);
        }
        plan.Run();
        Assert.Multiple(() =>
        {
            Check("stem", "tap.stem");
            Check("encoder_out", "tap.encoder_out");
            Check("patch_head", "out.patch_head");
            Check("projector_out", "tap.projector_out");
            Check("token_head", "out.token_head");
            CheckDecoder();
            CheckLogits();
        });

        void Check(string output, string stored)
        {
            Span<float> actual = plan.Output(output).Floats;
            Assert.That(Close.Worst(actual, seed.Tensor(stored).Floats[..actual.Length]), Is.LessThan(1e-4), stored);
        }

        // What padding sees is of no consequence and each implementation's own affair.
        void CheckDecoder()
        {
            int rows = Config.PictureTokens + ScoutSeed.Text, width = Config.DecoderWidth;
            for (int b = 0; b < count; b++)
                for (int i = 0; i < rows; i++)
                    if (i < Config.PictureTokens || batch.Texts[b].Queries[i - Config.PictureTokens] > 0)
                        Assert.That(Close.Worst(plan.Output("decoder_norm").Floats.Slice((b * rows + i) * width, width),
                            seed.Tensor("tap.decoder_norm").Floats.Slice((b * rows + i) * width, width)), Is.LessThan(1e-4), $"tap.decoder_norm {b},{i}");
        }

        void CheckLogits()
        {
            int[] index = seed.Numbers("out.answer_index");
            HostTensor expected = seed.Tensor("out.answer_logits"), actual = plan.Output("logits");
            for (int i = 0; i < index.Length && index[i] < count * ScoutSeed.Text; i++)
                Assert.That(Close.Worst(actual.Floats.Slice(index[i] * Config.VocabularySize, Config.VocabularySize),
                    expected.Floats.Slice(i * Config.VocabularySize, Config.VocabularySize)), Is.LessThan(1e-4), $"out.answer_logits {i}");
        }
    }

    private static Func<string, HostTensor> Buffers(Dictionary<string, HostTensor> all, RawBatch batch)
    {
        Graph graph = ScoutLoss.Full(Config, batch.Count, batch.TextLength, LossInputs.MaximumBoxes(batch.Count, batch.TextLength));
        foreach (InputOp input in graph.Inputs)
            all.Add(input.InputName, new HostTensor(input.InputType, input.InputShape));
        return name => all[name];
    }

    private static Graph Forward(int count)
    {
        var g = new GraphBuilder();
        int all = Config.PictureTokens + ScoutSeed.Text;
        Value patches = ScoutModel.VisionEncoder(g, Config, g.Input("pixels", DType.F32, count, 3, Config.ImageSide, Config.ImageSide));
        Value picture = ScoutModel.Projector(g, Config, patches);
        Value text = ScoutModel.Embed(g, Config, g.Input("tokens", DType.I32, count, ScoutSeed.Text));
        Value hidden = ScoutModel.Decoder(g, Config, g.Concat(1, picture, text), g.Input("positions", DType.I32, count, all),
            AttentionMask.PackedPrefix, cached: false, g.Input("segments", DType.I32, count, all));
        g.Output("logits", ScoutModel.Head(g, Config, g.Slice(hidden, 1, Config.PictureTokens, ScoutSeed.Text)));
        g.Output("patch_head", new WeightScope(g)["aux"].LinearBias(patches, ScoutLoss.Dense));
        g.Output("token_head", new WeightScope(g)["aux2"].LinearBias(picture, 2 * ScoutLoss.Dense));
        return g.Build(taps: true);
    }
}
