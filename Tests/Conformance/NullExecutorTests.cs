using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>The executor without arithmetic, and the counting of cost.</summary>
[TestFixture]
public sealed class NullExecutorTests
{
    [Test]
    public void Runs_every_case_with_the_shapes_of_the_reference() => Assert.Multiple(() =>
    {
        using var executor = new NullExecutor();
        using var reference = new ReferenceExecutor();
        foreach (OpCase one in CoreCases.All().Concat(FusedCases.All()))
        {
            CaseGraph graph = one.Make(InputForm.Plain);
            HostTensor nothing = graph.Run(executor), expected = graph.Run(reference);
            Assert.That((nothing.Type, nothing.Shape), Is.EqualTo((expected.Type, expected.Shape)), one.Name);
        }
    });

    [Test]
    public void Cost_of_a_small_graph_is_the_one_counted_by_hand()
    {
        var g = new GraphBuilder();
        Value x = g.Input("x", DType.F32, 3, 4);                                  // 48 bytes
        Value y = g.Linear(x, g.Weight("w", 5, 4));                               // 60 multiply-adds, 60 bytes, 80 bytes of weight
        Value z = g.Reshape(y, 1, 3, 1, 5);                                       // a view
        Value a = g.Attention(z, z, z, AttentionMask.Causal, slot: 0);            // 2 * 15 * (past + 3), 60 bytes
        g.Output("result", a);
        GraphCost cost = GraphCost.Of(g.Build(), past: 7);
        Assert.Multiple(() =>
        {
            Assert.That(cost.MultiplyAdds, Is.EqualTo(60 + 2 * 15 * 10));
            Assert.That(cost.WeightBytes, Is.EqualTo(80));
            Assert.That(cost.ActivationBytes, Is.EqualTo(48 + 60 + 60));
            Assert.That(cost.PeakActivationBytes, Is.EqualTo(120));
        });
    }

    [Test]
    public void Cost_of_Scout_is_that_of_its_layers()
    {
        ScoutConfig c = ScoutConfig.Default;
        var g = new GraphBuilder();
        g.Output("features", ScoutModel.VisionEncoder(g, c, g.Input("pixels", DType.F32, 1, 3, c.ImageSide, c.ImageSide)));
        Graph graph = g.Build();
        // Convolutions: 7x7 to 64x64, then 3x3 pairs at 64, 32, 32 and 16 with a stride-2 step between the stages.
        long stem = 4096L * 32 * 147 + 2 * 4096L * 32 * 288 + 1024L * 96 * 288 + 4 * 1024L * 96 * 864 + 256L * 192 * 864 + 2 * 256L * 192 * 1728;
        long layer = 256L * 192 * (576 + 192 + 2 * 768) + 2 * 256L * 256 * 192;
        Assert.That(GraphCost.Of(graph).MultiplyAdds, Is.EqualTo(stem + 4 * layer));
    }

    [Test]
    public void Stored_weights_count_as_stored()
    {
        var g = new GraphBuilder();
        g.Output("result", g.Linear(g.Input("x", DType.F32, 1, 32), g.Weight("w", 4, 32)));
        var weights = new WeightBinding("test", new Dictionary<string, HostTensor> { ["w"] = new(DType.Q8_0, new Shape(4, 32)) });
        Assert.That(GraphCost.Of(g.Build(), weights).WeightBytes, Is.EqualTo(4 * 34));
    }
}
