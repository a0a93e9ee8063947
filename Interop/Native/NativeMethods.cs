using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VlmSdk.Native;

/// <summary>Kinds of operations, in the order of vlmk_kind.</summary>
internal enum Kernel
{
    Copy2D, Permute, Gather, ScatterRows, Linear, MatMul, Conv2d, AveragePool, Unary, Binary, Compare, Select, Reduce, Softmax,
    LogSoftmax, ArgMax, Cast, LayerNorm, RmsNorm, RopeTable, Rope, Attention,
}

/// <summary>vlmk_op: one operation with all addresses filled in.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeOp
{
    internal const int Rank = 8, Dims = 36;

    internal int Kind, Mode, Slot, Reserved;
    internal fixed long In[4];
    internal nint Out, Weight;
    internal fixed long Dim[Dims];
    internal fixed float Scalars[2];
}

/// <summary>vlmk_cache: the KV cache of a run.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeCache
{
    internal float** Keys, Values;
    internal long Slots, Past, Capacity;
}

/// <summary>The C interface of native/include/vlm_kernels.h.</summary>
internal static unsafe partial class NativeMethods
{
    internal const string Library = "vlm_kernels";
    internal const int Abi = 2;
    internal const int Ok = 0, BadArgument = 1, BadIndex = 2, NoMemory = 3, Unsupported = 4;

    [LibraryImport(Library, EntryPoint = "vlmk_abi")]
    internal static partial int AbiVersion();

    [LibraryImport(Library, EntryPoint = "vlmk_op_bytes")]
    internal static partial long OpBytes();

    [LibraryImport(Library, EntryPoint = "vlmk_last_error")]
    private static partial byte* LastErrorText();

    [LibraryImport(Library, EntryPoint = "vlmk_isa_available")]
    internal static partial int IsaAvailable(int isa);

    [LibraryImport(Library, EntryPoint = "vlmk_default_threads")]
    internal static partial int DefaultThreads();

    [LibraryImport(Library, EntryPoint = "vlmk_context_create")]
    internal static partial int ContextCreate(int threads, int isa, out nint context);

    [LibraryImport(Library, EntryPoint = "vlmk_context_destroy")]
    internal static partial void ContextDestroy(nint context);

    [LibraryImport(Library, EntryPoint = "vlmk_context_isa")]
    internal static partial int ContextIsa(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "vlmk_weight_create")]
    internal static partial int WeightCreate(int type, void* data, long bytes, long rows, long columns, out nint weight);

    [LibraryImport(Library, EntryPoint = "vlmk_weight_destroy")]
    internal static partial void WeightDestroy(nint weight);

    [LibraryImport(Library, EntryPoint = "vlmk_run")]
    internal static partial int Run(ContextHandle context, NativeOp* ops, long count, NativeCache* cache, long* failed);

    [LibraryImport(Library, EntryPoint = "vlmk_read_all")]
    internal static partial int ReadAll(ContextHandle context, float* data, long count, out float sum);

    internal static string LastError() => Marshal.PtrToStringUTF8((nint)LastErrorText()) ?? "";

    /// <summary>Turns a status other than OK into the exception it means.</summary>
    internal static void Check(int status)
    {
        if (status == Ok)
            return;
        string message = LastError();
        throw status switch
        {
            NoMemory => new InsufficientMemoryException($"CPU kernels: {message}"),
            Unsupported => new PlatformNotSupportedException($"CPU kernels: {message}"),
            BadArgument => new ArgumentException(message),
            _ => new VlmException(message),
        };
    }
}

/// <summary>A kernel context: thread pool and instruction set.</summary>
internal sealed class ContextHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private ContextHandle(nint context) : base(ownsHandle: true) => SetHandle(context);

    internal static ContextHandle Create(int threads, int isa)
    {
        NativeMethods.Check(NativeMethods.ContextCreate(threads, isa, out nint context));
        return new ContextHandle(context);
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ContextDestroy(handle);
        return true;
    }
}

/// <summary>A weight in the packed form of the kernels.</summary>
internal sealed unsafe class PackedWeight : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly long _bytes;

    // The collector is told of the kernels' memory, so that it gives back originals that were let go.
    private PackedWeight(nint weight, long bytes) : base(ownsHandle: true)
    {
        SetHandle(weight);
        GC.AddMemoryPressure(_bytes = Math.Max(bytes, 1));
    }

    internal static PackedWeight Create(int type, ReadOnlySpan<byte> data, long rows, long columns)
    {
        fixed (byte* p = data)
        {
            NativeMethods.Check(NativeMethods.WeightCreate(type, p, data.Length, rows, columns, out nint weight));
            return new PackedWeight(weight, data.Length);
        }
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.WeightDestroy(handle);
        GC.RemoveMemoryPressure(_bytes);
        return true;
    }
}

/// <summary>Memory outside the managed heap, 64-byte aligned and zeroed.</summary>
internal sealed unsafe class NativeBlock : SafeHandleZeroOrMinusOneIsInvalid
{
    internal NativeBlock(long bytes) : base(ownsHandle: true)
    {
        nuint size = checked((nuint)Math.Max(bytes, 64));
        void* p = NativeMemory.AlignedAlloc(size, 64);
        NativeMemory.Clear(p, size);
        SetHandle((nint)p);
    }

    internal byte* Pointer => (byte*)handle;

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
