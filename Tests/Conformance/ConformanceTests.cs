using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Conformance;

/// <summary>Every operation on every executor against the reference.</summary>
[TestFixtureSource(typeof(Executors), nameof(Executors.Names))]
public sealed class ConformanceTests(string name)
{
    private const double Tolerance = 1e-5;

    private static readonly OpCase[] Cases = [.. CoreCases.All(), .. FusedCases.All()];

    private readonly IExecutor _reference = Executors.Get("reference").Create();
    private IExecutor _executor = null!;

    internal static IEnumerable<string> CaseNames => Cases.Select(c => c.Name);

    internal static IEnumerable<string> FusedNames => Cases.Where(c => c.Make(InputForm.Plain).Graph.Nodes.Any(n => n.Op.IsFused)).Select(c => c.Name);

    [OneTimeSetUp]
    public void Create() => _executor = Executors.Get(name).Create();

    [OneTimeTearDown]
    public void Free()
    {
        _executor.Dispose();
        _reference.Dispose();
    }

    [Test]
    public void Name_is_the_executors_own() => Assert.That(_executor.Name, Is.EqualTo(Executors.Get(name).OwnName));

    [Test]
    public void Equals_the_reference([ValueSource(nameof(CaseNames))] string which)
    {
        OpCase one = Cases.Single(c => c.Name == which);
        Assert.Multiple(() =>
        {
            foreach (InputForm form in Enum.GetValues<InputForm>())
            {
                CaseGraph graph = one.Make(form);
                Agreement.Check(graph.Run(_executor), graph.Run(_reference), Tolerance, $"{which}, {form} inputs");
            }
        });
    }

    [Test]
    public void Fused_equals_its_decomposition([ValueSource(nameof(FusedNames))] string which)
    {
        CaseGraph graph = Cases.Single(c => c.Name == which).Make(InputForm.Plain);
        CaseGraph spelled = graph with { Graph = graph.Graph.Decompose() };
        Assert.That(spelled.Graph.Nodes.Any(n => n.Op.IsFused), Is.False);
        Agreement.Check(spelled.Run(_executor), graph.Run(_executor), Tolerance, which);
    }

    [Test]
    public void Random_shapes_equal_the_reference() => Assert.Multiple(() =>
    {
        for (int seed = 0; seed < 300; seed++)
        {
            OpCase one = RandomCases.Make(seed);
            foreach (InputForm form in Enum.GetValues<InputForm>())
            {
                CaseGraph graph = one.Make(form), spelled = graph with { Graph = graph.Graph.Decompose() };
                HostTensor expected = graph.Run(_reference);
                Agreement.Check(graph.Run(_executor), expected, Tolerance, $"{one}, {form} inputs");
                Agreement.Check(spelled.Run(_executor), expected, Tolerance, $"{one}, {form} inputs, spelled out");
            }
        }
    });

    [Test]
    public void Runs_again_on_other_inputs()
    {
        CaseGraph graph = Cases.Single(c => c.Name == "Linear: [7,67] to 33 with bias").Make(InputForm.Plain);
        using IPlan plan = _executor.Prepare(graph.Graph, graph.Weights), expected = _reference.Prepare(graph.Graph, graph.Weights);
        for (int run = 0; run < 3; run++)
        {
            plan.Input("x").Floats.Fill(run - 1);
            expected.Input("x").Floats.Fill(run - 1);
            plan.Run();
            expected.Run();
            Agreement.Check(plan.Output("result"), expected.Output("result"), Tolerance, $"run {run}");
        }
    }

    [Test]
    public void An_output_may_be_an_input_a_weight_or_a_view()
    {
        var g = new GraphBuilder();
        Value x = g.Input("x", DType.F32, 2, 3), w = g.Weight("w", 3);
        g.Output("input", x);
        g.Output("weight", w);
        g.Output("view", g.Slice(g.Reshape(x, 3, 2), 0, 1, 2));
        g.Output("twice", x + x);
        var weights = new WeightBinding("test", new Dictionary<string, HostTensor> { ["w"] = HostTensor.From(new Shape(3), [7f, 8, 9]) });
        using IPlan plan = _executor.Prepare(g.Build(), weights);
        new float[] { 1, 2, 3, 4, 5, 6 }.CopyTo(plan.Input("x").Floats);
        plan.Run();
        Assert.Multiple(() =>
        {
            Assert.That(plan.Output("input").Floats.ToArray(), Is.EqualTo(new float[] { 1, 2, 3, 4, 5, 6 }));
            Assert.That(plan.Output("weight").Floats.ToArray(), Is.EqualTo(new float[] { 7, 8, 9 }));
            Assert.That(plan.Output("view").Floats.ToArray(), Is.EqualTo(new float[] { 3, 4, 5, 6 }));
            Assert.That(plan.Output("twice").Floats.ToArray(), Is.EqualTo(new float[] { 2, 4, 6, 8, 10, 12 }));
        });
    }

    [TestCase(DType.F16)]
    [TestCase(DType.BF16)]
    [TestCase(DType.Q8_0)]
    [TestCase(DType.Q4_0)]
    [TestCase(DType.Q4_1)]
    [TestCase(DType.Q5_0)]
    [TestCase(DType.Q5_1)]
    public void Weights_may_be_stored_in(DType type)
    {
        var random = new Random((int)type);
        HostTensor Fill(Shape shape)
        {
            var tensor = new HostTensor(DType.F32, shape);
            foreach (ref float v in tensor.Floats)
                v = random.NextSingle() * 2 - 1;
            return tensor;
        }
        var g = new GraphBuilder();
        Value ids = g.Input("ids", DType.I32, 3), x = g.Gather(g.Weight("table", 5, 96), ids);
        g.Output("rows", x);
        g.Output("product", g.Linear(g.Input("x", DType.F32, 3, 96), g.Weight("matrix", 33, 96)));
        Graph graph = g.Build();
        var weights = new WeightBinding("test", new Dictionary<string, HostTensor>
        {
            ["table"] = Store(type, Fill(new Shape(5, 96))),
            ["matrix"] = Store(type, Fill(new Shape(33, 96))),
        });
        HostTensor input = Fill(new Shape(3, 96));
        using IPlan plan = _executor.Prepare(graph, weights), expected = _reference.Prepare(graph, weights);
        foreach (IPlan each in new[] { plan, expected })
        {
            new[] { 4, 0, 2 }.CopyTo(each.Input("ids").Ints);
            input.Data.CopyTo(each.Input("x").Data);
            each.Run();
        }
        Agreement.Check(plan.Output("rows"), expected.Output("rows"), 0, "rows of a stored table");
        Agreement.Check(plan.Output("product"), expected.Output("product"),
            type.IsQuantized() ? Executors.Get(name).QuantizedTolerance : Tolerance, "product");
    }

    private static HostTensor Store(DType type, HostTensor floats)
    {
        if (type.IsQuantized())
            return Quantizer.Quantize(type, floats);
        var stored = new HostTensor(type, floats.Shape);
        for (int i = 0; i < floats.Floats.Length; i++)
            BitConverter.TryWriteBytes(stored.Data.Span[(2 * i)..], type == DType.F16
                ? BitConverter.HalfToUInt16Bits((Half)floats.Floats[i])
                : (ushort)(BitConverter.SingleToUInt32Bits(floats.Floats[i]) >> 16));
        return stored;
    }
}
