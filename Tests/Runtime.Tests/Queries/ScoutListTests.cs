using VlmSdk.Queries;

namespace VlmSdk.Tests.Queries;

/// <summary>What Scout keeps of the list it writes.</summary>
public sealed class ScoutListTests
{
    [Test]
    public void The_list_leaves_out_what_is_unlikely_and_what_covers_an_object_named_before()
    {
        (Detection, int[]) cube = Found("red cube", 10, 0.9f), again = Found("red cylinder", 12, 0.8f), beside = Found("red cylinder", 24, 0.8f),
            doubtful = Found("blue ring", 200, 0.29f), fair = Found("blue ring", 200, 0.31f);
        Assert.That(ScoutRuntime.Distinct([cube, again, beside, doubtful, fair]), Is.EqualTo(new[] { cube, beside, fair }));

        static (Detection, int[]) Found(string phrase, double left, float confidence) =>
            (new Detection(phrase, new PixelBox(left, 0, left + 20, 20), confidence, 1), []);
    }
}
