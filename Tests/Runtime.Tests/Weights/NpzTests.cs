using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using VlmSdk.Tensors;
using VlmSdk.Weights;
using static VlmSdk.Tests.Weights.NpzBytes;

namespace VlmSdk.Tests.Weights;

/// <summary>Archives of NumPy arrays: sound ones are read, whole and in blocks; all others are refused by name.</summary>
public sealed class NpzTests
{
    private static readonly float[] Numbers = [.. Enumerable.Range(0, 24).Select(i => i * 0.5f - 3)];

    [Test]
    public void Arrays_are_read_whole_and_in_blocks([Values] bool deflated)
    {
        using NpzFile file = NpzFile.Parse("mem", Zip(deflated, ("layers/w", Array("<f4", "(4, 2, 3)", Floats())), ("s", Array("<f4", "()", [0, 0, 128, 63])), ("v", Array("<f4", "(0,)", []))));
        Assert.Multiple(() =>
        {
            Assert.That(file.Tensors.Keys, Is.EqualTo(new[] { "layers/w", "s", "v" }));
            Assert.That(file.Tensors["layers/w"].Shape, Is.EqualTo(new Shape(4, 2, 3)));
            Assert.That(file.Read("layers/w").Floats.ToArray(), Is.EqualTo(Numbers));
            Assert.That(file.Read("s").Floats[0], Is.EqualTo(1));
            Assert.That(file.Read("v").Shape, Is.EqualTo(new Shape(0)));
            Assert.That(file.ReadBlock("layers/w", 1, 2).Floats.ToArray(), Is.EqualTo(Numbers[12..18]));
            Assert.That(file.ReadBlock("layers/w", 2, 7).Floats.ToArray(), Is.EqualTo(Numbers[21..24]));
            Assert.That(file.ReadBlock("layers/w", 3, 5).Floats.ToArray(), Is.EqualTo(Numbers[5..6]));
            Assert.That(() => file.ReadBlock("layers/w", 1, 4), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => file.ReadBlock("layers/w", 4, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => file.Read("w"), Throws.InstanceOf<CheckpointException>().With.Message.Contains("no such array"));
        });
    }

    [TestCase("<f4", DType.F32, 4)]
    [TestCase("<f2", DType.F16, 2)]
    [TestCase("|V2", DType.BF16, 2)]
    [TestCase("<V2", DType.BF16, 2)]
    [TestCase("<f8", DType.F64, 8)]
    [TestCase("<i8", DType.I64, 8)]
    [TestCase("|u1", DType.U8, 1)]
    [TestCase("|b1", DType.Bool, 1)]
    public void Element_types_are_taken_from_each_array(string descr, DType type, int bytes)
    {
        using NpzFile file = NpzFile.Parse("mem", Zip(false, ("a", Array(descr, "(3,)", new byte[3 * bytes]))));
        Assert.That(file.Read("a").Type, Is.EqualTo(type));
    }

    [TestCase("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "big-endian")]
    [TestCase("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "pickled objects")]
    [TestCase("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "records")]
    [TestCase("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "column by column")]
    [TestCase("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "8 follow")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "8 follow")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "descr, fortran_order and shape")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (2 2,), }", "axis of '2 2'")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967298,), }", "impossible shape")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647), }", "impossible shape")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "axis of '9")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", "9 axes")]
    [TestCase("{'descr': '<f4', 'shape': (2,), 'fortran_order': False, }", "descr, fortran_order and shape")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "descr, fortran_order and shape")]
    [TestCase("", "descr, fortran_order and shape")]
    public void Headers_that_are_not_plain_are_refused(string header, string named) =>
        Refused(Zip(false, ("sound", Array("<f4", "(1,)", new byte[4])), ("bad", Member(header, new byte[8]))), named, "bad");

    [Test]
    public void Other_members_and_versions_are_refused()
    {
        Refused(Zip(false, ("a", [1, 2, 3])), "too few", "a");
        Refused(Zip(false, ("a", new byte[200])), "format 1, 2 or 3", "a");
        byte[] later = Array("<f4", "(1,)", new byte[4]);
        later[6] = 4;
        Refused(Zip(false, ("a", later)), "format 1, 2 or 3", "a");
        Refused(Zip(false, ("a", Member(new string(' ', NpzFile.MaxHeaderBytes + 1), []))), "at most 4096", "a");
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
            zip.CreateEntry("readme.txt");
        Refused(stream.ToArray(), "other than arrays", "readme.txt");
    }

    [Test]
    public void A_header_of_the_second_format_is_read()
    {
        byte[] first = Array("<f4", "(1,)", [0, 0, 0, 64]);
        byte[] second = [.. first[..6], 2, 0, .. first[8..10], 0, 0, .. first[10..]];
        using NpzFile file = NpzFile.Parse("mem", Zip(false, ("a", second)));
        Assert.That(file.Read("a").Floats[0], Is.EqualTo(2));
    }

    [Test]
    public void Archives_that_lie_are_refused()
    {
        byte[] sound = Zip(false, ("one", Array("<f4", "(6, 4)", Floats())), ("two", Array("<f4", "(6, 4)", Floats())));
        int end = sound.Length - 22, first = (int)BinaryPrimitives.ReadUInt32LittleEndian(sound.AsSpan(end + 16)), second = Find(sound, 0x02014b50, first + 4);
        Assert.Multiple(() =>
        {
            Refused(Changed(sound, end + 10, 3), "parts");
            Refused(Changed(Changed(sound, end + 10, 3), end + 8, 3), "announces 3 members");
            Refused(Changed(Changed(sound, end + 10, 1), end + 8, 1), "after the last member");
            Refused(Changed(sound, end + 16, first + 1), "not just before its end record");
            Refused(Changed(sound, first + 8, 1), "encrypted", "one");
            Refused(Changed(sound, first + 10, 12), "method 12", "one");
            Refused(Changed(sound, first + 10, 8), "another member", "one");
            Refused(Changed32(sound, first + 20, 1_000_000), "does not hold them", "one");
            Refused(Changed32(sound, first + 24, 1_000), "stores", "one");
            Refused(Changed32(sound, first + 42, 1_000_000), "outside", "one");
            Refused(Changed32(sound, second + 42, 0), "another member", "two");
            Refused(Changed32(sound, first + 24, uint.MaxValue), "64-bit size", "one");
            Refused(Changed(sound, end + 10, ushort.MaxValue), "64-bit end record");
            Refused([.. sound, 0], "does not end as a zip file does");
            Refused([0, .. sound], "not just before its end record");
            Refused(Zip(false, ("same", Array("<f4", "(1,)", new byte[4])), ("same", Array("<f4", "(1,)", new byte[4]))), "twice", "same");
        });
    }

    [Test]
    public void Members_may_not_lie_over_each_other()
    {
        // Two directory entries of one name length share the bytes of one member, whose local header fits both.
        byte[] sound = Zip(false, ("a", Array("<f4", "(6, 4)", Floats())));
        int end = sound.Length - 22, first = (int)BinaryPrimitives.ReadUInt32LittleEndian(sound.AsSpan(end + 16));
        byte[] inner = sound[..first], entry = sound[first..end];
        // The first member's data hold a whole local header of the second.
        byte[] nested = Zip(false, ("b", [.. inner]));
        int outerEnd = nested.Length - 22, outer = (int)BinaryPrimitives.ReadUInt32LittleEndian(nested.AsSpan(outerEnd + 16));
        int shift = nested.AsSpan(4).IndexOf(inner) + 4;
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(42), (uint)shift);
        byte[] both = [.. nested[..outerEnd], .. entry, .. nested[outerEnd..]];
        int tail = both.Length - 22;
        both[tail + 8] = both[tail + 10] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(both.AsSpan(tail + 12), (uint)(tail - outer));
        Refused(both, "over 'b.npy'", "a");
    }

    [Test]
    public void Numbers_of_64_bits_are_read_where_the_short_ones_are_full()
    {
        byte[] sound = Zip(false, ("one", Array("<f4", "(6, 4)", Floats())));
        int end = sound.Length - 22, first = (int)BinaryPrimitives.ReadUInt32LittleEndian(sound.AsSpan(end + 16));
        byte[] entry = sound[first..end], size = BitConverter.GetBytes((ulong)BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(20)));
        entry.AsSpan(20, 8).Fill(0xff);
        entry.AsSpan(42, 4).Fill(0xff);
        entry[30] = 28;
        entry = [.. entry[..46], .. "one.npy"u8, 1, 0, 24, 0, .. size, .. size, .. new byte[8], .. entry[(46 + 7)..]];
        byte[] end64 = new byte[56], locator = new byte[20], tail = sound[end..];
        BinaryPrimitives.WriteUInt32LittleEndian(end64, 0x06064b50);
        foreach ((int at, ulong value) in new[] { (4, 44ul), (24, 1ul), (32, 1ul), (40, (ulong)entry.Length), (48, (ulong)first) })
            BinaryPrimitives.WriteUInt64LittleEndian(end64.AsSpan(at), value);
        BinaryPrimitives.WriteUInt32LittleEndian(locator, 0x07064b50);
        BinaryPrimitives.WriteUInt64LittleEndian(locator.AsSpan(8), (ulong)(first + entry.Length));
        tail.AsSpan(8, 12).Fill(0xff);
        byte[] wide = [.. sound[..first], .. entry, .. end64, .. locator, .. tail];
        wide.AsSpan(wide.Length - 22 + 8, 4).Fill(0xff);
        using NpzFile file = NpzFile.Parse("mem", wide);
        Assert.That(file.Read("one").Floats.ToArray(), Is.EqualTo(Numbers));
    }

    [Test]
    public void A_bomb_is_refused_before_it_is_unpacked()
    {
        const int Size = 80 << 20;
        byte[] bomb = Zip(true, ("a", Array("|u1", $"({Size},)", new byte[Size])));
        Assert.That(bomb, Has.Length.LessThan(Size / 100));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused(bomb, "more than 4 times", "a");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4L * bomb.Length + (1 << 20)));
    }

    [Test]
    public void Deflated_members_unpack_to_what_they_announce()
    {
        byte[] array = Array("<f4", "(6, 4)", Floats());
        foreach (int change in new[] { -8, 8 })
        {
            // A header of another size in the same member: the announced length follows it, the stream does not.
            byte[] zip = Zip(true, ("a", array));
            int end = zip.Length - 22, first = (int)BinaryPrimitives.ReadUInt32LittleEndian(zip.AsSpan(end + 16));
            byte[] other = Array("<f4", change < 0 ? "(22,)" : "(26,)", new byte[96 + change]);
            byte[] lying = Zip(true, ("a", other));
            int lyingEnd = lying.Length - 22, lyingFirst = (int)BinaryPrimitives.ReadUInt32LittleEndian(lying.AsSpan(lyingEnd + 16));
            // The announced length of the longer or shorter array over the stream of the sound one.
            lying.AsSpan(lyingFirst + 24, 4).CopyTo(zip.AsSpan(first + 24));
            Refused(zip, "follow its header", "a");
        }
        byte[] cut = Zip(true, ("a", [.. array[..^8]]));
        int cutEnd = cut.Length - 22, cutFirst = (int)BinaryPrimitives.ReadUInt32LittleEndian(cut.AsSpan(cutEnd + 16));
        BinaryPrimitives.WriteUInt32LittleEndian(cut.AsSpan(cutFirst + 24), (uint)array.Length);
        using NpzFile shorter = NpzFile.Parse("mem", cut);
        Assert.That(() => shorter.Read("a"), Throws.InstanceOf<CheckpointException>().With.Message.Contains("does not unpack"));
        byte[] grown = Zip(true, ("a", [.. array, 1, 2, 3, 4]));
        int grownEnd = grown.Length - 22, grownFirst = (int)BinaryPrimitives.ReadUInt32LittleEndian(grown.AsSpan(grownEnd + 16));
        BinaryPrimitives.WriteUInt32LittleEndian(grown.AsSpan(grownFirst + 24), (uint)array.Length);
        using NpzFile longer = NpzFile.Parse("mem", grown);
        Assert.That(() => longer.Read("a"), Throws.InstanceOf<CheckpointException>().With.Message.Contains("more than"));
    }

    [Test]
    public void Every_prefix_is_refused([Values] bool deflated)
    {
        byte[] bytes = Zip(deflated, ("one", Array("<f4", "(6, 4)", Floats())), ("two", Array("<f2", "(3,)", new byte[6])));
        for (int length = 0; length < bytes.Length; length++)
            Assert.That(() => NpzFile.Parse("mem", bytes.AsMemory(0, length)), Throws.InstanceOf<CheckpointException>(), $"{length} bytes");
    }

    [Test]
    public void A_stack_larger_than_memory_is_read_in_blocks()
    {
        // A sparse file: of its three gibibytes only the ends take room on the disk.
        const int Blocks = 3072, Block = 1 << 20;
        using var folder = new TemporaryFolder();
        string path = folder.At("large.npz");
        byte[] array = Array("|u1", $"({Blocks}, {Block})", []);
        byte[] zip = Zip(false, ("a", array));
        int end = zip.Length - 22, first = (int)BinaryPrimitives.ReadUInt32LittleEndian(zip.AsSpan(end + 16));
        long size = array.Length + (long)Blocks * Block;
        byte[] tail = zip[first..];
        BinaryPrimitives.WriteUInt32LittleEndian(tail.AsSpan(20), (uint)size);
        BinaryPrimitives.WriteUInt32LittleEndian(tail.AsSpan(24), (uint)size);
        BinaryPrimitives.WriteUInt32LittleEndian(tail.AsSpan(tail.Length - 6), (uint)(first + (long)Blocks * Block));
        using (FileStream stream = File.Create(path))
        {
            stream.Write(zip.AsSpan(0, first));
            stream.Position += (long)Blocks * Block - 3;
            stream.Write([7, 8, 9]);
            stream.Write(tail);
        }
        using NpzFile file = NpzFile.Open(path);
        HostTensor last = file.ReadBlock("a", 1, Blocks - 1);
        Assert.That(last.Shape, Is.EqualTo(new Shape(Block)));
        Assert.That(last.Data[^3..].ToArray(), Is.EqualTo(new byte[] { 7, 8, 9 }));
        Assert.That(Assert.Throws<CheckpointException>(() => file.Read("a"))!.Entry, Is.EqualTo("a"));
    }

    [Test]
    public void Files_are_opened_by_their_extension()
    {
        using var folder = new TemporaryFolder();
        string path = folder.At("m.npz");
        File.WriteAllBytes(path, Zip(false, ("a", Array("<f4", "(6, 4)", Floats()))));
        using (IWeightSource source = WeightSource.Open(path))
            Assert.That(source.Read("a").Floats.ToArray(), Is.EqualTo(Numbers));
        File.WriteAllText(path, "no archive");
        Assert.That(() => WeightSource.Open(path), Throws.InstanceOf<CheckpointException>().With.Message.StartsWith(path));
    }

    /// <summary>A small archive for the mutation tests.</summary>
    internal static byte[] Seed(bool deflated) => Zip(deflated, ("a", Array("<f4", "(1,)", new byte[4])), ("b/c", Array("|V2", "(2, 1)", new byte[4])));

    private static void Refused(byte[] bytes, string named, string? member = null)
    {
        CheckpointException e = Assert.Throws<CheckpointException>(() => NpzFile.Parse("mem", bytes).Dispose(), named)!;
        Assert.That(e.Message, Does.StartWith("mem: ").And.Contains(named).And.EndsWith("."));
        if (member is not null)
            Assert.That(e.Entry, Does.StartWith(member), named);
    }

    private static byte[] Floats() => MemoryMarshal.AsBytes(Numbers.AsSpan()).ToArray();

    private static byte[] Changed(byte[] bytes, int at, int value)
    {
        byte[] copy = [.. bytes];
        BinaryPrimitives.WriteUInt16LittleEndian(copy.AsSpan(at), (ushort)value);
        return copy;
    }

    private static byte[] Changed32(byte[] bytes, int at, uint value)
    {
        byte[] copy = [.. bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(at), value);
        return copy;
    }

    private static int Find(byte[] bytes, uint signature, int from)
    {
        while (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(from)) != signature)
            from++;
        return from;
    }
}
