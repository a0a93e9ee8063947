using VlmSdk.Execution;
using VlmSdk.Native;
using VlmSdk.Torch;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Every case of every model folder, on every executor.</summary>
[TestFixture]
public sealed class GoldenTests
{
    private static readonly Dictionary<string, Func<IExecutor>> Executors = new()
    {
        ["reference"] = () => new ReferenceExecutor(),
        ["torch"] = () => new TorchExecutor(new TorchOptions { Threads = 2 }),
        ["native"] = () => new NativeExecutor(new NativeExecutorOptions { Threads = 2 }),
    };

    /// <summary>Handlers by "system/case". A case without one is reported as skipped.</summary>
    private static readonly Dictionary<string, Handler> Handlers = new([.. SiglipCases.All, .. LlavaCases.All, .. PixtralCases.All, .. PaliGemmaCases.All]);

    private static readonly string[] KnownSystems = [.. Handlers.Keys.Select(k => k.Split('/')[0]).Distinct()];

    /// <summary>Cases found in the folder, and the systems known here that the folder lacks.</summary>
    public static IEnumerable<TestCaseData> Found()
    {
        string[] systems = Directory.Exists(Golden.Root)
            ? [.. Directory.GetDirectories(Golden.Root).Where(HoldsModel).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)]
            : [];
        foreach (string system in systems)
            foreach (string name in Golden.Cases(system).Select(d => Path.GetFileName(d)))
                foreach (string executor in Handlers.TryGetValue($"{system}/{name}", out Handler? handler) ? handler.On : ["none"])
                    yield return new TestCaseData(system, name, executor).SetName($"{system}/{name} on {executor}");
        foreach (string system in KnownSystems.Except(systems))
            yield return new TestCaseData(system, "", "none").SetName($"{system} (absent)");
    }

    [TestCaseSource(nameof(Found))]
    public void Equals_the_reference_implementation(string system, string name, string executor)
    {
        if (name.Length == 0)
            Assert.Ignore($"The golden folder {Golden.Root} holds no '{system}'.");
        if (!Handlers.TryGetValue($"{system}/{name}", out Handler? handler))
        {
            Assert.Ignore(KnownSystems.Contains(system)
                ? $"No handler for case '{name}' of '{system}' exists yet."
                : $"VlmSdk has no model '{system}' yet.");
            return;
        }
        var one = new GoldenCase(system, name);
        using IExecutor chosen = Executors[executor]();
        handler.Run(one, chosen);
    }

    // A model folder has weights or a configuration at its top; the other families have tests of their own.
    private static bool HoldsModel(string folder) =>
        Directory.EnumerateFiles(folder).Any(f => Path.GetFileName(f).StartsWith("config", StringComparison.Ordinal) ||
            Path.GetFileName(f).StartsWith("model", StringComparison.Ordinal) || Path.GetFileName(f) == "params.json");
}

/// <summary>How a case is run.</summary>
/// <param name="Run">Computes and compares.</param>
/// <param name="On">Names of the executors it runs on.</param>
internal sealed record Handler(Action<GoldenCase, IExecutor> Run, params string[] On)
{
    internal static readonly string[] Everywhere = ["reference", "torch", "native"];

    /// <summary>A case for every executor.</summary>
    internal static Handler Forward(Action<GoldenCase, IExecutor> run) => new(run, Everywhere);

    /// <summary>A case with gradients.</summary>
    internal static Handler Training(Action<GoldenCase> run) => new((c, _) => run(c), "torch");

    /// <summary>A case without a graph.</summary>
    internal static Handler Plain(Action<GoldenCase> run) => new((c, _) => run(c), "reference");
}
