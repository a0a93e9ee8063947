using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Samples.Scenes;
using VlmSdk.Samples.TrainScout;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Training;

/// <summary>The embedded Scout's list of all objects on drawn scenes: descriptions and unsure counts are read from it, and it forgets nothing sure.</summary>
public sealed class ScoutListTests
{
    private readonly List<EncodedImage> _views = [];
    private VlmModel _scout = null!;

    [OneTimeSetUp]
    public async Task Look()
    {
        _scout = await VlmModel.LoadAsync("scout");
        using var scenes = new SceneSource();
        for (ulong seed = 0; seed < 24; seed++)
        {
            RenderedScene frame = scenes.Fresh(small: false)(seed);
            _views.Add(await _scout.EncodeAsync(new PixelBuffer(frame.Scene.Width, frame.Scene.Height, PixelFormat.Rgba8, frame.Rgba)));
        }
    }

    [OneTimeTearDown]
    public async Task Close()
    {
        _views.ForEach(v => v.Dispose());
        await _scout.DisposeAsync();
    }

    [Test]
    public async Task Descriptions_and_unsure_counts_are_of_the_list()
    {
        int named = 0, counted = 0;
        foreach (EncodedImage view in _views)
        {
            IReadOnlyList<Detection> list = await _scout.DetectAsync(view);
            Assert.That(list.Select(d => d.Box.Left + d.Box.Right), Is.Ordered);
            string described = "";
            await foreach (string piece in _scout.DescribeAsync(view))
                described += piece;
            int from = 0;
            foreach (Detection d in list)
                Assert.That(from = described.IndexOf(d.Phrase, from, StringComparison.Ordinal), Is.GreaterThanOrEqualTo(0), described);
            named += list.Count;
            foreach ((string what, Func<Detection, bool> counts) in new (string, Func<Detection, bool>)[]
            {
                ("objects", _ => true),
                ("cubes", d => d.Phrase.EndsWith("cube", StringComparison.Ordinal)),
                ("red objects", d => d.Phrase.StartsWith("red", StringComparison.Ordinal)),
            })
            {
                Answer answer = await _scout.AskAsync(view, $"how many {what} are there?");
                if (answer.Confidence >= 0.6f)
                    continue;
                Assert.That(answer.Text, Is.EqualTo(ScoutVocabulary.Words[ScoutVocabulary.Id("zero") + list.Count(counts)]), what);
                counted++;
            }
        }
        Assert.That((named, counted), Is.GreaterThan((20, 0)));
    }

    [Test]
    public async Task What_is_in_view_for_sure_is_listed()
    {
        int sure = 0;
        foreach (EncodedImage view in _views)
        {
            IReadOnlyList<Detection> list = await _scout.DetectAsync(view);
            foreach (ObjectColour colour in Enum.GetValues<ObjectColour>())
            {
                if ((await _scout.GroundAsync(view, $"the {colour} object")).Presence < 0.5f)
                    continue;
                foreach (ObjectShape shape in Enum.GetValues<ObjectShape>())
                {
                    string name = $"{colour} {shape}".ToLowerInvariant();
                    foreach (Detection d in (await _scout.GroundAsync(view, name)).Detections.Where(d => d.Confidence >= 0.9f))
                    {
                        Assert.That(list.Any(o => o.Phrase == name || o.Box.IntersectionOverUnion(d.Box) >= 0.3), $"{d} is not among {string.Join(", ", list)}");
                        sure++;
                    }
                }
            }
        }
        Assert.That(sure, Is.GreaterThan(20));
    }
}
