using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Questions about one picture laid end to end in a row of fixed length; each sees the picture and itself alone.</summary>
internal sealed class PackedText(int length)
{
    /// <summary>Word ids, padding 0.</summary>
    internal int[] Tokens { get; } = new int[length];

    /// <summary>The word to be predicted at each token; -1 where nothing is learned (prompt, padding).</summary>
    internal int[] Targets { get; } = [.. Enumerable.Repeat(-1, length)];

    /// <summary>Number of the question a token belongs to, from 1; 0 for padding.</summary>
    internal int[] Queries { get; } = new int[length];

    /// <summary>Position in its question, from 0.</summary>
    internal int[] Positions { get; } = new int[length];

    /// <summary>Objects a prompt's noun means, as bits.</summary>
    internal ulong[] PointA { get; } = new ulong[length];

    /// <summary>Objects the word to be predicted concerns, as bits.</summary>
    internal ulong[] PointB { get; } = new ulong[length];

    /// <summary>Exact coordinate of the location to be predicted (0..1); NaN elsewhere, or to take the bin's centre.</summary>
    internal float[] Coordinates { get; } = [.. Enumerable.Repeat(float.NaN, length)];

    /// <summary>Tokens used so far.</summary>
    internal int Used { get; private set; }

    private int _count;

    /// <summary>Appends a question if it fits.</summary>
    internal bool TryAdd(SceneQuery query)
    {
        int n = query.Tokens.Length;
        // The last token is only predicted, never read.
        if (Used + n - 1 > Tokens.Length)
            return false;
        _count++;
        for (int i = 0; i < n - 1; i++)
        {
            int at = Used + i;
            (Tokens[at], Queries[at], Positions[at]) = (query.Tokens[i], _count, i);
            if (i < query.PromptLength)
                PointA[at] = query.Objects[i];
            if (i + 1 < query.PromptLength)
                continue;
            (Targets[at], PointB[at], Coordinates[at]) = (query.Tokens[i + 1], query.Objects[i + 1], query.Coordinates[i + 1]);
        }
        Used += n - 1;
        return true;
    }

    /// <summary>
    /// Fills a row for one scene: nearly always the list, which descriptions and counts are read from, now and then a description in
    /// one sentence, then questions until six in a row do not fit.
    /// </summary>
    internal static PackedText Pack(IReadOnlyList<ObjectLabel> objects, Random random, int length)
    {
        var text = new PackedText(length);
        if (random.NextDouble() < 0.95)
            text.TryAdd(Answers.Detect(objects));
        if (random.NextDouble() < 0.15)
            text.TryAdd(Answers.Describe(objects));
        for (int misses = 0, tries = 0; misses < 6 && tries < 400; tries++)
            if (QueryMix.Next(objects, random) is { } query)
                misses = text.TryAdd(query) ? 0 : misses + 1;
        return text;
    }
}
