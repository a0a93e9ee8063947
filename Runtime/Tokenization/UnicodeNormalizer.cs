using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// The four Unicode normalization forms. The framework normalizes nothing where it runs without culture data, as this
/// library does, so the tables are its own. Immutable and thread-safe.
/// </summary>
internal sealed class UnicodeNormalizer : ITextNormalizer
{
    // The arithmetic of Hangul syllables: leading consonants, vowels and trailing consonants in fixed blocks.
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Trails = 28;

    private static readonly Dictionary<int, byte> Classes = [];
    private static readonly Dictionary<int, (int First, int Second)> Parts = [];
    private static readonly Dictionary<(int First, int Second), int> Composed = [];
    private static readonly Lazy<Dictionary<int, int[]>> Compatible = new(() => Entries("CompatibilityTables")
        .ToDictionary(e => Hex(e.Fields[0]), e => e.Fields[1..].Select(Hex).ToArray()));

    private readonly bool _compatible, _composes;
    private readonly char _firstChanged;

    static UnicodeNormalizer()
    {
        foreach ((string section, string[] fields) in Entries("CanonicalTables"))
            Add(fields, section == "[classes]");
    }

    // Nothing before the first changed character changes, and nothing before U+0300 composes.
    private UnicodeNormalizer(bool compatible, bool composes) =>
        (_compatible, _composes, _firstChanged) = (compatible, composes, compatible ? '\u00A0' : composes ? '\u0300' : '\u00C0');

    /// <summary>Canonical composition.</summary>
    internal static UnicodeNormalizer Nfc { get; } = new(compatible: false, composes: true);

    /// <summary>Canonical decomposition.</summary>
    internal static UnicodeNormalizer Nfd { get; } = new(compatible: false, composes: false);

    /// <summary>Compatibility composition.</summary>
    internal static UnicodeNormalizer Nfkc { get; } = new(compatible: true, composes: true);

    /// <summary>Compatibility decomposition.</summary>
    internal static UnicodeNormalizer Nfkd { get; } = new(compatible: true, composes: false);

    public string Normalize(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', (char)(_firstChanged - 1)))
            return text;
        var points = new List<int>(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(rune.Value, points);
        Order(points);
        var result = new StringBuilder(text.Length);
        foreach (int point in _composes ? Compose(points) : points)
            result.Append(new Rune(point).ToString());
        return result.ToString();
    }

    private static IEnumerable<(string Section, string[] Fields)> Entries(string table)
    {
        using var lines = new StreamReader(typeof(UnicodeNormalizer).Assembly.GetManifestResourceStream("VlmSdk." + table)!);
        string section = "";
        while (lines.ReadLine() is string line)
        {
            if (line is ['#', ..])
                continue;
            if (line is ['[', ..])
                section = line;
            else
                foreach (string entry in line.Split(';'))
                    yield return (section, entry.Split(' '));
        }
    }

    private static void Add(string[] fields, bool classes)
    {
        if (classes)
        {
            int dash = fields[0].IndexOf('-');
            int first = Hex(dash < 0 ? fields[0] : fields[0][..dash]), last = Hex(fields[0][(dash + 1)..]);
            for (int point = first; point <= last; point++)
                Classes.Add(point, byte.Parse(fields[1], CultureInfo.InvariantCulture));
            return;
        }
        bool never = fields[^1] == "!";
        (int First, int Second) parts = (Hex(fields[1]), fields.Length - (never ? 1 : 0) > 2 ? Hex(fields[2]) : -1);
        Parts.Add(Hex(fields[0]), parts);
        if (!never)
            Composed.Add(parts, Hex(fields[0]));
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static byte ClassOf(int point) => Classes.GetValueOrDefault(point);

    private void Decompose(int point, List<int> result)
    {
        if (Parts.TryGetValue(point, out (int First, int Second) parts))
        {
            Decompose(parts.First, result);
            if (parts.Second >= 0)
                Decompose(parts.Second, result);
        }
        else if (point - SyllableBase is >= 0 and < Leads * Vowels * Trails and var syllable)
        {
            result.Add(LeadBase + syllable / (Vowels * Trails));
            result.Add(VowelBase + syllable / Trails % Vowels);
            if (syllable % Trails > 0)
                result.Add(TrailBase + syllable % Trails);
        }
        else if (_compatible && Compatible.Value.TryGetValue(point, out int[]? same))
        {
            foreach (int each in same)
                Decompose(each, result);
        }
        else
        {
            result.Add(point);
        }
    }

    // Marks between starters go by rising class; equal ones keep their order.
    private static void Order(List<int> points)
    {
        for (int at = 0; at < points.Count; at++)
        {
            int end = at;
            while (end < points.Count && ClassOf(points[end]) > 0)
                end++;
            if (end - at > 1)
            {
                int[] sorted = [.. points[at..end].OrderBy(ClassOf)];
                for (int i = 0; i < sorted.Length; i++)
                    points[at + i] = sorted[i];
            }
            at = end;
        }
    }

    private static List<int> Compose(List<int> points)
    {
        var result = new List<int>(points.Count);
        int starter = -1, last = -1;
        foreach (int point in points)
        {
            int type = ClassOf(point);
            // A mark is blocked from the starter by one before it of the same or a higher class.
            if (starter >= 0 && last < type && Pair(result[starter], point) is int composed)
            {
                result[starter] = composed;
                continue;
            }
            if (type == 0)
                starter = result.Count;
            // Directly behind a starter, even another starter may compose.
            last = type == 0 ? -1 : type;
            result.Add(point);
        }
        return result;
    }

    private static int? Pair(int first, int second)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, trail = second - TrailBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
            return SyllableBase + (lead * Vowels + vowel) * Trails;
        if (syllable is >= 0 and < Leads * Vowels * Trails && syllable % Trails == 0 && trail is > 0 and < Trails)
            return first + trail;
        return Composed.TryGetValue((first, second), out int composed) ? composed : null;
    }
}
