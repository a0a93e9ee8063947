using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>What executors cannot run, they refuse by name, when the plan is prepared.</summary>
[TestFixtureSource(typeof(Executors), nameof(Executors.Names))]
public sealed class RefusalTests(string name)
{
    private static readonly WeightBinding NoWeights = new("none.gguf", new Dictionary<string, HostTensor>());

    private IExecutor _executor = null!;

    [OneTimeSetUp]
    public void Create() => _executor = Executors.Get(name).Create();

    [OneTimeTearDown]
    public void Free() => _executor.Dispose();

    [Test]
    public void Unknown_operation_is_named() =>
        Assert.That(() => _executor.Prepare(Over(new StrangeOp()), NoWeights),
            Throws.InstanceOf<UnsupportedOpException>().With.Property("Op").EqualTo("Strange").And.Property("Executor").EqualTo(Executors.Get(name).OwnName)
                .And.Message.Contains("Strange"));

    [Test]
    public void Unknown_fused_operation_with_state_is_named() =>
        Assert.That(() => _executor.Prepare(Over(new StatefulOp()), NoWeights),
            Throws.InstanceOf<UnsupportedOpException>().With.Property("Op").EqualTo("Stateful").And.Property("Executor").EqualTo(Executors.Get(name).OwnName));

    [Test]
    public void Unknown_fused_operation_runs_as_its_decomposition()
    {
        using IPlan plan = _executor.Prepare(Over(new DoublingOp()), NoWeights);
        new float[] { 1, 2, 3 }.CopyTo(plan.Input("x").Floats);
        plan.Run();
        Assert.That(plan.Output("result").Floats.ToArray(), Is.EqualTo(new float[] { 2, 4, 6 }));
    }

    [TestCase(AttentionMask.Full, 3, 0f)]
    [TestCase(AttentionMask.Causal, -1, 0f)]
    [TestCase(AttentionMask.Causal, 0, -1f)]
    [TestCase(AttentionMask.Causal, 0, float.PositiveInfinity)]
    [TestCase(AttentionMask.Causal, 0, float.NaN)]
    public void Windows_and_caps_without_meaning_are_refused_when_recorded(AttentionMask mask, int window, float cap)
    {
        var g = new GraphBuilder();
        Value x = g.Input("x", DType.F32, 1, 2, 1, 4);
        Assert.That(() => g.Attention(x, x, x, mask, window: window, softCap: cap), Throws.InstanceOf<ShapeMismatchException>().With.Message.Contains(window == 0 ? "soft cap" : "window"));
    }

    [TestCase(2, 3)]
    [TestCase(-1, 1)]
    [TestCase(int.MaxValue, 1)]
    public void Slices_outside_an_axis_are_refused_when_recorded(int start, int length)
    {
        var g = new GraphBuilder();
        Assert.That(() => g.Slice(g.Input("x", DType.F32, 4), 0, start, length), Throws.InstanceOf<ShapeMismatchException>().With.Message.Contains("axis 0"));
    }

    [Test]
    public void Missing_weight_is_named_with_the_file()
    {
        var g = new GraphBuilder();
        g.Output("result", g.Linear(g.Input("x", DType.F32, 1, 2), g.Weight("dec.0.o.weight", 2, 2)));
        Assert.That(() => _executor.Prepare(g.Build(), NoWeights),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains("dec.0.o.weight").And.Message.Contains("none.gguf"));
    }

    [Test]
    public void Weight_of_another_shape_is_refused()
    {
        var g = new GraphBuilder();
        g.Output("result", g.Linear(g.Input("x", DType.F32, 1, 2), g.Weight("w", 2, 2)));
        var weights = new WeightBinding("other.gguf", new Dictionary<string, HostTensor> { ["w"] = new(DType.F32, new Shape(4)) });
        Assert.That(() => _executor.Prepare(g.Build(), weights), Throws.InstanceOf<CheckpointException>().With.Message.Contains("[2, 2]"));
    }

    [TestCase(-1)]
    [TestCase(5)]
    public void Index_outside_the_table_is_refused(int index)
    {
        var g = new GraphBuilder();
        g.Output("result", g.Gather(g.Input("table", DType.F32, 5, 3), g.Input("i", DType.I32, 2)));
        using IPlan plan = _executor.Prepare(g.Build(), NoWeights);
        plan.Input("i").Ints[1] = index;
        Assert.That(() => plan.Run(), Throws.InstanceOf<VlmException>().With.Message.Contains($"{index}"));
    }

    [Test]
    public void Disposed_plans_and_executors_are_refused()
    {
        IExecutor executor = Executors.Get(name).Create();
        IPlan plan = executor.Prepare(Over(new DoublingOp()), NoWeights);
        plan.Dispose();
        plan.Dispose();
        Assert.That(() => plan.Run(), Throws.InstanceOf<ObjectDisposedException>());
        executor.Dispose();
        executor.Dispose();
        Assert.That(() => executor.Prepare(Over(new DoublingOp()), NoWeights), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => executor.CreateCache(new KvCacheSpec(1, 1, 2, 4)), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Unknown_input_or_output_is_refused()
    {
        using IPlan plan = _executor.Prepare(Over(new DoublingOp()), NoWeights);
        Assert.Multiple(() =>
        {
            Assert.That(() => plan.Input("y"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'y'"));
            Assert.That(() => plan.Output("y"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'y'"));
        });
    }

    private static Graph Over(Op op)
    {
        var g = new GraphBuilder();
        g.Output("result", g.Add(op, g.Input("x", DType.F32, 3)));
        return g.Build();
    }

    private sealed record StrangeOp : Op
    {
        public override string Name => "Strange";

        public override (Shape Shape, DType Type) Infer(IReadOnlyList<Value> inputs) => (inputs[0].Shape, inputs[0].Type);
    }

    private sealed record StatefulOp : Op
    {
        public override string Name => "Stateful";

        public override bool IsFused => true;

        public override (Shape Shape, DType Type) Infer(IReadOnlyList<Value> inputs) => (inputs[0].Shape, inputs[0].Type);
    }

    private sealed record DoublingOp : Op
    {
        public override string Name => "Doubling";

        public override bool IsFused => true;

        public override (Shape Shape, DType Type) Infer(IReadOnlyList<Value> inputs) => (inputs[0].Shape, inputs[0].Type);

        public override Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs) => inputs[0] + inputs[0];
    }
}
