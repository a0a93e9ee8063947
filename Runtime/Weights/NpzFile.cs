using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>
/// An archive of NumPy arrays (<c>.npz</c>), opened strictly: arrays of plain little-endian numbers in row-major order,
/// stored or deflated; pickled objects, big-endian and column-major arrays are refused. Raw two-byte elements are
/// bfloat16, as JAX programs write them (spec sheet paligemma, section 5.3). Names are those of the members without
/// <c>.npy</c>. Opening reads the headers; arrays are read one by one, or in blocks of their leading axes when they are
/// larger than memory. Safe for concurrent reading.
/// </summary>
public sealed partial class NpzFile : IWeightSource
{
    /// <summary>Most bytes of an array's header.</summary>
    public const int MaxHeaderBytes = 4096;

    /// <summary>Most axes an array may have.</summary>
    public const int MaxAxes = 8;

    private const string Extension = ".npy";
    private const int PrefixBytes = 10;

    private static readonly Dictionary<string, DType> Types = new(StringComparer.Ordinal)
    {
        ["<f4"] = DType.F32,
        ["<f2"] = DType.F16,
        ["|V2"] = DType.BF16,
        ["<V2"] = DType.BF16,
        ["<f8"] = DType.F64,
        ["|i1"] = DType.I8,
        ["<i2"] = DType.I16,
        ["<i4"] = DType.I32,
        ["<i8"] = DType.I64,
        ["|u1"] = DType.U8,
        ["<u2"] = DType.U16,
        ["<u4"] = DType.U32,
        ["<u8"] = DType.U64,
        ["|b1"] = DType.Bool,
    };

    private readonly ByteSource _file;
    private readonly Dictionary<string, TensorInfo> _tensors;
    private readonly Dictionary<string, ZipMember> _members;

    private readonly LatestTensor _latest;

    private NpzFile(ByteSource file)
    {
        _file = file;
        _latest = new LatestTensor(Read);
        IReadOnlyList<ZipMember> members = ZipDirectory.Read(file);
        _tensors = new Dictionary<string, TensorInfo>(members.Count, StringComparer.Ordinal);
        _members = new Dictionary<string, ZipMember>(members.Count, StringComparer.Ordinal);
        foreach (ZipMember member in members)
        {
            if (!member.Name.EndsWith(Extension, StringComparison.Ordinal) || member.Name.Length == Extension.Length)
                throw ZipDirectory.Fault(file, member.Name, $"holds something other than arrays, whose names end in {Extension}");
            string name = member.Name[..^Extension.Length];
            _tensors.Add(name, ReadHeader(member, name));
            _members.Add(name, member);
        }
    }

    /// <inheritdoc/>
    public string Source => _file.Name;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>Opens a file and checks its directory and the headers of its arrays.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointException">It is missing, unreadable, or not a sound archive of arrays.</exception>
    public static NpzFile Open(string path) => Over(ByteSource.FromFile(path));

    /// <summary>Reads a whole file that lies in memory; the memory must stay unchanged while this object lives.</summary>
    /// <param name="source">Name for messages.</param>
    /// <param name="bytes">The file.</param>
    /// <exception cref="CheckpointException">The bytes are not a sound archive of arrays.</exception>
    public static NpzFile Parse(string source, ReadOnlyMemory<byte> bytes) => Over(ByteSource.FromMemory(source, bytes));

    /// <inheritdoc/>
    public HostTensor Read(string name) => ReadBlock(name, 0, 0);

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> buffer) => _latest.Read(name, offset, buffer);

    /// <summary>
    /// Reads one block of an array: the leading axes, flattened, are counted off and the rest is the block, so that a
    /// stack of layers may be larger than memory. Of a deflated array everything before the block is unpacked and thrown away.
    /// </summary>
    /// <param name="name">Name of the array.</param>
    /// <param name="axes">Leading axes, 0 to the array's rank.</param>
    /// <param name="block">Which block, below the product of those axes.</param>
    /// <exception cref="CheckpointException">There is no such array, the block is larger than one tensor in memory may be, or the file is damaged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The array has fewer axes or blocks.</exception>
    public HostTensor ReadBlock(string name, int axes, int block)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_tensors.TryGetValue(name, out TensorInfo? info))
            throw new CheckpointException(Source, TensorReading.Shown(name), $"the file has no such array; it holds {_tensors.Count} others. Check that it is the model you mean.");
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)axes, (uint)info.Shape.Rank, nameof(axes));
        Shape shape = info.Shape[axes..];
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)block, (ulong)info.Shape[..axes].Count, nameof(block));
        long bytes = info.Type.ByteCount(shape);
        if (bytes > Array.MaxLength)
            throw new CheckpointException(Source, TensorReading.Shown(name), $"has {bytes} bytes to read at once; one tensor in memory holds at most {Array.MaxLength}.");
        ZipMember member = _members[name];
        byte[] data = GC.AllocateUninitializedArray<byte>((int)bytes);
        using (Stream stream = ZipDirectory.Open(_file, member))
        {
            Skip(stream, member, member.Length - info.ByteCount + block * bytes);
            Fill(stream, member, data);
            if (member.Deflated && axes == 0 && stream.ReadByte() >= 0)
                throw ZipDirectory.Fault(_file, member.Name, $"holds more than the {member.Length} bytes it announces");
        }
        if (info.Type == DType.Bool && data.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)1))
            throw ZipDirectory.Fault(_file, member.Name, "holds a truth value other than 0 and 1");
        return new HostTensor(info.Type, shape, data);
    }

    /// <summary>Closes the file. Tensors already read stay valid.</summary>
    public void Dispose() => _file.Dispose();

    private static NpzFile Over(ByteSource file)
    {
        try
        {
            return new NpzFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private TensorInfo ReadHeader(ZipMember member, string name)
    {
        using Stream stream = ZipDirectory.Open(_file, member);
        Span<byte> prefix = stackalloc byte[PrefixBytes + 2];
        if (member.Length < prefix.Length)
            throw Fault($"has {member.Length} bytes, too few for an array");
        Fill(stream, member, prefix[..PrefixBytes]);
        if (prefix[0] != 0x93 || !prefix[1..6].SequenceEqual("NUMPY"u8) || prefix[6] is < 1 or > 3)
            throw Fault("is not an array of NumPy's format 1, 2 or 3");
        int start = PrefixBytes;
        long headerBytes = BinaryPrimitives.ReadUInt16LittleEndian(prefix[8..]);
        if (prefix[6] > 1)
        {
            Fill(stream, member, prefix[PrefixBytes..]);
            headerBytes = BinaryPrimitives.ReadUInt32LittleEndian(prefix[8..]);
            start = PrefixBytes + 2;
        }
        if (headerBytes > MaxHeaderBytes || headerBytes > member.Length - start)
            throw Fault($"announces a header of {headerBytes} bytes; at most {MaxHeaderBytes} are accepted, and no more than the member holds");
        byte[] header = new byte[headerBytes];
        Fill(stream, member, header);
        Match text = Header().Match(Encoding.Latin1.GetString(header));
        if (!text.Success)
            throw Fault("has a header that does not give descr, fortran_order and shape of plain numbers, in this order. Arrays of records are not read");
        string type = text.Groups["type"].Value;
        if (!Types.TryGetValue(type, out DType known))
            throw Fault($"has elements '{TensorReading.Shown(type)}'; {Why(type)}known are {string.Join(", ", Types.Keys)}");
        if (text.Groups["order"].Value != "False")
            throw Fault("is stored column by column (fortran_order); save it row by row");
        string[] sizes = text.Groups["shape"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (sizes.Length > MaxAxes)
            throw Fault($"has {sizes.Length} axes and at most {MaxAxes} are accepted");
        Span<ulong> axes = stackalloc ulong[sizes.Length];
        for (int i = 0; i < axes.Length; i++)
            if (!ulong.TryParse(sizes[i], NumberStyles.None, CultureInfo.InvariantCulture, out axes[i]))
                throw Fault($"has an axis of '{TensorReading.Shown(sizes[i])}' elements");
        if (CheckedExtent.Measure(known, axes, out Shape shape, out long bytes) is { } fault)
            throw Fault($"has an impossible shape: {fault}");
        if (start + headerBytes + bytes != member.Length)
            throw Fault($"has shape {shape} of {known}, {bytes} bytes, and {member.Length - start - headerBytes} follow its header");
        return new TensorInfo(name, known, shape, member.Begin, bytes);

        CheckpointException Fault(string what) => new(Source, TensorReading.Shown(name), $"this array {what}. Write the file again.");
    }

    private static string Why(string type) => type.Length == 0 ? "" : type[0] == '>' ? "big-endian numbers are not read; " : type.Contains('O') ? "pickled objects may run programs and are never read; " : "";

    private void Skip(Stream stream, ZipMember member, long bytes)
    {
        if (!member.Deflated)
        {
            stream.Position = bytes;
            return;
        }
        byte[] waste = new byte[Math.Min(bytes, 1 << 16)];
        for (; bytes > 0; bytes -= Math.Min(bytes, waste.Length))
            Fill(stream, member, waste.AsSpan(0, (int)Math.Min(bytes, waste.Length)));
    }

    private void Fill(Stream stream, ZipMember member, Span<byte> buffer)
    {
        try
        {
            stream.ReadExactly(buffer);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw ZipDirectory.Fault(_file, member.Name, $"does not unpack to the {member.Length} bytes it announces", e);
        }
    }

    // The dictionary as numpy writes it: keys in the order of the alphabet, a comma after the last.
    [GeneratedRegex(@"^\{'descr': '(?<type>[^'\\]{1,32})', 'fortran_order': (?<order>True|False), 'shape': \((?<shape>[0-9, ]*)\),? *\}[ ]*\n?$", RegexOptions.CultureInvariant)]
    private static partial Regex Header();
}
