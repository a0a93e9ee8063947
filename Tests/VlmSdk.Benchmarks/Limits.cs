using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using VlmSdk.Native;

namespace VlmSdk.Benchmarks;

/// <summary>Reads a buffer by streaming loads into eight independent sums per thread, on the threads of an executor.</summary>
internal sealed unsafe class ReadLimit : IDisposable
{
    private readonly NativeExecutor _executor;
    private readonly NativeBlock _memory;
    private readonly long _floats;

    internal ReadLimit(NativeExecutor executor, long bytes)
    {
        _executor = executor;
        _floats = bytes / sizeof(float);
        // Cleared by writing, so every page is there.
        _memory = new NativeBlock(bytes);
    }

    internal void Run() => NativeMethods.Check(NativeMethods.ReadAll(_executor.Context, (float*)_memory.Pointer, _floats, out _));

    public void Dispose() => _memory.Dispose();
}

/// <summary>Multiply-adds in registers only, in twelve independent chains per thread: more than latency times units.</summary>
internal static class MultiplyAddLimit
{
    private const int Chains = 12;
    private static float _sink;

    /// <summary>Lanes of the widest vector of this processor.</summary>
    internal static int Lanes => Avx512F.IsSupported ? 16 : Fma.IsSupported ? 8 : 4;

    /// <summary>Runs at least this many floating-point operations on so many threads and returns how many it ran.</summary>
    internal static double Run(double operations, int threads)
    {
        double perTurn = 2.0 * Chains * Lanes;
        long turns = (long)Math.Ceiling(operations / threads / perTurn);
        var others = new Thread[threads - 1];
        for (int i = 0; i < others.Length; i++)
        {
            others[i] = new Thread(() => Spin(turns));
            others[i].Start();
        }
        Spin(turns);
        foreach (Thread other in others)
            other.Join();
        return turns * perTurn * threads;
    }

    private static void Spin(long turns) => Volatile.Write(ref _sink, Avx512F.IsSupported ? Spin512(turns) : Fma.IsSupported ? Spin256(turns) : Spin128(turns));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Spin512(long turns)
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (; turns > 0; turns--)
        {
            a = Avx512F.FusedMultiplyAdd(a, x, y);
            b = Avx512F.FusedMultiplyAdd(b, x, y);
            c = Avx512F.FusedMultiplyAdd(c, x, y);
            d = Avx512F.FusedMultiplyAdd(d, x, y);
            e = Avx512F.FusedMultiplyAdd(e, x, y);
            f = Avx512F.FusedMultiplyAdd(f, x, y);
            g = Avx512F.FusedMultiplyAdd(g, x, y);
            h = Avx512F.FusedMultiplyAdd(h, x, y);
            i = Avx512F.FusedMultiplyAdd(i, x, y);
            j = Avx512F.FusedMultiplyAdd(j, x, y);
            k = Avx512F.FusedMultiplyAdd(k, x, y);
            l = Avx512F.FusedMultiplyAdd(l, x, y);
        }
        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Spin256(long turns)
    {
        Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
        Vector256<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (; turns > 0; turns--)
        {
            a = Fma.MultiplyAdd(a, x, y);
            b = Fma.MultiplyAdd(b, x, y);
            c = Fma.MultiplyAdd(c, x, y);
            d = Fma.MultiplyAdd(d, x, y);
            e = Fma.MultiplyAdd(e, x, y);
            f = Fma.MultiplyAdd(f, x, y);
            g = Fma.MultiplyAdd(g, x, y);
            h = Fma.MultiplyAdd(h, x, y);
            i = Fma.MultiplyAdd(i, x, y);
            j = Fma.MultiplyAdd(j, x, y);
            k = Fma.MultiplyAdd(k, x, y);
            l = Fma.MultiplyAdd(l, x, y);
        }
        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Spin128(long turns)
    {
        Vector128<float> x = Vector128.Create(0.999f), y = Vector128.Create(0.001f);
        Vector128<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (; turns > 0; turns--)
        {
            a = Vector128.FusedMultiplyAdd(a, x, y);
            b = Vector128.FusedMultiplyAdd(b, x, y);
            c = Vector128.FusedMultiplyAdd(c, x, y);
            d = Vector128.FusedMultiplyAdd(d, x, y);
            e = Vector128.FusedMultiplyAdd(e, x, y);
            f = Vector128.FusedMultiplyAdd(f, x, y);
            g = Vector128.FusedMultiplyAdd(g, x, y);
            h = Vector128.FusedMultiplyAdd(h, x, y);
            i = Vector128.FusedMultiplyAdd(i, x, y);
            j = Vector128.FusedMultiplyAdd(j, x, y);
            k = Vector128.FusedMultiplyAdd(k, x, y);
            l = Vector128.FusedMultiplyAdd(l, x, y);
        }
        return Vector128.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}
