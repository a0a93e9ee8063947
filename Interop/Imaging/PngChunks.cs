using System.Buffers.Binary;

namespace VlmSdk.Imaging;

/// <summary>The chunks of a PNG file in order, its end mark left out; of a file whose outer structure <see cref="ImageHeader"/> has walked.</summary>
internal ref struct PngChunks(ReadOnlySpan<byte> file)
{
    private readonly ReadOnlySpan<byte> _file = file;
    private int _at = 8;

    /// <summary>The next chunk's four letters and its content; false behind the last.</summary>
    internal bool Next(out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> body)
    {
        int length = BinaryPrimitives.ReadInt32BigEndian(_file[_at..]);
        type = _file.Slice(_at + 4, 4);
        body = _file.Slice(_at + 8, length);
        _at += 12 + length;
        return !type.SequenceEqual("IEND"u8);
    }
}
