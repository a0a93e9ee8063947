using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Samples.Scenes;
using VlmSdk.Vision;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Puts fresh scenes before a loaded model, from pixels to text, and scores what it says.</summary>
internal static class Evaluation
{
    /// <summary>Evaluation scenes of seed 0 are numbered from here, far from those of training and validation.</summary>
    internal const ulong FirstScene = 1UL << 44;

    /// <summary>The seed of a scene of an evaluation.</summary>
    internal static ulong SceneSeed(int seed, int index) => FirstScene + ((ulong)seed << 24) + (ulong)index;

    /// <summary>Evaluates a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="draw">Draws a scene by its seed.</param>
    /// <param name="scenes">Number of scenes.</param>
    /// <param name="seed">Which scenes.</param>
    /// <param name="lists">Whether to count through the detect list as well.</param>
    /// <param name="report">Called after each scene with the number done.</param>
    /// <param name="cancellationToken">Ends the evaluation.</param>
    internal static async Task<EvaluationScores> RunAsync(VlmModel model, Func<ulong, RenderedScene> draw, int scenes, int seed, bool lists,
        Action<int, EvaluationScores>? report, CancellationToken cancellationToken)
    {
        var scores = new EvaluationScores();
        for (int i = 0; i < scenes; i++)
        {
            RenderedScene frame = draw(SceneSeed(seed, i));
            IReadOnlyList<ObjectLabel> objects = SceneLabeller.Label(frame).Objects;
            using EncodedImage view = await model.EncodeAsync(
                new PixelBuffer(frame.Scene.Width, frame.Scene.Height, PixelFormat.Rgba8, frame.Rgba), cancellationToken);
            scores.Scenes++;

            var text = new System.Text.StringBuilder();
            await foreach (string piece in model.DescribeAsync(view, cancellationToken))
                text.Append(piece);
            scores.AddDescription(Named(text.ToString()), objects);

            List<(ObjectColour Colour, ObjectShape Shape)>? listed = null;
            if (lists)
            {
                listed = [.. (await model.DetectAsync(view, cancellationToken)).SelectMany(d => Named("a " + d.Phrase))];
                scores.AddList(listed, objects);
            }
            foreach (SceneQuery query in Queries(objects, new Random(unchecked(seed * 7919 + i))))
                if (query.Kind == QueryKind.Ground)
                {
                    GroundingResult found = await model.GroundAsync(view, Words(query), cancellationToken);
                    scores.AddGrounding(query, found.Presence, found is Grounded ? found.Detections.Select(d => Network(d.Box, view.Map)).ToArray() : []);
                }
                else
                {
                    Answer answer = await model.AskAsync(view, Words(query), cancellationToken);
                    int? counted = listed?.Count(o => (query.Phrase!.Colour ?? o.Colour) == o.Colour && (query.Phrase.Shape ?? o.Shape) == o.Shape);
                    scores.AddCount(query, answer.Text, counted);
                }
            report?.Invoke(i + 1, scores);
        }
        return scores;
    }

    /// <summary>The questions of an evaluation scene, each once: every kind the figures speak of.</summary>
    internal static List<SceneQuery> Queries(IReadOnlyList<ObjectLabel> objects, Random random)
    {
        var queries = new Dictionary<string, SceneQuery>();
        ObjectLabel[] clear = [.. objects.Where(o => o.IsClear)];
        random.Shuffle(clear);
        foreach (ObjectLabel o in clear.Take(4))
            Add(Answers.Ground(objects, Phrase.Of(o)));
        if (clear.Length > 0)
        {
            Add(Answers.Ground(objects, new Phrase(null, clear[0].Shape)));
            Add(Answers.Ground(objects, new Phrase(clear[^1].Colour, null)));
        }
        for (int i = 0; i < 4; i++)
            Add(QueryMix.Absent(objects, random));
        for (int i = 0; i < 4; i++)
            Add(QueryMix.Related(objects, random));
        Add(QueryMix.Extreme(objects, random));
        for (int i = 0; i < 2; i++)
            Add(QueryMix.Counted(objects, random));
        return [.. queries.Values];

        void Add(SceneQuery? query)
        {
            if (query is not null)
                queries.TryAdd(string.Join(' ', query.Prompt.ToArray()), query);
        }
    }

    /// <summary>The words of a prompt between its task and answer marks, as a user would type them.</summary>
    internal static string Words(SceneQuery query) =>
        string.Join(' ', query.Prompt[1..^1].ToArray().Select(t => ScoutVocabulary.Words[t]));

    /// <summary>The objects a text names: "a" or "an", a colour, a shape.</summary>
    internal static List<(ObjectColour Colour, ObjectShape Shape)> Named(string text)
    {
        string[] words = text.ToLowerInvariant().Split([' ', ',', '.', ':'], StringSplitOptions.RemoveEmptyEntries);
        var named = new List<(ObjectColour, ObjectShape)>();
        for (int i = 0; i + 2 < words.Length; i++)
            if (words[i] is "a" or "an" && Enum.TryParse(words[i + 1], ignoreCase: true, out ObjectColour colour) && Enum.TryParse(words[i + 2], ignoreCase: true, out ObjectShape shape))
                named.Add((colour, shape));
        return named;
    }

    /// <summary>A box of source pixels in units of the network picture, in which labels are kept.</summary>
    private static float[] Network(PixelBox box, CoordinateMap map) =>
    [
        (float)(map.TargetX(box.Left) / map.TargetWidth), (float)(map.TargetY(box.Top) / map.TargetHeight),
        (float)(map.TargetX(box.Right) / map.TargetWidth), (float)(map.TargetY(box.Bottom) / map.TargetHeight),
    ];
}
