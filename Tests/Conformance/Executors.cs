using VlmSdk.Execution;
using VlmSdk.Torch;

namespace VlmSdk.Tests.Conformance;

/// <summary>The executors every conformance test runs on. A new one is added here and nowhere else.</summary>
internal static class Executors
{
    /// <summary>All of them. Names are the executors' own.</summary>
    internal static readonly IReadOnlyList<ExecutorUnderTest> All =
    [
        new("reference", () => new ReferenceExecutor()),
        new("torch", () => new TorchExecutor(new TorchOptions { Threads = 2 })),
    ];

    internal static IEnumerable<string> Names => All.Select(e => e.Name);

    internal static ExecutorUnderTest Get(string name) => All.Single(e => e.Name == name);
}

/// <summary>An executor and what it may differ in.</summary>
/// <param name="Name">The executor's name.</param>
/// <param name="Create">Makes one.</param>
/// <param name="QuantizedTolerance">
/// Allowed difference of products with block-quantized weights, relative to the result's root mean square: larger than
/// 1e-5 where an executor also quantizes the other factor.
/// </param>
internal sealed record ExecutorUnderTest(string Name, Func<IExecutor> Create, double QuantizedTolerance = 1e-5);
