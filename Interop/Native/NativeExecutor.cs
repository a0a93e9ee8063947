using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Weights;

namespace VlmSdk.Native;

/// <summary>Settings of a <see cref="NativeExecutor"/>.</summary>
public sealed record NativeExecutorOptions
{
    /// <summary>Threads that work on an operation, the caller's included: 1 to 256; 0 takes one per available physical core.</summary>
    public int Threads { get; init; }

    /// <summary>Instruction set: <c>scalar</c>, <c>avx2</c> or <c>avx512</c>; the best of this processor when omitted. All give the same bits.</summary>
    public string? Isa { get; init; }

    /// <summary>Full path of the kernel library when it does not lie beside the program. Counts for the first executor of a process.</summary>
    public string? LibraryPath { get; init; }
}

/// <summary>
/// The shipping CPU executor: runs graphs with the C++ kernels of native/, on plain and block-quantized weights, which
/// stay packed as stored and are decoded in registers. Results are the same bits for every instruction set and thread
/// count. Thread-safe; while one plan holds the thread pool, another runs on its caller's thread alone.
/// </summary>
public sealed class NativeExecutor : IExecutor
{
    private static readonly string[] IsaNames = ["best", "scalar", "avx2", "avx512"];

    private readonly WeightStore _weights = new();
    private bool _disposed;

    /// <summary>Loads the kernels with the default settings.</summary>
    /// <exception cref="KernelLibraryException">The kernel library is missing or of another version.</exception>
    public NativeExecutor() : this(null)
    {
    }

    /// <summary>Loads the kernels and starts the threads.</summary>
    /// <exception cref="KernelLibraryException">The kernel library is missing or of another version.</exception>
    /// <exception cref="ArgumentException">The instruction set's name is unknown.</exception>
    /// <exception cref="PlatformNotSupportedException">This processor lacks the instruction set.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The thread count is outside 0 to 256.</exception>
    public NativeExecutor(NativeExecutorOptions? options)
    {
        options ??= new NativeExecutorOptions();
        if (options.Threads is < 0 or > 256)
            throw new ArgumentOutOfRangeException(nameof(options), options.Threads,
                $"{options.Threads} threads were asked for; 1 to 256 are possible, or 0 for one per available core.");
        int isa = options.Isa is null ? 0 : Array.IndexOf(IsaNames, options.Isa);
        if (isa < 0 || options.Isa == IsaNames[0])
            throw new ArgumentException($"The instruction set '{options.Isa}' is unknown; use scalar, avx2 or avx512, or leave it out for the best one.", nameof(options));
        KernelLibrary.Load(options.LibraryPath);
        if (NativeMethods.IsaAvailable(isa) == 0)
            throw new PlatformNotSupportedException(
                $"This processor lacks {options.Isa}; it has {string.Join(", ", AvailableIsas())}. Leave NativeExecutorOptions.Isa out to get the best one.");
        Threads = options.Threads > 0 ? options.Threads : Math.Max(1, Math.Min(NativeMethods.DefaultThreads(), Environment.ProcessorCount));
        Context = ContextHandle.Create(Threads, isa);
        Isa = IsaNames[NativeMethods.ContextIsa(Context)];
    }

    /// <inheritdoc/>
    public string Name => "native";

    /// <summary>Threads that work on an operation, the caller's included.</summary>
    public int Threads { get; }

    /// <summary>The instruction set in use: scalar, avx2 or avx512.</summary>
    public string Isa { get; }

    internal ContextHandle Context { get; }

    /// <summary>The instruction sets that this processor and this build have, simplest first.</summary>
    /// <exception cref="KernelLibraryException">The kernel library is missing or of another version.</exception>
    public static IReadOnlyList<string> AvailableIsas()
    {
        KernelLibrary.Load(null);
        return IsaNames.Skip(1).Where((_, i) => NativeMethods.IsaAvailable(i + 1) != 0).ToArray();
    }

    /// <inheritdoc/>
    public bool Supports(Op op) => PlanBuilder.Supports(op);

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The executor is disposed.</exception>
    public IPlan Prepare(Graph graph, WeightBinding weights)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new PlanBuilder(GraphLowering.Lower(this, graph), weights, _weights).Build(Context);
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The executor is disposed.</exception>
    public void Take(WeightBinding weights, WeightSpec weight)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (weight.Packs)
            _weights.Packed(weights, new WeightOp(weight.Name, weight.Shape));
    }

    /// <inheritdoc/>
    public KvCache CreateCache(KvCacheSpec spec)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new KvCache(spec);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _weights.Dispose();
        Context.Dispose();
    }
}
