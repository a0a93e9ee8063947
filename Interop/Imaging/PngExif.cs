using System.Buffers.Binary;

namespace VlmSdk.Imaging;

/// <summary>The orientation that a PNG file gives in its eXIf chunk, which the decoder does not look at.</summary>
internal static class PngExif
{
    private const ushort OrientationTag = 0x0112, ShortType = 3;

    /// <summary>1..8 as EXIF numbers them; 1, upright, where the file says nothing sound.</summary>
    internal static int Orientation(ReadOnlySpan<byte> file)
    {
        for (var chunks = new PngChunks(file); chunks.Next(out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> body);)
            if (type.SequenceEqual("eXIf"u8))
                return OfTiff(body);
        return 1;
    }

    // A TIFF header, then the first directory: a count and entries of twelve bytes.
    private static int OfTiff(ReadOnlySpan<byte> tiff)
    {
        bool little = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < 8 || (!little && !tiff.StartsWith("MM\0*"u8)))
            return 1;
        uint directory = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (directory > tiff.Length - 2)
            return 1;
        int entries = Short(tiff, (int)directory);
        for (int at = (int)directory + 2; entries > 0 && at + 12 <= tiff.Length; entries--, at += 12)
            if (Short(tiff, at) == OrientationTag && Short(tiff, at + 2) == ShortType)
                return Short(tiff, at + 8) is >= 1 and <= 8 and var orientation ? orientation : 1;
        return 1;

        ushort Short(ReadOnlySpan<byte> bytes, int at) => little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]) : BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
    }
}
