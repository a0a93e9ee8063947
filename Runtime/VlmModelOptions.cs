using VlmSdk.Execution;
using VlmSdk.Weights;

namespace VlmSdk;

/// <summary>Which kind of executor runs a model.</summary>
public enum Backend
{
    /// <summary>Native when its package is there, else Reference.</summary>
    Auto,
    /// <summary>The C++ kernels of package VlmSdk.Native: the shipping CPU path.</summary>
    Native,
    /// <summary>libtorch through package VlmSdk.Torch: a second oracle, and CUDA.</summary>
    Torch,
    /// <summary>Plain managed loops: always there, exact, slow.</summary>
    Reference,
}

/// <summary>How a model is loaded.</summary>
public sealed record VlmModelOptions
{
    /// <summary>Which executor to make; ignored when <see cref="Executor"/> is set.</summary>
    public Backend Backend { get; init; } = Backend.Auto;

    /// <summary>An executor of the caller's, who disposes it after the model; null to have one made by <see cref="Backend"/>.</summary>
    public IExecutor? Executor { get; init; }

    /// <summary>
    /// How a published model's weights are read: <see cref="WeightReading.Matrices"/> brings its matrices into Q8_0 or Q4_0 one by one, so
    /// that a checkpoint larger than memory loads, and <see cref="WeightReading.Progress"/> is told how far it has come. As stored
    /// when omitted. GGUF files keep the types they were written with.
    /// </summary>
    public WeightReading? Reading { get; init; }

    /// <summary>Longest text a call accepts, in characters, at least 1; longer ones are refused with <see cref="PromptTooLongException"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to less than 1.</exception>
    public int LongestText
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(LongestText), value, "A text needs room for at least one character.");
    } = 32_768;
}

/// <summary>Makes executors of packages the Runtime does not reference.</summary>
public static class Backends
{
    /// <summary>Makes an executor of a kind.</summary>
    /// <exception cref="DeviceUnavailableException">The kind's package is not beside the program, or its native library does not load.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such kind.</exception>
    public static IExecutor Create(Backend backend)
    {
        // The names are constants, so that trimming and ahead-of-time compilation see them.
        switch (backend)
        {
            case Backend.Reference:
                return new ReferenceExecutor();
            case Backend.Native:
                return Make(Type.GetType("VlmSdk.Native.NativeExecutor, VlmSdk.Native"), "VlmSdk.Native");
            case Backend.Torch:
                return Make(Type.GetType("VlmSdk.Torch.TorchExecutor, VlmSdk.Torch"), "VlmSdk.Torch");
            case Backend.Auto:
                Type? native = Type.GetType("VlmSdk.Native.NativeExecutor, VlmSdk.Native");
                return native is null ? new ReferenceExecutor() : Make(native, "VlmSdk.Native");
            default:
                throw new ArgumentOutOfRangeException(nameof(backend), backend, $"There is no such backend; choose one of {string.Join(", ", Enum.GetNames<Backend>())}.");
        }
    }

    /// <summary>Makes something on the options' executor, or on one made for it, which is disposed again if that fails.</summary>
    internal static T Use<T>(VlmModelOptions options, Func<IExecutor, T> make)
    {
        IExecutor executor = options.Executor ?? Create(options.Backend);
        try
        {
            return make(executor);
        }
        catch when (options.Executor is null)
        {
            executor.Dispose();
            throw;
        }
    }

    private static IExecutor Make(
        [System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] Type? type,
        string package)
    {
        if (type is null)
            throw new DeviceUnavailableException($"The backend of package {package} is not beside this program. Reference the package, or choose another backend.");
        try
        {
            return (IExecutor)Activator.CreateInstance(type)!;
        }
        catch (System.Reflection.TargetInvocationException e) when (e.InnerException is VlmException inner)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }
}
