using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace VlmSdk.Weights;

/// <summary>
/// Walks JSON strictly: valid UTF-8 without a byte order mark, no comments, no trailing commas, whole surrogate pairs,
/// depth at most 32. Callers refuse duplicate names as they store them. Every fault is a <see cref="CheckpointException"/>.
/// </summary>
internal ref struct StrictJson
{
    private const int MaxDepth = 32;

    /// <summary>Words that every tensor of a header repeats: they are made once.</summary>
    private static readonly (byte[] Utf8, string Word)[] Words =
        [.. SafetensorsHeader.Types.Keys.Concat(["dtype", "shape", "data_offsets"]).Select(w => (Encoding.UTF8.GetBytes(w), w))];

    private readonly string _file;
    private readonly string _part;
    private readonly int _length;
    private Utf8JsonReader _reader;

    internal StrictJson(string file, string part, ReadOnlySpan<byte> utf8)
    {
        _file = file;
        _part = part;
        _length = utf8.Length;
        if (!Utf8.IsValid(utf8))
            throw Fault(null, "is not valid UTF-8");
        _reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    internal readonly JsonTokenType Token => _reader.TokenType;

    /// <summary>Position after the current token.</summary>
    internal readonly int Position => (int)_reader.BytesConsumed;

    internal readonly CheckpointException Fault(string? entry, string fault, Exception? inner = null) =>
        new(_file, entry is null ? null : TensorReading.Shown(entry), $"the {_part} {fault}. Write or download the file again.", inner);

    /// <summary>Steps to the next token; false at the end.</summary>
    internal bool Next()
    {
        try
        {
            return _reader.Read();
        }
        catch (JsonException e)
        {
            throw Fault(null, $"is not strict JSON of depth {MaxDepth} at most (line {e.LineNumber + 1}, byte {e.BytePositionInLine})", e);
        }
    }

    /// <summary>Steps to the next token, which must be of one kind.</summary>
    internal void Expect(JsonTokenType token, string? entry, string what)
    {
        if (!Next() || Token != token)
            throw Fault(entry, what);
    }

    /// <summary>Inside an object: steps to the next property and reads its name; false at the object's end.</summary>
    internal bool NextProperty(out string name)
    {
        name = "";
        if (!Next())
            throw Fault(null, "ends early");
        if (Token == JsonTokenType.EndObject)
            return false;
        name = Text(null);
        return true;
    }

    /// <summary>The current property name or string value.</summary>
    internal readonly string Text(string? entry)
    {
        if (!_reader.ValueIsEscaped)
            foreach ((byte[] utf8, string word) in Words)
                if (_reader.ValueSpan.SequenceEqual(utf8))
                    return word;
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw Fault(entry, "holds a lone surrogate escape", e);
        }
    }

    /// <summary>Steps to the next token, which must be a string, and reads it.</summary>
    internal string NextText(string entry, string field)
    {
        ExpectField(JsonTokenType.String, entry, field, "a string");
        return Text(entry);
    }

    /// <summary>Steps to the value of a field, which must begin with one kind of token.</summary>
    internal void ExpectField(JsonTokenType token, string entry, string field, string kind)
    {
        // The message is put together only when it is needed: headers have hundreds of thousands of fields.
        if (!Next() || Token != token)
            throw Fault(entry, $"has a {field} that is not {kind}");
    }

    /// <summary>Copies the current string into a buffer; -1 when it may be too long for it.</summary>
    internal readonly int CopyText(string entry, scoped Span<char> buffer)
    {
        if (_reader.ValueSpan.Length > buffer.Length)
            return -1;
        try
        {
            return _reader.CopyString(buffer);
        }
        catch (InvalidOperationException e)
        {
            throw Fault(entry, "holds a lone surrogate escape", e);
        }
    }

    /// <summary>The current token as a whole number of at most 64 bits, without sign, point or exponent.</summary>
    internal readonly ulong Number(string? entry, string field)
    {
        if (Token != JsonTokenType.Number || !_reader.TryGetUInt64(out ulong value))
            throw Fault(entry, $"has a {field} that is not a whole number from 0 to 2^64-1");
        return value;
    }

    /// <summary>After the last token: only spaces may follow.</summary>
    internal void ExpectEnd(ReadOnlySpan<byte> utf8, ReadOnlySpan<byte> blanks)
    {
        if (utf8[Position..].ContainsAnyExcept(blanks))
            throw Fault(null, $"goes on after its closing brace at byte {Position} of {_length}");
    }

    /// <summary>
    /// Checks the value that follows and passes over it: names are unique in each object, at most
    /// <paramref name="budget"/> of them in all.
    /// </summary>
    internal void SkipValue(ref int budget)
    {
        var open = new Stack<HashSet<string>?>();
        do
        {
            if (!Next())
                throw Fault(null, "ends early");
            switch (Token)
            {
                case JsonTokenType.StartObject:
                    open.Push(new HashSet<string>(StringComparer.Ordinal));
                    break;
                case JsonTokenType.StartArray:
                    open.Push(null);
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    open.Pop();
                    break;
                case JsonTokenType.PropertyName:
                    string name = Text(null);
                    if (--budget < 0)
                        throw Fault(name, "has more metadata entries than are accepted");
                    if (!open.Peek()!.Add(name))
                        throw Fault(name, "holds this name twice");
                    break;
                case JsonTokenType.String:
                    Text(null);
                    break;
            }
        }
        while (open.Count > 0 || Token == JsonTokenType.PropertyName);
    }
}
