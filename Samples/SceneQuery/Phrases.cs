using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.SceneQuery;

/// <summary>Phrases worth asking about a scene: two things that are there once, and one that is not.</summary>
internal static class Phrases
{
    internal static IReadOnlyList<string> For(IReadOnlyList<ObjectLabel> visible)
    {
        string[] unique = visible.GroupBy(o => (o.Colour, o.Shape)).Where(g => g.Count() == 1 && g.Single().IsClear)
            .OrderByDescending(g => g.Single().VisiblePixels).Take(2).Select(g => Name(g.Key.Colour, g.Key.Shape)).ToArray();
        ObjectColour[] colours = Enum.GetValues<ObjectColour>();
        string absent = Name(colours.First(c => visible.All(o => o.Colour != c)), ObjectShape.Cube);
        return [.. unique, absent];
    }

    private static string Name(ObjectColour colour, ObjectShape shape) => $"the {colour} {shape}".ToLowerInvariant();
}
