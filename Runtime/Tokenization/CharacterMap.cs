using System.Buffers.Binary;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// The compiled replacements of a SentencePiece normaliser: a double array over UTF-8 keys whose values are positions in
/// a block of NUL-ended strings. Immutable and thread-safe.
/// </summary>
internal sealed class CharacterMap
{
    private const uint IsValue = 0x80000000;

    private readonly uint[] _units;
    private readonly Dictionary<int, string> _replacements = [];

    /// <summary>Reads the block: u32 size of the array in bytes, the array, the strings.</summary>
    /// <param name="blob">The block.</param>
    /// <param name="fault">Makes the exception from a fault.</param>
    internal CharacterMap(ReadOnlySpan<byte> blob, Func<string, CheckpointException> fault)
    {
        if (blob.Length < 4)
            throw fault($"has {blob.Length} bytes, too few for its size.");
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(blob);
        if (size < 4 || size % 4 != 0 || size > blob.Length - 4)
            throw fault($"says its array has {size} bytes, but {blob.Length - 4} follow; the size must be a multiple of 4 inside the block.");
        _units = new uint[size / 4];
        for (int i = 0; i < _units.Length; i++)
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + 4 * i)..]);
        ReadOnlySpan<byte> strings = blob[(4 + (int)size)..];
        if (strings.Length > 0 && strings[^1] != 0)
            throw fault("ends inside a replacement, without a NUL.");
        if (!System.Text.Unicode.Utf8.IsValid(strings))
            throw fault("holds replacements that are no UTF-8.");
        // Units with the highest bit are values, wherever they lie: each must be the beginning of a character.
        foreach (uint unit in _units)
        {
            int value = (int)(unit & ~IsValue);
            if ((unit & IsValue) == 0 || _replacements.ContainsKey(value))
                continue;
            if (value >= strings.Length || (strings[value] & 0xC0) == 0x80)
                throw fault($"holds the value {value}, which is no position in its {strings.Length} bytes of replacements.");
            ReadOnlySpan<byte> rest = strings[value..];
            _replacements.Add(value, Encoding.UTF8.GetString(rest[..rest.IndexOf((byte)0)]));
        }
    }

    /// <summary>What the longest key at a place is replaced by; null, with a length of 0, where no key begins.</summary>
    internal string? Longest(ReadOnlySpan<char> text, int at, out int length) => Find(text, at, shortest: false, out length);

    /// <summary>What the shortest key that begins a text is replaced by; null where no key does.</summary>
    internal string? Shortest(ReadOnlySpan<char> text) => Find(text, 0, shortest: true, out _);

    private string? Find(ReadOnlySpan<char> text, int at, bool shortest, out int length)
    {
        length = 0;
        string? found = null;
        uint node = Offset(_units[0]);
        Span<byte> utf8 = stackalloc byte[4];
        for (int end = at; end < text.Length && !(shortest && found is not null);)
        {
            Rune rune = TextRepair.RuneAt(text, end);
            bool leaf = false;
            foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)])
            {
                node ^= value;
                if (value == 0 || node >= _units.Length || (_units[node] & (IsValue | 0xFF)) != value)
                    return found;
                leaf = (_units[node] >> 8 & 1) != 0;
                node ^= Offset(_units[node]);
            }
            end += rune.Utf16SequenceLength;
            // Keys end where characters end.
            if (leaf && node < _units.Length && _replacements.TryGetValue((int)(_units[node] & ~IsValue), out string? replacement))
                (found, length) = (replacement, end - at);
        }
        return found;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 512) >> 6);
}
