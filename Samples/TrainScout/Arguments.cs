using System.Globalization;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Options of the form "--name value" behind a command word; "--flag" alone for the flags named.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    internal Arguments(ReadOnlySpan<string> words, IReadOnlySet<string> known, IReadOnlySet<string> flags)
    {
        for (int i = 0; i < words.Length; i++)
        {
            string name = words[i];
            if (!name.StartsWith("--", StringComparison.Ordinal) || !known.Contains(name[2..]) && !flags.Contains(name[2..]))
                throw new ArgumentException($"'{name}' is not an option of this command. Run with --help for the list.");
            if (flags.Contains(name[2..]))
                _values[name[2..]] = "true";
            else if (i + 1 < words.Length)
                _values[name[2..]] = words[++i];
            else
                throw new ArgumentException($"'{name}' needs a value behind it.");
        }
    }

    internal string? Text(string name) => _values.GetValueOrDefault(name);

    internal bool Has(string name) => _values.ContainsKey(name);

    internal int Integer(string name, int missing, int least) => Parse(name, missing, least, s => int.Parse(s, CultureInfo.InvariantCulture));

    internal double Number(string name, double missing, double least) => Parse(name, missing, least, s => double.Parse(s, CultureInfo.InvariantCulture));

    private T Parse<T>(string name, T missing, T least, Func<string, T> parse) where T : IComparable<T>
    {
        if (!_values.TryGetValue(name, out string? text))
            return missing;
        try
        {
            T value = parse(text);
            return value.CompareTo(least) >= 0 ? value : throw new ArgumentException($"'--{name} {text}' is below the least value, {least}.");
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new ArgumentException($"'--{name} {text}' is not a number this option can take.", e);
        }
    }
}
