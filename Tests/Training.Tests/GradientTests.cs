using TorchSharp;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Torch;

namespace VlmSdk.Tests.Training;

/// <summary>The tiny Scout's training loss on two executors, and its gradients against differences of the reference.</summary>
[TestFixture]
public sealed class GradientTests
{
    private Graph _graph = null!;
    private WeightBinding _weights = null!;
    private Dictionary<string, HostTensor> _inputs = null!;

    [OneTimeSetUp]
    public void Make()
    {
        _graph = TinyScout.Loss();
        _weights = TinyScout.Weights(_graph);
        _inputs = TinyScout.Inputs(_graph);
    }

    [Test]
    public void Every_loss_equals_the_reference()
    {
        using var torch = new TorchExecutor(new TorchOptions { Threads = 2 });
        using IPlan expected = Run(new ReferenceExecutor(), _weights), actual = Run(torch, _weights);
        foreach (string name in _graph.Outputs.Keys)
            Assert.That(Close.Worst(actual.Output(name), expected.Output(name)), Is.LessThan(1e-4), name);
    }

    // One element of each kind of parameter: the one with the largest gradient, so that the difference stands clear of rounding.
    [TestCase("stem.0.weight")]
    [TestCase("stem.9.b.bias")]
    [TestCase("pos")]
    [TestCase("enc.1.att.qkv.weight")]
    [TestCase("enc.0.f2.weight")]
    [TestCase("en.weight")]
    [TestCase("p1.weight")]
    [TestCase("emb.weight")]
    [TestCase("dec.1.att.qkv.weight")]
    [TestCase("dec.0.gu.weight")]
    [TestCase("dec.2.n1.weight")]
    [TestCase("lh.weight")]
    [TestCase("aux.weight")]
    [TestCase("aux2.bias")]
    public void Gradient_equals_the_difference_quotient(string name)
    {
        using var parameters = new TorchParameters(_weights);
        using var plan = new TorchTrainingPlan(_graph, parameters, new TorchOptions { BFloat16Products = false });
        Fill(plan.Input);
        plan.Forward();
        plan.Backward("total");
        Assert.That(parameters.GradientNorms().Where(n => !double.IsFinite(n.Value)).Select(n => n.Key), Is.Empty);
        torch.Tensor gradient = parameters.Gradient(name)!;
        int largest = (int)gradient.abs().argmax().item<long>();
        double slope = gradient.flatten()[largest].item<float>();

        HostTensor weight = _weights.Get(name);
        float value = weight.Floats[largest], step = 2e-2f * MathF.Max(0.1f, MathF.Abs(value));
        double quotient = (Total(name, largest, value + step) - Total(name, largest, value - step)) / (2.0 * step);
        double halved = (Total(name, largest, value + step / 2) - Total(name, largest, value - step / 2)) / step;
        // Richardson: the two quotients together cancel the cubic term.
        Assert.That(slope, Is.EqualTo((4 * halved - quotient) / 3).Within(1).Percent.Or.EqualTo(halved).Within(2e-4));
    }

    [Test]
    public void Products_in_bfloat16_give_nearly_the_same_gradients()
    {
        using var exact = new TorchParameters(_weights);
        using var rounded = new TorchParameters(_weights);
        foreach ((TorchParameters parameters, bool half) in new[] { (exact, false), (rounded, true) })
        {
            using var plan = new TorchTrainingPlan(_graph, parameters, new TorchOptions { BFloat16Products = half });
            Fill(plan.Input);
            plan.Forward();
            plan.Backward("total");
        }
        double dot = 0, a = 0, b = 0;
        foreach (string name in _weights.Names)
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor x = exact.Gradient(name)!.flatten(), y = rounded.Gradient(name)!.flatten();
            Assert.That(y.dtype, Is.EqualTo(torch.ScalarType.Float32));
            (dot, a, b) = (dot + (x * y).sum().item<float>(), a + x.square().sum().item<float>(), b + y.square().sum().item<float>());
        }
        Assert.That(dot / Math.Sqrt(a * b), Is.GreaterThan(0.995));
    }

    [Test]
    public void Steps_free_what_they_allocate()
    {
        using var parameters = new TorchParameters(_weights);
        using var plan = new TorchTrainingPlan(_graph, parameters);
        Fill(plan.Input);
        long[] alive = new long[4];
        for (int step = 0; step < alive.Length; step++)
        {
            plan.Forward();
            plan.Backward("total");
            parameters.ClearGradients();
            plan.EndStep();
            alive[step] = torch.Tensor.TotalCount;
        }
        Assert.That(alive[3], Is.LessThanOrEqualTo(alive[1]));
    }

    [Test]
    public void Evaluation_keeps_no_gradients_and_unknown_names_are_refused()
    {
        using var parameters = new TorchParameters(_weights);
        using var plan = new TorchTrainingPlan(_graph, parameters);
        Assert.That(() => plan.Scalar("total"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("Forward"));
        Fill(plan.Input);
        plan.Forward(gradients: false);
        Assert.Multiple(() =>
        {
            Assert.That(plan.Output("total").requires_grad, Is.False);
            Assert.That(() => plan.Scalar("totl"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("totl"));
            Assert.That(parameters.GradientNorms().Values, Is.All.Zero);
        });
    }

    private double Total(string name, int index, float value)
    {
        var changed = _weights.Names.ToDictionary(n => n, _weights.Get);
        changed[name] = HostTensor.From(changed[name].Shape, changed[name].Floats);
        changed[name].Floats[index] = value;
        using IPlan plan = Run(new ReferenceExecutor(), new WeightBinding("changed", changed));
        return plan.Output("total").Floats[0];
    }

    private IPlan Run(IExecutor executor, WeightBinding weights)
    {
        IPlan plan = executor.Prepare(_graph, weights);
        Fill(plan.Input);
        plan.Run();
        return plan;
    }

    private void Fill(Func<string, HostTensor> input)
    {
        foreach ((string name, HostTensor values) in _inputs)
            values.Data.CopyTo(input(name).Data);
    }
}
