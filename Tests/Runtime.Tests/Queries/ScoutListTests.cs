using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Queries;

/// <summary>Descriptions and counts are of the list of objects, and the list names no place twice; on the embedded Scout.</summary>
public sealed class ScoutListTests
{
    private VlmModel _scout = null!;

    [OneTimeSetUp]
    public async Task Load() => _scout = await VlmModel.LoadAsync("scout", new VlmModelOptions { Backend = Backend.Reference });

    [OneTimeTearDown]
    public async Task Unload() => await _scout.DisposeAsync();

    [Test]
    public async Task A_description_names_what_the_list_holds_and_unsure_counts_are_of_the_same_list()
    {
        int named = 0, counted = 0;
        for (int objects = 2; objects <= 6; objects += 2)
        {
            using EncodedImage view = await _scout.EncodeAsync(Picture(objects));
            IReadOnlyList<Detection> list = await _scout.DetectAsync(view);
            string described = "";
            await foreach (string piece in _scout.DescribeAsync(view))
                described += piece;
            int from = 0;
            foreach (Detection d in list)
                Assert.That(from = described.IndexOf(d.Phrase, from, StringComparison.OrdinalIgnoreCase), Is.GreaterThanOrEqualTo(0), described);
            named += list.Count;
            foreach (string question in new[] { "how many objects are there?", "how many cubes are there?", "how many red objects are there?" })
            {
                Answer answer = await _scout.AskAsync(view, question);
                if (answer.Confidence >= 0.6f)
                    continue;
                string word = question.Split(' ')[2];
                int number = list.Count(d => word == "objects" ? true : d.Phrase.Contains(word.TrimEnd('s'), StringComparison.Ordinal));
                if (question.Contains("red", StringComparison.Ordinal))
                    number = list.Count(d => d.Phrase.StartsWith("red", StringComparison.Ordinal));
                Assert.That(answer.Text, Is.EqualTo(ScoutVocabulary.Words[ScoutVocabulary.Id("zero") + number]), question);
                counted++;
            }
        }
        Assert.Multiple(() =>
        {
            Assert.That(named, Is.Positive);
            Assert.That(counted, Is.Positive);
        });
    }

    [Test]
    public void The_list_leaves_out_what_is_unlikely_and_what_covers_an_object_named_before()
    {
        (Detection, int[]) cube = Found("red cube", 10, 0.9f), again = Found("red cylinder", 12, 0.8f), beside = Found("red cylinder", 24, 0.8f),
            doubtful = Found("blue ring", 200, 0.29f), fair = Found("blue ring", 200, 0.31f);
        Assert.That(ScoutRuntime.Distinct([cube, again, beside, doubtful, fair]), Is.EqualTo(new[] { cube, beside, fair }));

        static (Detection, int[]) Found(string phrase, double left, float confidence) =>
            (new Detection(phrase, new PixelBox(left, 0, left + 20, 20), confidence, 1), []);
    }

    /// <summary>Flat discs and squares on a grey ground.</summary>
    private static PixelBuffer Picture(int objects)
    {
        const int Width = 320, Height = 240;
        byte[][] colours = [[210, 30, 30], [30, 60, 210], [40, 170, 50], [230, 200, 40]];
        var bytes = new byte[Width * Height * 3];
        bytes.AsSpan().Fill(128);
        for (int n = 0; n < objects; n++)
            for (int y = -20; y < 20; y++)
                for (int x = -20; x < 20; x++)
                    if (n % 2 == 0 || x * x + y * y < 400)
                        colours[n % 4].CopyTo(bytes, (((70 + n % 2 * 80 + y) * Width) + 40 + n * 45 + x) * 3);
        return new PixelBuffer(Width, Height, PixelFormat.Rgb8, bytes);
    }
}
