using VlmSdk.Graphs;

namespace VlmSdk.Tests.Conformance;

/// <summary>The suite itself: no operation without a case.</summary>
[TestFixture]
public sealed class CoverageTests
{
    private static IEnumerable<Type> Ops => typeof(Op).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Op)) && !t.IsAbstract);

    [Test]
    public void Every_operation_has_a_conformance_case() =>
        Assert.That(Ops.Except(CoreCases.All().Concat(FusedCases.All()).Select(c => c.Op)).Select(t => t.Name), Is.Empty);

    [Test]
    public void Every_operation_has_a_hand_computed_case() =>
        Assert.That(Ops.Except(HandCases.All().Select(c => c.Op)).Select(t => t.Name), Is.Empty);

    [Test]
    public void Every_kind_has_a_hand_computed_case()
    {
        string[] names = [.. HandCases.All().Select(c => c.Name)];
        IEnumerable<string> kinds = [.. Enum.GetNames<UnaryKind>(), .. Enum.GetNames<BinaryKind>(), .. Enum.GetNames<CompareKind>(),
            .. Enum.GetNames<ActivationKind>(), .. Enum.GetNames<ReduceKind>(), .. Enum.GetNames<RopeLayout>(), .. Enum.GetNames<AttentionMask>()];
        Assert.That(kinds.Where(k => !names.Any(n => n.Split(' ').Contains(k))), Is.Empty);
    }

    [Test]
    public void A_case_holds_its_operation() => Assert.Multiple(() =>
    {
        foreach (OpCase one in CoreCases.All().Concat(FusedCases.All()))
            Assert.That(one.Make(InputForm.Plain).Graph.Nodes.Any(n => n.Op.GetType() == one.Op), one.Name);
    });

    [Test]
    public void The_set_stays_closed() => Assert.That(Ops.Count(), Is.LessThanOrEqualTo(60));
}
