using System.Globalization;
using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>
/// Unicode normalization form C. The framework composes nothing where it runs without culture data, as this library
/// does, so the tables are its own. Immutable and thread-safe.
/// </summary>
internal sealed class CanonicalComposition : ITextNormalizer
{
    // The arithmetic of Hangul syllables: leading consonants, vowels and trailing consonants in fixed blocks.
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Trails = 28;

    private readonly Dictionary<int, byte> _classes = [];
    private readonly Dictionary<int, (int First, int Second)> _parts = [];
    private readonly Dictionary<(int First, int Second), int> _composed = [];

    private CanonicalComposition()
    {
        using var tables = new StreamReader(typeof(CanonicalComposition).Assembly.GetManifestResourceStream("VlmSdk.CanonicalTables")!);
        bool classes = false;
        while (tables.ReadLine() is string line)
        {
            if (line is ['#', ..])
                continue;
            if (line is ['[', ..])
                classes = line == "[classes]";
            else
                foreach (string entry in line.Split(';'))
                    Add(entry.Split(' '), classes);
        }
    }

    internal static CanonicalComposition Instance { get; } = new();

    public string Normalize(string text)
    {
        // Nothing before U+0300 changes.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            return text;
        var points = new List<int>(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(rune.Value, points);
        Order(points);
        var result = new StringBuilder(text.Length);
        foreach (int point in Compose(points))
            result.Append(new Rune(point).ToString());
        return result.ToString();
    }

    private void Add(string[] fields, bool classes)
    {
        if (classes)
        {
            int dash = fields[0].IndexOf('-');
            int first = Hex(dash < 0 ? fields[0] : fields[0][..dash]), last = Hex(fields[0][(dash + 1)..]);
            for (int point = first; point <= last; point++)
                _classes.Add(point, byte.Parse(fields[1], CultureInfo.InvariantCulture));
            return;
        }
        bool never = fields[^1] == "!";
        (int First, int Second) parts = (Hex(fields[1]), fields.Length - (never ? 1 : 0) > 2 ? Hex(fields[2]) : -1);
        _parts.Add(Hex(fields[0]), parts);
        if (!never)
            _composed.Add(parts, Hex(fields[0]));

        static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    private byte ClassOf(int point) => _classes.GetValueOrDefault(point);

    private void Decompose(int point, List<int> result)
    {
        if (_parts.TryGetValue(point, out (int First, int Second) parts))
        {
            Decompose(parts.First, result);
            if (parts.Second >= 0)
                result.Add(parts.Second);
        }
        else if (point - SyllableBase is >= 0 and < Leads * Vowels * Trails and var syllable)
        {
            result.Add(LeadBase + syllable / (Vowels * Trails));
            result.Add(VowelBase + syllable / Trails % Vowels);
            if (syllable % Trails > 0)
                result.Add(TrailBase + syllable % Trails);
        }
        else
        {
            result.Add(point);
        }
    }

    // Marks between starters go by rising class; equal ones keep their order.
    private void Order(List<int> points)
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

    private List<int> Compose(List<int> points)
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

    private int? Pair(int first, int second)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, trail = second - TrailBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
            return SyllableBase + (lead * Vowels + vowel) * Trails;
        if (syllable is >= 0 and < Leads * Vowels * Trails && syllable % Trails == 0 && trail is > 0 and < Trails)
            return first + trail;
        return _composed.TryGetValue((first, second), out int composed) ? composed : null;
    }
}
