using System.Collections.Frozen;
using System.Text;

namespace VlmSdk.Models.Scout;

/// <summary>A text brought into Scout's words.</summary>
/// <param name="Words">Words of the vocabulary, in order.</param>
/// <param name="Folded">What was replaced by a listed synonym, as "crimson -> red".</param>
/// <param name="Unknown">Words that Scout does not know and that were left out; report them to the user.</param>
public sealed record ScoutText(IReadOnlyList<string> Words, IReadOnlyList<string> Folded, IReadOnlyList<string> Unknown);

/// <summary>
/// Prompts in the form Scout was trained on: <c>&lt;ground&gt; the red cube &lt;ans&gt;</c>. User text is folded into the
/// vocabulary; spellings of control tokens in it are unknown words like any other, never tokens.
/// </summary>
public static class ScoutPrompt
{
    private static readonly FrozenDictionary<string, string> Synonyms = new Dictionary<string, string>
    {
        ["crimson"] = "red",
        ["scarlet"] = "red",
        ["ruby"] = "red",
        ["amber"] = "orange",
        ["golden"] = "yellow",
        ["gold"] = "yellow",
        ["lime"] = "green",
        ["emerald"] = "green",
        ["turquoise"] = "cyan",
        ["teal"] = "cyan",
        ["aqua"] = "cyan",
        ["navy"] = "blue",
        ["azure"] = "blue",
        ["violet"] = "purple",
        ["indigo"] = "purple",
        ["magenta"] = "pink",
        ["rose"] = "pink",
        ["dark"] = "black",
        ["box"] = "cube",
        ["crate"] = "cube",
        ["block"] = "cube",
        ["ball"] = "sphere",
        ["globe"] = "sphere",
        ["orb"] = "sphere",
        ["tube"] = "cylinder",
        ["can"] = "cylinder",
        ["barrel"] = "cylinder",
        ["pill"] = "capsule",
        ["torus"] = "ring",
        ["donut"] = "ring",
        ["doughnut"] = "ring",
        ["hoop"] = "ring",
        ["boxes"] = "cubes",
        ["crates"] = "cubes",
        ["blocks"] = "cubes",
        ["balls"] = "spheres",
        ["globes"] = "spheres",
        ["orbs"] = "spheres",
        ["tubes"] = "cylinders",
        ["cans"] = "cylinders",
        ["barrels"] = "cylinders",
        ["pills"] = "capsules",
        ["donuts"] = "rings",
        ["doughnuts"] = "rings",
        ["hoops"] = "rings",
        ["thing"] = "object",
        ["item"] = "object",
        ["things"] = "objects",
        ["items"] = "objects",
        ["color"] = "colour",
        ["closest"] = "nearest",
        ["furthest"] = "farthest",
        ["closer"] = "nearer",
    }.ToFrozenDictionary();

    /// <summary>The nouns; the last stands for any.</summary>
    internal static readonly string[] Shapes = ["cube", "sphere", "cylinder", "cone", "pyramid", "ring", "capsule", "object"];

    /// <summary>The colour words.</summary>
    internal static readonly string[] Colours = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black"];

    /// <summary>Splits free text into words and folds them into the vocabulary. Punctuation Scout has no token for separates words.</summary>
    public static ScoutText Fold(string text)
    {
        List<string> words = [], folded = [], unknown = [];
        foreach (string word in Split(text))
        {
            if (Synonyms.TryGetValue(word, out string? known))
            {
                words.Add(known);
                folded.Add($"{word} -> {known}");
            }
            else if (ScoutVocabulary.TryId(word, out int id) && !ScoutVocabulary.IsControl(id))
            {
                words.Add(word);
            }
            else
            {
                unknown.Add(word);
            }
        }
        return new ScoutText(words, folded, unknown);
    }

    /// <summary>Prompt of the list of all objects with boxes: <c>&lt;detect&gt; &lt;ans&gt;</c>.</summary>
    public static int[] Detect() => Ids("<detect>", []);

    /// <summary>Prompt that grounds a phrase: <c>&lt;ground&gt; the red cube &lt;ans&gt;</c>.</summary>
    /// <param name="phrase">The folded phrase; an article or a noun that is missing is added.</param>
    public static int[] Ground(ScoutText phrase) => Ids("<ground>", Phrase(phrase.Words));

    /// <summary>Prompt of a question: <c>&lt;ask&gt; how many cubes are there ? &lt;ans&gt;</c>.</summary>
    public static int[] Ask(ScoutText question) => Ids("<ask>", Question(question.Words));

    /// <summary>
    /// Whether a phrase says something Scout can look for: it names a shape or "object", or only a colour. A phrase whose
    /// noun is unknown ("the red giraffe") does not.
    /// </summary>
    public static bool CanGround(ScoutText phrase) =>
        phrase.Words.Any(w => Shapes.Contains(Singular(w))) || (phrase.Unknown.Count == 0 && phrase.Words.Any(Colours.Contains));

    /// <summary>The noun phrase of a "how many ..." question, so that it can be counted through the detect list; null for other questions.</summary>
    public static (string? Colour, string? Shape)? CountedObjects(ScoutText question)
    {
        IReadOnlyList<string> words = question.Words;
        if (words.Count < 2 || words[0] != "how" || words[1] != "many")
            return null;
        string? shape = words.Select(Singular).FirstOrDefault(Shapes.Contains);
        return (words.FirstOrDefault(Colours.Contains), shape == "object" ? null : shape);
    }

    /// <summary>
    /// The sentence that describes listed objects, in the words of the training's descriptions: "i see two objects : a red
    /// cube @top_left , a blue ring @middle_centre ." with the third of the picture that each centre lies in.
    /// </summary>
    /// <param name="objects">Tokens of each object's phrase, and its centre across and down the source picture, 0..1.</param>
    /// <param name="longest">Most tokens, at least 16; objects that do not fit are counted and not named.</param>
    public static List<int> Sentence(IReadOnlyList<(int[] Words, double X, double Y)> objects, int longest)
    {
        List<int> sentence = [ScoutVocabulary.Id("i"), ScoutVocabulary.Id("see")];
        if (objects.Count == 0)
            return [.. sentence, ScoutVocabulary.Id("no"), ScoutVocabulary.Id("objects"), ScoutVocabulary.Id(".")];
        if (NumberWord(objects.Count) is { } number)
            sentence.Add(number);
        sentence.Add(ScoutVocabulary.Id(objects.Count == 1 ? "object" : "objects"));
        for (int i = 0; i < objects.Count && sentence.Count + objects[i].Words.Length + 4 <= longest; i++)
            sentence.AddRange([ScoutVocabulary.Id(i == 0 ? ":" : ","), ScoutVocabulary.Id("a"), .. objects[i].Words, Place(objects[i].X, objects[i].Y)]);
        sentence.Add(ScoutVocabulary.Id("."));
        return sentence;
    }

    /// <summary>The token of a number word, null above twelve.</summary>
    public static int? NumberWord(int number) => number is >= 0 and <= 12 ? ScoutVocabulary.Id("zero") + number : null;

    private static int Place(double x, double y)
    {
        static string Third(double at, string first, string second, string third) => at < 1.0 / 3 ? first : at < 2.0 / 3 ? second : third;
        return ScoutVocabulary.Id($"@{Third(y, "top", "middle", "bottom")}_{Third(x, "left", "centre", "right")}");
    }

    /// <summary>The singular of Scout's plural nouns; other words unchanged.</summary>
    public static string Singular(string word) => word.EndsWith('s') && Shapes.Contains(word[..^1]) ? word[..^1] : word;

    private static List<string> Phrase(IReadOnlyList<string> words)
    {
        var phrase = new List<string>();
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            // "to the left of" is "left of"; "a" and "an" are "the"; "the red one" is "the red object".
            if (word == "to" || (word == "the" && i > 0 && words[i - 1] == "to") || word is "?" or "." or ",")
                continue;
            bool first = phrase.Count == 0 || phrase[^1] is "of" or "behind";
            if (first && word is "a" or "an")
                word = "the";
            if (first && word != "the")
                phrase.Add("the");
            if (word == "one" && phrase.Count > 0 && Colours.Contains(phrase[^1]))
                word = "object";
            word = Singular(word);
            // A colour that nothing follows, or that a relation follows, lacks its noun.
            if (phrase.Count > 0 && Colours.Contains(phrase[^1]) && !Shapes.Contains(word))
                phrase.Add("object");
            phrase.Add(word);
        }
        if (phrase.Count > 0 && Colours.Contains(phrase[^1]))
            phrase.Add("object");
        return phrase;
    }

    private static List<string> Question(IReadOnlyList<string> words)
    {
        var question = words.Where(w => w is not ("." or "?")).ToList();
        // "are there any red cubes" asks what "is there a red cube" asks.
        if (question.Count >= 3 && question[0] == "are" && question[1] == "there")
            question = ["is", "there", "a", .. question.Skip(2).Where(w => w is not ("a" or "an" or "the")).Select(Singular)];
        if (question is ["is", "there", "an", ..])
            question[2] = "a";
        for (int i = 0; i + 1 < question.Count; i++)
            if (question[i] == "to" && question[i + 1] == "the")
                question.RemoveRange(i, 2);
        if (question.Count >= 3 && question[0] == "how" && question[1] == "many" && !question.Contains("there"))
            question = [.. question.Take(2), .. question.Skip(2).Where(w => w is not ("are" or "the" or "in" or "i" or "see")), "are", "there"];
        if (question is ["how", "many", ..])
            question = question.Select(w => Shapes.Contains(w) ? w + "s" : w).ToList();
        if (question.Count > 0)
            question.Add("?");
        return question;
    }

    private static int[] Ids(string task, List<string> words) =>
        [ScoutVocabulary.Id(task), .. words.Select(ScoutVocabulary.Id), ScoutVocabulary.Id("<ans>")];

    /// <summary>Lower-case words; punctuation of the vocabulary stands alone, tokens such as &lt;loc5&gt; stay whole.</summary>
    private static IEnumerable<string> Split(string text)
    {
        var word = new StringBuilder();
        foreach (string part in text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Length > 2 && part[0] == '<' && part[^1] == '>')
            {
                yield return part;
                continue;
            }
            foreach (char c in part)
            {
                if (char.IsLetterOrDigit(c) || c is '-' or '_' or '\'' or '<' or '>' or '/' or '|' or '@' || char.IsSurrogate(c) || c > 127)
                {
                    word.Append(c);
                    continue;
                }
                if (word.Length > 0)
                    yield return Take();
                if (c is ',' or '.' or '?' or ':')
                    yield return c.ToString();
            }
            if (word.Length > 0)
                yield return Take();
        }

        string Take()
        {
            string taken = word.ToString();
            word.Clear();
            return taken;
        }
    }
}
