using VlmSdk.Execution;
using VlmSdk.Native;
using VlmSdk.Torch;

namespace VlmSdk.Tests.Conformance;

/// <summary>The executors every conformance test runs on. A new one is added here and nowhere else.</summary>
internal static class Executors
{
    /// <summary>All of them.</summary>
    internal static readonly IReadOnlyList<ExecutorUnderTest> All =
    [
        new("reference", () => new ReferenceExecutor()),
        new("torch", () => new TorchExecutor(new TorchOptions { Threads = 2 })),
        // Every instruction set this machine has; Native.KernelTests names those it lacks.
        .. NativeExecutor.AvailableIsas().Select(isa => new ExecutorUnderTest($"native {isa}",
            () => new NativeExecutor(new NativeExecutorOptions { Isa = isa, Threads = 2 }), OwnName: "native")),
    ];

    internal static IEnumerable<string> Names => All.Select(e => e.Name);

    internal static ExecutorUnderTest Get(string name) => All.Single(e => e.Name == name);
}

/// <summary>An executor and what it may differ in.</summary>
/// <param name="Name">Name in this list: the executor's own, or one that also tells its variant.</param>
/// <param name="Create">Makes one.</param>
/// <param name="QuantizedTolerance">
/// Allowed difference of products with block-quantized weights, relative to the result's root mean square: larger than
/// 1e-5 where an executor also quantizes the other factor.
/// </param>
/// <param name="OwnName">The name the executor gives itself, where it is another.</param>
internal sealed record ExecutorUnderTest(string Name, Func<IExecutor> Create, double QuantizedTolerance = 1e-5, string? OwnName = null)
{
    /// <summary>The name the executor gives itself.</summary>
    public string OwnName { get; } = OwnName ?? Name;
}
