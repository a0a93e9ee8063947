using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace VlmSdk.Weights;

/// <summary>
/// Reads a GGUF header from front to back through a small window. Every length is compared with the bytes that are left
/// before anything is allocated for it.
/// </summary>
internal sealed class GgufCursor(ByteSource file)
{
    private const int WindowBytes = 32 * 1024;
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly byte[] _window = new byte[(int)Math.Min(WindowBytes, file.Length)];
    private long _windowStart;
    private int _windowLength;

    internal long Position { get; private set; }

    internal long Left => file.Length - Position;

    internal CheckpointException Fault(string? entry, string fault) => new(file.Name, entry is null ? null : TensorReading.Shown(entry), fault + ".");

    internal uint UInt32(string? entry, string what)
    {
        Span<byte> bytes = stackalloc byte[4];
        Fill(bytes, entry, what);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    internal ulong UInt64(string? entry, string what)
    {
        Span<byte> bytes = stackalloc byte[8];
        Fill(bytes, entry, what);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A length and so many bytes of UTF-8.</summary>
    internal string Text(int mostBytes, string? entry, string what)
    {
        ulong announced = UInt64(entry, what);
        if (announced > (ulong)mostBytes)
            throw Fault(entry, $"the {what} announces {announced} bytes and at most {mostBytes} are accepted: the file is damaged");
        if (announced > (ulong)Left)
            throw Fault(entry, $"the {what} announces {announced} bytes, but the file ends after {Left}. Download it again");
        int length = (int)announced;
        try
        {
            if (length <= _window.Length)
                return StrictUtf8.GetString(Window(length));
            byte[] bytes = GC.AllocateUninitializedArray<byte>(length);
            Fill(bytes, entry, what);
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Fault(entry, $"the {what} is not valid UTF-8. Convert the model again");
        }
    }

    /// <summary>A name: text that is neither empty nor holds NUL.</summary>
    internal string Name(int mostBytes, string what)
    {
        string name = Text(mostBytes, null, what);
        if (name.Length == 0)
            throw Fault(null, $"the {what} before byte {Position} is empty. Convert the model again");
        if (name.Contains('\0', StringComparison.Ordinal))
            throw Fault(name, $"the {what} holds NUL. Convert the model again");
        return name;
    }

    internal GgufValue Value(string key)
    {
        var type = (GgufValueType)UInt32(key, "value type");
        if (type != GgufValueType.Array)
            return Scalar(type, key);
        var elementType = (GgufValueType)UInt32(key, "array's item type");
        if (elementType == GgufValueType.Array)
            throw Fault(key, "holds an array of arrays, which is not accepted. Convert the model again");
        CheckType(elementType, key);
        ulong announced = UInt64(key, "array's length");
        if (announced > GgufTypes.MaxArrayItems)
            throw Fault(key, $"announces {announced} items and at most {GgufTypes.MaxArrayItems} are accepted: the file is damaged");
        if (!CheckedExtent.Fits(announced, GgufTypes.SmallestBytes(elementType), Left))
            throw Fault(key, $"announces {announced} items of type {elementType}, which the {Left} bytes left cannot hold. Download the file again");
        return Items(elementType, (int)announced, key);
    }

    private GgufValue Scalar(GgufValueType type, string key)
    {
        CheckType(type, key);
        return type switch
        {
            GgufValueType.UInt8 => GgufValue.Of(One<byte>(key)),
            GgufValueType.Int8 => GgufValue.Of(One<sbyte>(key)),
            GgufValueType.UInt16 => GgufValue.Of(One<ushort>(key)),
            GgufValueType.Int16 => GgufValue.Of(One<short>(key)),
            GgufValueType.UInt32 => GgufValue.Of(One<uint>(key)),
            GgufValueType.Int32 => GgufValue.Of(One<int>(key)),
            GgufValueType.UInt64 => GgufValue.Of(One<ulong>(key)),
            GgufValueType.Int64 => GgufValue.Of(One<long>(key)),
            GgufValueType.Float32 => GgufValue.Of(One<float>(key)),
            GgufValueType.Float64 => GgufValue.Of(One<double>(key)),
            GgufValueType.Bool => GgufValue.Of(Bools(1, key)[0]),
            _ => GgufValue.Of(Text(GgufTypes.MaxStringBytes, key, "string")),
        };
    }

    private GgufValue Items(GgufValueType type, int count, string key) => type switch
    {
        GgufValueType.UInt8 => Many<byte>(count, key),
        GgufValueType.Int8 => Many<sbyte>(count, key),
        GgufValueType.UInt16 => Many<ushort>(count, key),
        GgufValueType.Int16 => Many<short>(count, key),
        GgufValueType.UInt32 => Many<uint>(count, key),
        GgufValueType.Int32 => Many<int>(count, key),
        GgufValueType.UInt64 => Many<ulong>(count, key),
        GgufValueType.Int64 => Many<long>(count, key),
        GgufValueType.Float32 => Many<float>(count, key),
        GgufValueType.Float64 => Many<double>(count, key),
        GgufValueType.Bool => GgufValue.Wrap(Bools(count, key)),
        _ => GgufValue.Wrap(Texts(count, key)),
    };

    private void CheckType(GgufValueType type, string key)
    {
        if (type is < GgufValueType.UInt8 or > GgufValueType.Float64)
            throw Fault(key, $"is of value type {(uint)type}; the format has 0 to {(int)GgufValueType.Float64}. The file is damaged, or newer than this library");
    }

    private T One<T>(string key) where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        Fill(bytes, key, "value");
        return MemoryMarshal.Read<T>(bytes);
    }

    private GgufValue Many<T>(int count, string key) where T : unmanaged
    {
        T[] items = GC.AllocateUninitializedArray<T>(count);
        Fill(MemoryMarshal.AsBytes(items.AsSpan()), key, "array");
        return GgufValue.Wrap(items);
    }

    private bool[] Bools(int count, string key)
    {
        var items = new bool[count];
        Span<byte> bytes = MemoryMarshal.AsBytes(items.AsSpan());
        Fill(bytes, key, "bool");
        if (bytes.ContainsAnyExceptInRange((byte)0, (byte)1))
            throw Fault(key, "holds a bool byte other than 0 and 1. Convert the model again");
        return items;
    }

    private string[] Texts(int count, string key)
    {
        var items = new string[count];
        for (int i = 0; i < count; i++)
            items[i] = Text(GgufTypes.MaxStringBytes, key, "string in the array");
        return items;
    }

    private void Fill(Span<byte> bytes, string? entry, string what)
    {
        if (bytes.Length > Left)
            throw Fault(entry, $"the file ends at byte {file.Length}, inside the {what} at byte {Position}. Download it again");
        if (bytes.Length <= _window.Length)
        {
            Window(bytes.Length).CopyTo(bytes);
            return;
        }
        file.Read(Position, bytes);
        Position += bytes.Length;
    }

    /// <summary>The next bytes, of which the caller knows that they exist and fit the window.</summary>
    private ReadOnlySpan<byte> Window(int count)
    {
        if (Position < _windowStart || Position + count > _windowStart + _windowLength)
        {
            _windowStart = Position;
            _windowLength = (int)Math.Min(_window.Length, Left);
            file.Read(Position, _window.AsSpan(0, _windowLength));
        }
        ReadOnlySpan<byte> bytes = _window.AsSpan((int)(Position - _windowStart), count);
        Position += count;
        return bytes;
    }
}
