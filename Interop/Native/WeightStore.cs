using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

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

    /// <summary>The weight packed for matrix products; types without a kernel are packed as floats.</summary>
    internal PackedWeight Packed(WeightBinding binding, WeightOp weight)
    {
        binding.Check(weight);
        return Get(binding, e => e.Packed, weight, () =>
        {
            HostTensor tensor = binding.Get(weight.WeightName);
            HostTensor source = StorageType(tensor.Type) is null ? Dequantizer.ToFloats(tensor) : tensor;
            PackedWeight packed = PackedWeight.Create(StorageType(source.Type)!.Value, source.Data.Span, source.Shape[0], source.Shape[1]);
            binding.Release(weight.WeightName);
            return packed;
        });
    }

    /// <summary>Whether the weight was packed before.</summary>
    internal bool IsPacked(WeightBinding binding, WeightOp weight) =>
        _entries.TryGetValue(binding, out Entry? entry) && entry.Has(entry.Packed, weight.WeightName);

    /// <summary>The weight as stored, or as floats where the kernels cannot expand its rows.</summary>
    internal FixedTensor Rows(WeightBinding binding, WeightOp weight)
    {
        HostTensor tensor = binding.Get(weight);
        return StorageType(tensor.Type) is null or 0 ? Floats(binding, weight) : Get(binding, e => e.Stored, weight, () => new FixedTensor(tensor));
    }

    /// <summary>The weight as floats.</summary>
    internal FixedTensor Floats(WeightBinding binding, WeightOp weight)
    {
        HostTensor tensor = binding.Get(weight);
        return Get(binding, e => e.Floats, weight, () => new FixedTensor(tensor.Type == DType.F32 ? tensor : Dequantizer.ToFloats(tensor)));
    }

    public void Dispose()
    {
        foreach ((_, Entry entry) in _entries)
            entry.Dispose();
        _entries.Clear();
    }

    /// <summary>The number of a storage type in the kernels' interface (GGUF's numbers); null for those they cannot read.</summary>
    internal static int? StorageType(DType type) => type switch
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
        _ => null,
    };

    private T Get<T>(WeightBinding binding, Func<Entry, Dictionary<string, T>> form, WeightOp weight, Func<T> make)
    {
        Entry entry = _entries.GetValue(binding, _ => new Entry());
        return entry.Get(form(entry), weight.WeightName, make);
    }

    private sealed class Entry : IDisposable
    {
        private readonly Lock _gate = new();

        internal Dictionary<string, PackedWeight> Packed { get; } = [];

        internal Dictionary<string, FixedTensor> Stored { get; } = [];

        internal Dictionary<string, FixedTensor> Floats { get; } = [];

        internal bool Has<T>(Dictionary<string, T> known, string name)
        {
            lock (_gate)
                return known.ContainsKey(name);
        }

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
                Stored.Clear();
                Floats.Clear();
            }
        }
    }
}
