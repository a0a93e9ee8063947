using System.Buffers.Binary;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>Reads the fields of one protobuf message, strictly: what does not fit is a fault.</summary>
internal ref struct ProtobufReader
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly string _file, _message;
    private ReadOnlySpan<byte> _rest;
    private ReadOnlySpan<byte> _body;
    private ulong _number;
    private int _wire;

    internal ProtobufReader(string file, string message, ReadOnlySpan<byte> bytes)
    {
        _file = file;
        _message = message;
        _rest = bytes;
    }

    /// <summary>Number of the current field.</summary>
    internal int Field { get; private set; }

    internal readonly CheckpointException Fault(string fault, Exception? inner = null) =>
        new(_file, _message, $"{fault} Download the model again.", inner);

    /// <summary>Steps to the next field; false at the end.</summary>
    internal bool Next()
    {
        if (_rest.IsEmpty)
            return false;
        ulong key = ReadVarint();
        if (key >> 3 is 0 or > 0x1FFFFFFF)
            throw Fault($"has the field number {key >> 3}.");
        (Field, _wire) = ((int)(key >> 3), (int)(key & 7));
        switch (_wire)
        {
            case Varint:
                _number = ReadVarint();
                break;
            case Delimited:
                ulong length = ReadVarint();
                _body = Take(length);
                break;
            case Fixed32:
                _body = Take(4);
                break;
            case Fixed64:
                _body = Take(8);
                break;
            default:
                throw Fault($"has the wire type {_wire} in field {Field}; known are 0, 1, 2 and 5.");
        }
        return true;
    }

    internal readonly ReadOnlySpan<byte> Bytes() => Expect(Delimited) ? _body : default;

    internal readonly string Text()
    {
        try
        {
            return Strict.GetString(Bytes());
        }
        catch (DecoderFallbackException e)
        {
            throw Fault($"holds text in field {Field} that is no UTF-8.", e);
        }
    }

    internal readonly float Float() => Expect(Fixed32) ? BinaryPrimitives.ReadSingleLittleEndian(_body) : 0;

    internal readonly bool Flag() => Expect(Varint) && _number != 0;

    internal readonly int Number() => Expect(Varint) && _number <= int.MaxValue
        ? (int)_number
        : throw Fault($"has {_number} in field {Field}; whole numbers up to {int.MaxValue} are accepted.");

    private readonly bool Expect(int wire) => _wire == wire ? true : throw Fault($"has the wire type {_wire} in field {Field}; it must be {wire}.");

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
            throw Fault($"ends inside field {Field}: {length} bytes were announced, {_rest.Length} are left.");
        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70 && !_rest.IsEmpty; shift += 7)
        {
            byte next = _rest[0];
            _rest = _rest[1..];
            if (shift == 63 && next > 1)
                break;
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }
        throw Fault("holds a number that does not end.");
    }
}
