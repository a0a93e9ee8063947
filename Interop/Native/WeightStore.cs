using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Native;

/// <summary>A tensor at a fixed address. The memory lives as long as this object.</summary>
internal sealed unsafe class FixedTensor
{
    private readonly Pin? _pin;

    /// <summary>Fixes a tensor where it lies, or copies it when it is small.</summary>
    internal FixedTensor(HostTensor tensor)
    {
        if (tensor.Data.Length < 85_000)
        {
            tensor = Copy(tensor.Type, tensor.Shape, tensor.Data.Span);
            Pointer = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.Data.Span));
        }
        else
        {
            _pin = new Pin(tensor.Data.Pin());
            Pointer = (byte*)_pin.Address;
        }
        Tensor = tensor;
    }

    private FixedTensor(HostTensor pinned, byte* pointer)
    {
        Tensor = pinned;
        Pointer = pointer;
    }

    internal HostTensor Tensor { get; }

    internal byte* Pointer { get; }

    /// <summary>A zeroed tensor in pinned memory, 64-byte aligned.</summary>
    internal static FixedTensor Allocate(DType type, Shape shape)
    {
        long bytes = type.ByteCount(shape);
        if (bytes > Array.MaxLength - 64)
            throw new InsufficientMemoryException($"An input or output of {bytes} bytes does not fit one array. Use smaller chunks or pictures.");
        byte[] array = GC.AllocateArray<byte>((int)bytes + 64, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(array, 0);
        int offset = (int)((64 - (address & 63)) & 63);
        return new FixedTensor(new HostTensor(type, shape, array.AsMemory(offset, (int)bytes)), (byte*)address + offset);
    }

    private static HostTensor Copy(DType type, Shape shape, ReadOnlySpan<byte> bytes)
    {
        HostTensor copy = Allocate(type, shape).Tensor;
        bytes.CopyTo(copy.Data.Span);
        return copy;
    }

    // Frees the handle when nobody holds the tensor any more.
    private sealed class Pin(MemoryHandle handle)
    {
        private MemoryHandle _handle = handle;

        internal nint Address => (nint)_handle.Pointer;

        ~Pin() => _handle.Dispose();
    }
}

/// <summary>
/// Weights in the forms the kernels want, made once per binding and shared by all plans of an executor. Thread-safe.
/// An entry goes when its binding is collected or the executor is disposed; plans hold what they use.
/// </summary>
internal sealed class WeightStore : IDisposable
{
    private readonly ConditionalWeakTable<WeightBinding, Entry> _entries = [];

    /// <summary>The weight packed for matrix products.</summary>
    internal PackedWeight Packed(WeightBinding binding, WeightOp weight)
    {
        HostTensor tensor = binding.Get(weight);
        Entry entry = Of(binding);
        return entry.Get(entry.Packed, weight.WeightName,
            () => PackedWeight.Create(StorageType(tensor.Type, weight, "Linear"), tensor.Data.Span, tensor.Shape[0], tensor.Shape[1]));
    }

    /// <summary>The weight as stored.</summary>
    internal FixedTensor Raw(WeightBinding binding, WeightOp weight)
    {
        HostTensor tensor = binding.Get(weight);
        StorageType(tensor.Type, weight, "Gather");
        Entry entry = Of(binding);
        return entry.Get(entry.Raw, weight.WeightName, () => new FixedTensor(tensor));
    }

    /// <summary>The weight as floats.</summary>
    internal unsafe FixedTensor Floats(WeightBinding binding, WeightOp weight)
    {
        HostTensor tensor = binding.Get(weight);
        if (tensor.Type == DType.F32)
            return Raw(binding, weight);
        Entry entry = Of(binding);
        return entry.Get(entry.Floats, weight.WeightName, () =>
        {
            FixedTensor floats = FixedTensor.Allocate(DType.F32, tensor.Shape);
            fixed (byte* data = tensor.Data.Span)
                NativeMethods.Check(NativeMethods.Dequantize(StorageType(tensor.Type, weight, "Weight"), data, tensor.Data.Length, tensor.Shape.Count, (float*)floats.Pointer));
            return floats;
        });
    }

    public void Dispose()
    {
        foreach ((_, Entry entry) in _entries)
            entry.Dispose();
        _entries.Clear();
    }

    /// <summary>The number of a storage type in the kernels' interface (GGUF's numbers).</summary>
    internal static int StorageType(DType type, WeightOp weight, string op) => type switch
    {
        DType.F32 => 0,
        DType.F16 => 1,
        DType.Q4_0 => 2,
        DType.Q4_1 => 3,
        DType.Q5_0 => 6,
        DType.Q5_1 => 7,
        DType.Q8_0 => 8,
        DType.Q2_K => 10,
        DType.Q3_K => 11,
        DType.Q4_K => 12,
        DType.Q5_K => 13,
        DType.Q6_K => 14,
        DType.IQ4_NL => 20,
        DType.IQ4_XS => 23,
        DType.BF16 => 30,
        _ => throw new UnsupportedOpException("native", op, $"weight '{weight.WeightName}' is stored as {type}"),
    };

    private Entry Of(WeightBinding binding) => _entries.GetValue(binding, _ => new Entry());

    private sealed class Entry : IDisposable
    {
        private readonly Lock _gate = new();

        internal Dictionary<string, PackedWeight> Packed { get; } = [];

        internal Dictionary<string, FixedTensor> Raw { get; } = [];

        internal Dictionary<string, FixedTensor> Floats { get; } = [];

        internal T Get<T>(Dictionary<string, T> known, string name, Func<T> make)
        {
            lock (_gate)
            {
                if (!known.TryGetValue(name, out T? value))
                    known.Add(name, value = make());
                return value;
            }
        }

        public void Dispose()
        {
            lock (_gate)
            {
                foreach (PackedWeight weight in Packed.Values)
                    weight.Dispose();
                Packed.Clear();
                Raw.Clear();
                Floats.Clear();
            }
        }
    }
}
