using System.Text.Json;
using VlmSdk.Graphs;

namespace VlmSdk.Models;

/// <summary>
/// A published <c>config.json</c>, read strictly: values of the wrong kind or out of range are refused with the file and
/// the key. Keys that no one asked for are listed by <see cref="UnknownKeys"/>. Not thread-safe.
/// </summary>
public sealed class ConfigReader
{
    /// <summary>Largest file accepted, in bytes.</summary>
    public const int MaxBytes = 1 << 20;

    private const int MaxDepth = 32;

    private readonly JsonElement _element;
    private readonly string _path;
    private readonly HashSet<string> _asked = [];
    private readonly List<ConfigReader> _children = [];

    private ConfigReader(string source, string path, JsonElement element) => (Source, _path, _element) = (source, path, element);

    /// <summary>File the settings come from.</summary>
    public string Source { get; }

    /// <summary>Keys that were present and never asked for, with their path, in file order.</summary>
    public IEnumerable<string> UnknownKeys =>
        _element.EnumerateObject().Where(p => !_asked.Contains(p.Name)).Select(p => _path + p.Name)
            .Concat(_children.SelectMany(c => c.UnknownKeys));

    /// <summary>Opens a file.</summary>
    /// <exception cref="CheckpointException">It is missing, larger than 1 MiB, no strict JSON object, or nested deeper than 32.</exception>
    public static ConfigReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length > MaxBytes)
                throw new CheckpointException(path, null, $"has {file.Length} bytes; a configuration holds at most {MaxBytes}.");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return Parse(path, bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, null, "the configuration cannot be read. Name the folder of a whole published model.", e);
        }
    }

    /// <summary>Reads a configuration in memory.</summary>
    /// <param name="source">Name used in messages.</param>
    /// <param name="utf8">The JSON text.</param>
    /// <exception cref="CheckpointException">It is larger than 1 MiB, no strict JSON object, or nested deeper than 32.</exception>
    public static ConfigReader Parse(string source, ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Length > MaxBytes)
            throw new CheckpointException(source, null, $"has {utf8.Length} bytes; a configuration holds at most {MaxBytes}.");
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ConfigReader(source, "", document.RootElement.Clone())
                : throw new CheckpointException(source, null, "the configuration is not a JSON object.");
        }
        catch (JsonException e)
        {
            throw new CheckpointException(source, null, $"is not strict JSON of depth {MaxDepth} at most. Download the file again.", e);
        }
    }

    /// <summary>Whether the key is present and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>Whether the key is there with the value null, which some configurations tell apart from a missing key.</summary>
    public bool IsNull(string key)
    {
        _asked.Add(key);
        return _element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Null;
    }

    /// <summary>A nested object.</summary>
    /// <exception cref="CheckpointException">It is missing or no object.</exception>
    public ConfigReader Child(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Object } element)
            throw Fault(key, "the model needs this group of settings. Use the configuration that belongs to these weights.");
        var child = new ConfigReader(Source, _path + key + ".", element);
        _children.Add(child);
        return child;
    }

    /// <summary>A whole number of a range.</summary>
    /// <exception cref="CheckpointException">It is missing without a default, no whole number, or out of range.</exception>
    public int Int(string key, int low, int high, int? whenMissing = null)
    {
        if (Find(key) is not { } element)
            return whenMissing ?? throw Missing(key);
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int value) && value >= low && value <= high
            ? value
            : throw Fault(key, $"is {Shown(element)}; a whole number from {low} to {high} is accepted.");
    }

    /// <summary>A whole number of a range, or a list of them.</summary>
    /// <exception cref="CheckpointException">It is missing without a default, of another kind, empty, or out of range.</exception>
    public IReadOnlyList<int> Ints(string key, int low, int high, int whenMissing)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Array } list)
            return [Int(key, low, high, whenMissing)];
        int[] values = [.. list.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out int v) && v >= low && v <= high
            ? v
            : throw Fault(key, $"holds {Shown(e)}; whole numbers from {low} to {high} are accepted."))];
        return values.Length is > 0 and <= 256 ? values : throw Fault(key, $"lists {values.Length} numbers; 1 to 256 are accepted.");
    }

    /// <summary>A number above a bound and at most another.</summary>
    /// <exception cref="CheckpointException">It is missing without a default, no number, or out of range.</exception>
    public float Float(string key, float above, float most, float? whenMissing = null)
    {
        if (Find(key) is not { } element)
            return whenMissing ?? throw Missing(key);
        return element.ValueKind == JsonValueKind.Number && element.TryGetSingle(out float value) && value > above && value <= most
            ? value
            : throw Fault(key, $"is {Shown(element)}; a number above {above} and at most {most} is accepted.");
    }

    /// <summary>A word.</summary>
    /// <exception cref="CheckpointException">It is missing without a default, or no word.</exception>
    public string Text(string key, string? whenMissing = null)
    {
        if (Find(key) is not { } element)
            return whenMissing ?? throw Missing(key);
        return element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Fault(key, $"is {Shown(element)}; a word is expected.");
    }

    /// <summary>True or false.</summary>
    /// <exception cref="CheckpointException">It is neither.</exception>
    public bool Flag(string key, bool whenMissing) => Find(key)?.ValueKind switch
    {
        null => whenMissing,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Fault(key, "must be true or false."),
    };

    /// <summary>A word that must be one of those known.</summary>
    /// <exception cref="CheckpointException">It is another one; the message lists those known.</exception>
    public string OneOf(string key, string? whenMissing, params string[] known)
    {
        string value = Text(key, whenMissing);
        return known.Contains(value) ? value : throw Fault(key, $"is '{value}'; known here: {string.Join(", ", known)}.");
    }

    /// <summary>A list of words that must be among those known, at most 256.</summary>
    /// <exception cref="CheckpointException">It is missing, no such list, or holds another word.</exception>
    public IReadOnlyList<string> Words(string key, params string[] known)
    {
        if (Find(key) is not { } element)
            throw Missing(key);
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() > 256)
            throw Fault(key, "is no list of at most 256 words.");
        return [.. element.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String && known.Contains(e.GetString())
            ? e.GetString()!
            : throw Fault(key, $"holds {Shown(e)}; known here: {string.Join(", ", known)}."))];
    }

    /// <summary>Refuses a setting that changes the network in a way this reader's models do not have.</summary>
    /// <exception cref="CheckpointException">The flag differs from <paramref name="needed"/>.</exception>
    public void Require(string key, bool needed)
    {
        if (Flag(key, needed) != needed)
            throw Fault(key, $"is {(needed ? "false" : "true")}; only models with {(needed ? "true" : "false")} are read.");
    }

    /// <summary>Refuses numbers other than those this reader's models have; a missing list is taken for them.</summary>
    /// <exception cref="CheckpointException">The list differs from <paramref name="needed"/>.</exception>
    public void RequireNumbers(string key, params ReadOnlySpan<float> needed)
    {
        if (Find(key) is not { } list)
            return;
        bool same = list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == needed.Length;
        for (int i = 0; same && i < needed.Length; i++)
            same = list[i].ValueKind == JsonValueKind.Number && list[i].TryGetSingle(out float value) && MathF.Abs(value - needed[i]) < 1e-6f;
        if (!same)
            throw Fault(key, $"is {Shown(list)}; only models with [{string.Join(", ", needed.ToArray())}] are read.");
    }

    /// <summary>An activation by its published name.</summary>
    /// <exception cref="CheckpointException">The name is not known.</exception>
    public ActivationKind Activation(string key, string whenMissing) => Text(key, whenMissing) switch
    {
        "gelu" => ActivationKind.Gelu,
        "gelu_pytorch_tanh" or "gelu_new" => ActivationKind.GeluTanh,
        "quick_gelu" => ActivationKind.QuickGelu,
        "silu" or "swish" => ActivationKind.Silu,
        var other => throw Fault(key, $"is '{other}'; known here: gelu, gelu_pytorch_tanh, gelu_new, quick_gelu, silu, swish."),
    };

    /// <summary>Where the rotary settings stand: in the group <c>rope_parameters</c> of newer configurations, else here.</summary>
    /// <exception cref="CheckpointException">The group asks for scaled positions.</exception>
    public ConfigReader RopeSettings()
    {
        if (!Has("rope_parameters"))
            return this;
        ConfigReader rope = Child("rope_parameters");
        rope.OneOf("rope_type", "default", "default");
        return rope;
    }

    /// <summary>The exception for a setting that is wrong in a way only the caller can tell.</summary>
    public CheckpointException Fault(string key, string fault) => new(Source, _path + key, fault);

    private JsonElement? Find(string key)
    {
        _asked.Add(key);
        return _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private CheckpointException Missing(string key) => Fault(key, "the model needs this setting. Use the configuration that belongs to these weights.");

    private static string Shown(JsonElement element)
    {
        string text = element.GetRawText();
        return text.Length <= 64 ? text : text[..64] + "...";
    }
}
