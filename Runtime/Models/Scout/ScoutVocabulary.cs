using System.Collections.Frozen;

namespace VlmSdk.Models.Scout;

/// <summary>Scout's words: one token each, the location tokens last. Ids are positions in <see cref="Words"/>.</summary>
public static class ScoutVocabulary
{
    /// <summary>Location tokens at the end of the vocabulary.</summary>
    public const int LocationBins = 128;

    private static readonly string[] Control = ["<pad>", "<eos>", "<describe>", "<detect>", "<ask>", "<ground>", "<ans>"];

    private static readonly string[] Content =
    [
        "<ref>", "</ref>", "<box>", "</box>", "<InView>", "<NotInView>",
        "the", "a", "an", "and", "i", "see", "there", "is", "are", "of", "in", "to", "at", "on", ",", ".", "?", ":",
        "how", "many", "what", "which", "colour", "shape", "nearer", "left", "right", "front", "behind",
        "leftmost", "rightmost", "nearest", "farthest", "yes", "no", "none", "object", "objects", "or", "it", "than",
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "cube", "sphere", "cylinder", "cone", "pyramid", "ring", "capsule",
        "cubes", "spheres", "cylinders", "cones", "pyramids", "rings", "capsules",
        "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black",
        "@top_left", "@top_centre", "@top_right", "@middle_left", "@middle_centre", "@middle_right",
        "@bottom_left", "@bottom_centre", "@bottom_right", "top", "middle", "bottom", "centre",
    ];

    /// <summary>All words by id.</summary>
    public static IReadOnlyList<string> Words { get; } =
        [.. Control, .. Content, .. Enumerable.Range(0, LocationBins).Select(k => $"<loc{k}>")];

    private static readonly FrozenDictionary<string, int> Ids =
        Words.Select((word, id) => (word, id)).ToFrozenDictionary(p => p.word, p => p.id, StringComparer.Ordinal);

    /// <summary>Id of the first location token; token k means the place (k + 0.5) / 128 of the network picture's side.</summary>
    public static int LocationBase { get; } = Words.Count - LocationBins;

    /// <summary>Id of a word.</summary>
    /// <exception cref="KeyNotFoundException">Scout does not know the word.</exception>
    public static int Id(string word) => Ids.TryGetValue(word, out int id) ? id : throw new KeyNotFoundException($"Scout has no word '{word}'.");

    /// <summary>Id of a word, if Scout knows it.</summary>
    public static bool TryId(string word, out int id) => Ids.TryGetValue(word, out id);

    /// <summary>True for tokens that only the SDK may write: padding, end, task and answer markers.</summary>
    public static bool IsControl(int id) => id < Control.Length;

    /// <summary>True for location tokens.</summary>
    public static bool IsLocation(int id) => id >= LocationBase;
}
