using System.Text.Json;

namespace VlmSdk.Tokenization;

/// <summary>A value of a strictly read JSON file: names are unique, kinds are checked, faults name file and path.</summary>
internal readonly struct StrictValue
{
    private readonly string _file, _path;
    private readonly JsonElement _value;

    private StrictValue(string file, string path, JsonElement value) => (_file, _path, _value) = (file, path, value);

    /// <summary>The root of a file.</summary>
    internal static StrictValue Parse(string file, byte[] utf8)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 32 };
            return new StrictValue(file, "", JsonDocument.Parse(utf8, options).RootElement);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(file, null, $"is not strict JSON: {e.Message} Download the file again.", e);
        }
    }

    internal bool IsNull => _value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    internal bool IsText => _value.ValueKind == JsonValueKind.String;

    internal CheckpointException Fault(string fault) => new(_file, _path.Length == 0 ? null : _path, fault);

    /// <summary>A field that may be missing (then it is null).</summary>
    internal StrictValue Field(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return new StrictValue(_file, _path.Length == 0 ? name : $"{_path}.{name}", _value.TryGetProperty(name, out JsonElement value) ? value : default);
    }

    internal string Text()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return _value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new CheckpointException(_file, _path, "holds text that is no valid Unicode. Download the file again.", e);
        }
    }

    internal int Number() => _value.ValueKind == JsonValueKind.Number && _value.TryGetInt32(out int number)
        ? number
        : throw Fault($"must be a whole number, but is {Shown()}.");

    internal double Real() => _value.ValueKind == JsonValueKind.Number && _value.TryGetDouble(out double number) && double.IsFinite(number)
        ? number
        : throw Fault($"must be a finite number, but is {Shown()}.");

    internal bool Flag(bool whenMissing = false) => _value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Undefined or JsonValueKind.Null => whenMissing,
        _ => throw Fault($"must be true or false, but is {Shown()}."),
    };

    internal IEnumerable<StrictValue> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        return Each(this);

        static IEnumerable<StrictValue> Each(StrictValue list)
        {
            int index = 0;
            foreach (JsonElement item in list._value.EnumerateArray())
                yield return new StrictValue(list._file, $"{list._path}[{index++}]", item);
        }
    }

    internal IEnumerable<(string Name, StrictValue Value)> Fields()
    {
        Expect(JsonValueKind.Object, "an object");
        return Each(this);

        static IEnumerable<(string, StrictValue)> Each(StrictValue owner)
        {
            foreach (JsonProperty property in owner._value.EnumerateObject())
                yield return (owner.NameOf(property), new StrictValue(owner._file, owner._path, property.Value));
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new CheckpointException(_file, _path, "holds a name that is no valid Unicode. Download the file again.", e);
        }
    }

    private void Expect(JsonValueKind kind, string what)
    {
        if (_value.ValueKind != kind)
            throw Fault($"must be {what}, but is {Shown()}.");
    }

    private string Shown() => _value.ValueKind == JsonValueKind.Undefined ? "missing" : $"of kind {_value.ValueKind}";
}
