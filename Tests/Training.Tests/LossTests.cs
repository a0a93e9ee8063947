using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Training;

namespace VlmSdk.Tests.Training;

/// <summary>CLIP's contrastive loss against plain loops in double precision, its gradient against their difference quotients.</summary>
[TestFixture]
public sealed class LossTests
{
    [Test]
    public void Softmax_contrastive_equals_plain_loops([Values(1, 2, 5)] int n)
    {
        var random = new Random(n);
        double[] logits = [.. Enumerable.Range(0, n * n).Select(_ => (double)(float)(8 * random.NextDouble() - 4))];
        var g = new GraphBuilder();
        g.Output("loss", Losses.SoftmaxContrastive(g, g.Weight("logits", n, n)));
        Graph graph = g.Build();
        var weights = new WeightBinding("loss", new Dictionary<string, HostTensor>
        {
            ["logits"] = HostTensor.From(new Shape(n, n), logits.Select(v => (float)v).ToArray()),
        });

        using var reference = new ReferenceExecutor();
        using IPlan plain = reference.Prepare(graph, weights);
        plain.Run();
        using var parameters = new TorchParameters(weights);
        using var training = new TorchTrainingPlan(graph, parameters, new TorchOptions { BFloat16Products = false });
        training.Forward();
        float forward = training.Read("loss").Floats[0];
        training.Backward("loss");
        using TorchSharp.torch.Tensor gradient = parameters.Gradient("logits")!.detach().contiguous();
        float[] slopes = gradient.data<float>().ToArray();

        const double Step = 1e-4;
        Assert.Multiple(() =>
        {
            Assert.That(plain.Output("loss").Floats[0], Is.EqualTo(Loss(logits, n)).Within(1e-5));
            Assert.That(forward, Is.EqualTo(Loss(logits, n)).Within(1e-5));
            for (int i = 0; i < logits.Length; i++)
                Assert.That(slopes[i], Is.EqualTo((Loss(Moved(i, Step), n) - Loss(Moved(i, -Step), n)) / (2 * Step)).Within(1e-5), $"element {i}");
        });

        double[] Moved(int at, double step)
        {
            double[] moved = [.. logits];
            moved[at] += step;
            return moved;
        }
    }

    [Test]
    public void Softmax_contrastive_needs_square_logits()
    {
        var g = new GraphBuilder();
        Assert.That(() => Losses.SoftmaxContrastive(g, g.Input("logits", DType.F32, 2, 3)), Throws.TypeOf<ShapeMismatchException>().With.Message.Contains("[2, 3]"));
    }

    // Picture i belongs to text i: half the cross entropy of each row, half that of each column, averaged over the pairs.
    private static double Loss(double[] logits, int n)
    {
        double sum = 0;
        for (int i = 0; i < n; i++)
        {
            double row = 0, column = 0;
            for (int j = 0; j < n; j++)
            {
                row += Math.Exp(logits[i * n + j]);
                column += Math.Exp(logits[j * n + i]);
            }
            sum += (Math.Log(row) - logits[i * n + i] + Math.Log(column) - logits[i * n + i]) / 2;
        }
        return sum / n;
    }
}
