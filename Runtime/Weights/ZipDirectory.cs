using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace VlmSdk.Weights;

/// <summary>One file inside a zip archive.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Begin">Position of its first stored byte.</param>
/// <param name="Stored">Bytes in the archive.</param>
/// <param name="Length">Bytes unpacked.</param>
/// <param name="Deflated">It is compressed; else it lies in the archive as it is.</param>
internal sealed record ZipMember(string Name, long Begin, long Stored, long Length, bool Deflated);

/// <summary>
/// The directory of a zip archive, read strictly (PKWARE's APPNOTE, with its 64-bit records): members are stored or
/// deflated, lie inside the file without overlapping, have different names, and unpack to a bounded multiple of the
/// file. Checksums are not verified.
/// </summary>
internal static class ZipDirectory
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const uint EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndBytes = 22, Locator64Bytes = 20, End64Bytes = 56, EntryBytes = 46, LocalBytes = 30;
    private const int MaxCommentBytes = 65_535;
    private const long UnpackedSlack = 64L << 20;

    /// <summary>The members in the order of the directory.</summary>
    /// <exception cref="CheckpointException">The archive breaks a rule, or unpacks to more than 4 times its size plus 64 MiB.</exception>
    internal static IReadOnlyList<ZipMember> Read(ByteSource file)
    {
        (CheckedExtent directory, ulong count) = Locate(file);
        if (!CheckedExtent.Fits(count, EntryBytes, directory.Length))
            throw Fault(file, null, $"announces {count} members, which the {directory.Length} bytes of its directory cannot hold");
        if (directory.Length > Array.MaxLength)
            throw Fault(file, null, $"has a directory of {directory.Length} bytes, more than any model needs");
        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)directory.Length);
        file.Read(directory.Begin, bytes);
        var members = new List<ZipMember>((int)count);
        var names = new HashSet<string>((int)count, StringComparer.Ordinal);
        long room = file.Length > (long.MaxValue - UnpackedSlack) / 4 ? long.MaxValue : 4 * file.Length + UnpackedSlack;
        int at = 0;
        for (ulong i = 0; i < count; i++)
        {
            ZipMember member = Entry(file, bytes, ref at, directory.Begin);
            if (!names.Add(member.Name))
                throw Fault(file, member.Name, "holds this member twice");
            room -= member.Length;
            if (room < 0)
                throw Fault(file, member.Name, $"unpacks to more than 4 times the file's {file.Length} bytes and 64 MiB: no weights do");
            members.Add(member);
        }
        if (at != bytes.Length)
            throw Fault(file, null, $"has {bytes.Length - at} bytes in its directory after the last member");
        CheckApart(file, members);
        return members;
    }

    /// <summary>A stream over the unpacked bytes of a member; several may be open at once.</summary>
    internal static Stream Open(ByteSource file, ZipMember member)
    {
        var stored = new MemberStream(file, member.Begin, member.Stored);
        return member.Deflated ? new DeflateStream(stored, CompressionMode.Decompress) : stored;
    }

    internal static CheckpointException Fault(ByteSource file, string? member, string fault, Exception? inner = null) =>
        new(file.Name, member is null ? null : TensorReading.Shown(member), $"the archive {fault}. Download or write the file again.", inner);

    private static (CheckedExtent Directory, ulong Count) Locate(ByteSource file)
    {
        if (file.Length < EndBytes)
            throw Fault(file, null, $"has {file.Length} bytes and a zip file has at least {EndBytes}");
        byte[] tail = new byte[Math.Min(file.Length, EndBytes + MaxCommentBytes)];
        file.Read(file.Length - tail.Length, tail);
        int at = tail.Length - EndBytes;
        while (at >= 0 && !(U32(tail, at) == EndSignature && at + EndBytes + U16(tail, at + 20) == tail.Length))
            at--;
        if (at < 0)
            throw Fault(file, null, "does not end as a zip file does: it is another kind of file, or it is cut");
        ReadOnlySpan<byte> end = tail.AsSpan(at);
        long stop = file.Length - tail.Length + at;
        (ulong count, ulong length, ulong begin) = (U16(end, 10), U32(end, 12), U32(end, 16));
        bool parts = U16(end, 4) != 0 || U16(end, 6) != 0 || U16(end, 8) != count;
        if (count == ushort.MaxValue || length == uint.MaxValue || begin == uint.MaxValue)
        {
            Span<byte> locator = stackalloc byte[Locator64Bytes], end64 = stackalloc byte[End64Bytes];
            if (stop < Locator64Bytes + End64Bytes)
                throw Fault(file, null, "lacks the 64-bit end record that its numbers ask for");
            file.Read(stop - Locator64Bytes, locator);
            ulong place = U64(locator, 8);
            if (U32(locator, 0) != Locator64Signature || place != (ulong)(stop - Locator64Bytes - End64Bytes))
                throw Fault(file, null, "lacks the 64-bit end record that its numbers ask for");
            stop = (long)place;
            file.Read(stop, end64);
            if (U32(end64, 0) != End64Signature)
                throw Fault(file, null, "lacks the 64-bit end record that its numbers ask for");
            (count, length, begin) = (U64(end64, 32), U64(end64, 40), U64(end64, 48));
            parts = U32(end64, 16) != 0 || U32(end64, 20) != 0 || U64(end64, 24) != count;
        }
        if (parts)
            throw Fault(file, null, "is one of several parts; only whole ones are read");
        return CheckedExtent.TryCreate(begin, length, stop, out CheckedExtent directory) && directory.End == stop
            ? (directory, count)
            : throw Fault(file, null, $"has its directory at byte {begin} with {length} bytes, which is not just before its end record at byte {stop}");
    }

    private static ZipMember Entry(ByteSource file, ReadOnlySpan<byte> bytes, ref int at, long limit)
    {
        if (bytes.Length - at < EntryBytes || U32(bytes, at) != EntrySignature)
            throw Fault(file, null, $"has no member where its directory should go on at byte {at}");
        ReadOnlySpan<byte> fixedPart = bytes.Slice(at, EntryBytes);
        int nameBytes = U16(fixedPart, 28), extraBytes = U16(fixedPart, 30), commentBytes = U16(fixedPart, 32);
        at += EntryBytes;
        if (bytes.Length - at < nameBytes + extraBytes + commentBytes)
            throw Fault(file, null, "has a directory that ends inside a member");
        ReadOnlySpan<byte> utf8 = bytes.Slice(at, nameBytes), extra = bytes.Slice(at + nameBytes, extraBytes);
        at += nameBytes + extraBytes + commentBytes;
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
            throw Fault(file, null, "names a member in bytes that are not UTF-8");
        string name = Encoding.UTF8.GetString(utf8);

        int flags = U16(fixedPart, 8), method = U16(fixedPart, 10);
        if ((flags & 0x2041) != 0)
            throw Fault(file, name, "holds this member encrypted; weights are read unencrypted");
        if (method is not (0 or 8))
            throw Fault(file, name, $"packs this member by method {method}; only stored (0) and deflated (8) ones are read");
        ulong stored = U32(fixedPart, 20), length = U32(fixedPart, 24), begin = U32(fixedPart, 42);
        Wide(file, name, extra, ref length, ref stored, ref begin);
        if (length > long.MaxValue / 8 || !CheckedExtent.TryCreate(begin, LocalBytes, limit, out CheckedExtent header))
            throw Fault(file, name, $"places this member of {length} bytes at byte {begin}, outside its {file.Length} bytes");

        // Sizes in the local header may be blank; what it must agree on is the name and the method.
        byte[] local = new byte[LocalBytes + nameBytes];
        if (limit - header.Begin < local.Length)
            throw Fault(file, name, "is cut inside this member's header");
        file.Read(header.Begin, local);
        if (U32(local, 0) != LocalSignature || U16(local, 8) != method || U16(local, 26) != nameBytes || !local.AsSpan(LocalBytes).SequenceEqual(utf8))
            throw Fault(file, name, "holds another member here than its directory says");
        if (!CheckedExtent.TryCreate((ulong)(header.Begin + local.Length) + U16(local, 28), stored, limit, out CheckedExtent data))
            throw Fault(file, name, $"needs {stored} bytes for this member and does not hold them");
        if (method == 0 && stored != length)
            throw Fault(file, name, $"stores {stored} bytes for this member and calls them {length}");
        return new ZipMember(name, data.Begin, data.Length, (long)length, method == 8);
    }

    // Numbers too large for their fields stand in the extra field of kind 1, only those, in this order.
    private static void Wide(ByteSource file, string name, ReadOnlySpan<byte> extra, ref ulong length, ref ulong stored, ref ulong begin)
    {
        ReadOnlySpan<byte> wide = default;
        while (extra.Length >= 4)
        {
            int size = U16(extra, 2);
            if (extra.Length - 4 < size)
                throw Fault(file, name, "has a broken extra field at this member");
            if (U16(extra, 0) == 1)
                wide = extra.Slice(4, size);
            extra = extra[(4 + size)..];
        }
        Take(ref length, ref wide);
        Take(ref stored, ref wide);
        Take(ref begin, ref wide);

        void Take(ref ulong number, ref ReadOnlySpan<byte> from)
        {
            if (number != uint.MaxValue)
                return;
            if (from.Length < 8)
                throw Fault(file, name, "lacks the 64-bit size or place of this member");
            number = U64(from, 0);
            from = from[8..];
        }
    }

    private static void CheckApart(ByteSource file, List<ZipMember> members)
    {
        ZipMember? before = null;
        foreach (ZipMember member in members.OrderBy(m => m.Begin).ThenBy(m => m.Stored))
        {
            if (before is not null && member.Begin < before.Begin + before.Stored)
                throw Fault(file, member.Name, $"lays this member over '{TensorReading.Shown(before.Name)}'");
            before = member;
        }
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    /// <summary>Forward reading of a range of the file.</summary>
    private sealed class MemberStream(ByteSource file, long begin, long length) : Stream
    {
        private long _at;

        public override bool CanRead => true;
        public override bool CanSeek => true;
        public override bool CanWrite => false;
        public override long Length => length;
        public override long Position { get => _at; set => _at = Math.Clamp(value, 0, length); }

        public override int Read(Span<byte> buffer)
        {
            buffer = buffer[..(int)Math.Min(buffer.Length, length - _at)];
            file.Read(begin + _at, buffer);
            _at += buffer.Length;
            return buffer.Length;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override long Seek(long offset, SeekOrigin origin) => Position = offset + (origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => _at, _ => length });
        public override void Flush() { }
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
