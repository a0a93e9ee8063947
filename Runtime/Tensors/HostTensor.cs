using System.Runtime.InteropServices;

namespace VlmSdk.Tensors;

/// <summary>
/// A dense row-major tensor in host memory, plain or block-quantized. It neither copies nor pools: the memory it was
/// given is the memory it shows. Not synchronized; share it between threads only for reading.
/// </summary>
public sealed class HostTensor
{
    /// <summary>Wraps existing bytes.</summary>
    /// <exception cref="ShapeMismatchException">The bytes are not exactly the size the type and shape need.</exception>
    public HostTensor(DType type, Shape shape, Memory<byte> data)
    {
        long need = type.ByteCount(shape);
        if (data.Length != need)
            throw new ShapeMismatchException($"A {type} tensor of shape {shape} needs {need} bytes, {data.Length} were given.");
        Type = type;
        Shape = shape;
        Data = data;
    }

    /// <summary>Allocates a zeroed tensor.</summary>
    public HostTensor(DType type, Shape shape) : this(type, shape, new byte[type.ByteCount(shape)]) { }

    /// <summary>Copies floats into a new F32 tensor.</summary>
    public static HostTensor From(Shape shape, ReadOnlySpan<float> values) => From(DType.F32, shape, values);

    /// <summary>Copies 32-bit integers into a new I32 tensor.</summary>
    public static HostTensor From(Shape shape, ReadOnlySpan<int> values) => From(DType.I32, shape, values);

    /// <summary>Element type.</summary>
    public DType Type { get; }

    /// <summary>Axes, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>The raw little-endian bytes.</summary>
    public Memory<byte> Data { get; }

    /// <summary>The elements of an F32 tensor.</summary>
    /// <exception cref="InvalidOperationException">The tensor is of another type.</exception>
    public Span<float> Floats => Typed<float>(DType.F32);

    /// <summary>The elements of an I32 tensor.</summary>
    /// <exception cref="InvalidOperationException">The tensor is of another type.</exception>
    public Span<int> Ints => Typed<int>(DType.I32);

    /// <summary>The same memory under another shape with the same number of elements.</summary>
    /// <exception cref="ShapeMismatchException">The element counts differ.</exception>
    public HostTensor Reshape(Shape shape) => new(Type, shape, Data);

    private Span<T> Typed<T>(DType type) where T : unmanaged =>
        Type == type
            ? MemoryMarshal.Cast<byte, T>(Data.Span)
            : throw new InvalidOperationException($"The tensor holds {Type}, not {type}; convert it first.");

    private static HostTensor From<T>(DType type, Shape shape, ReadOnlySpan<T> values) where T : unmanaged =>
        new(type, shape, MemoryMarshal.AsBytes(values).ToArray());
}
