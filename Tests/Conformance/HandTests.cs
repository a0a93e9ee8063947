using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance;

/// <summary>Every executor, the reference first of all, against results worked out by hand.</summary>
[TestFixtureSource(typeof(Executors), nameof(Executors.Names))]
public sealed class HandTests(string name)
{
    private static readonly HandCase[] Cases = [.. HandCases.All()];

    internal static IEnumerable<string> CaseNames => Cases.Select(c => c.Name);

    [Test]
    public void Equals_the_hand_computed_result([ValueSource(nameof(CaseNames))] string which)
    {
        HandCase one = Cases.Single(c => c.Name == which);
        var scene = new HandScene();
        scene.G.Output("result", one.Build(scene));
        var weights = new WeightBinding("test", new Dictionary<string, HostTensor> { ["w"] = HostTensor.From(new Shape(3), [7f, 8, 9]) });
        using IExecutor executor = Executors.Get(name).Create();
        using IPlan plan = executor.Prepare(scene.G.Build(), weights);
        foreach ((string input, HostTensor values) in scene.Inputs)
            values.Data.CopyTo(plan.Input(input).Data);
        plan.Run();
        HostTensor result = plan.Output("result");
        HostTensor expected = result.Type == DType.I32
            ? HostTensor.From(result.Shape, Array.ConvertAll(one.Expected, v => (int)v))
            : HostTensor.From(result.Shape, one.Expected);
        Agreement.Check(result, expected, 2e-6, which);
    }
}
