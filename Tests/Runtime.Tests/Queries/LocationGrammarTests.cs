using VlmSdk.Decoding;

namespace VlmSdk.Tests.Queries;

/// <summary>Whatever the logits, boxes of the form top, left, bottom, right are whole, have an area and their mask.</summary>
public sealed class LocationGrammarTests
{
    private const int Words = 160, Most = 5;

    private static readonly LocationTokens Tokens = new(FirstLocation: 100, Locations: 16, FirstSegment: 130, Segments: 8, MaskLength: 4, End: 1);

    [TestCase(false)]
    [TestCase(true)]
    public void Ten_thousand_random_logit_streams_give_only_valid_boxes(bool masks)
    {
        var random = new Random(9);
        int boxes = 0, none = 0;
        for (int stream = 0; stream < 10_000; stream++)
        {
            int most = random.Next(1, Most), budget = random.Next(10, 60);
            float threshold = random.Next(4) * 0.1f;
            var grammar = new LocationGrammar(Tokens, masks, threshold, most, budget);
            var answer = new List<int>();
            var logits = new float[Words];
            while (answer.Count < budget && (answer.Count == 0 || answer[^1] != Tokens.End))
            {
                for (int i = 0; i < logits.Length; i++)
                    logits[i] = random.Next(50) == 0 ? float.NegativeInfinity : random.NextSingle() * 20 - 10;
                logits[Tokens.End] = random.NextSingle() * 14 - 4;
                // Never all of a kind hidden: a grammar needs something to choose.
                logits[Tokens.FirstLocation + Tokens.Locations - 1] = logits[Tokens.FirstLocation] = logits[Tokens.FirstSegment] = -10;
                grammar.Process(logits);
                answer.Add(Logits.ArgMax(logits));
                grammar.Accept(answer[^1]);
            }
            int found = CheckBoxes(answer, masks);
            Assert.That(found, Is.LessThanOrEqualTo(most));
            Assert.That(found == 0, Is.EqualTo(grammar.Presence < threshold), "below the threshold nothing is in view");
            boxes += found;
            none += found == 0 ? 1 : 0;
        }
        Assert.That(boxes, Is.GreaterThan(5_000), "random streams must reach boxes for the test to mean anything");
        Assert.That(none, Is.GreaterThan(500));
    }

    [Test]
    public void A_token_out_of_place_is_refused()
    {
        var grammar = new LocationGrammar(Tokens, masks: true, threshold: 0, mostObjects: 1, budget: 30);
        Assert.That(() => grammar.Accept(Tokens.End), Throws.ArgumentException.With.Message.Contains("cannot follow"));
        foreach (int location in new[] { 3, 4 })
            grammar.Accept(Tokens.FirstLocation + location);
        Assert.That(() => grammar.Accept(Tokens.FirstLocation + 3), Throws.ArgumentException, "the bottom lies below the top");
        foreach (int location in new[] { 4, 5 })
            grammar.Accept(Tokens.FirstLocation + location);
        Assert.That(() => grammar.Accept(Tokens.End), Throws.ArgumentException, "the mask comes first");
    }

    private static int CheckBoxes(List<int> answer, bool masks)
    {
        int boxes = 0;
        for (int i = 0; i < answer.Count; i++)
        {
            if (!IsLocation(answer[i]))
            {
                Assert.That(answer[i], Is.Not.InRange(Tokens.FirstSegment, Tokens.FirstSegment + Tokens.Segments - 1), "a mask without a box");
                continue;
            }
            int length = 4 + (masks ? Tokens.MaskLength : 0);
            Assert.That(answer, Has.Count.GreaterThanOrEqualTo(i + length), "a box that is not whole");
            int[] box = [.. answer.GetRange(i, 4)];
            Assert.That(box.All(IsLocation) && box[2] > box[0] && box[3] > box[1], string.Join(" ", box));
            Assert.That(answer.GetRange(i + 4, length - 4), Has.All.InRange(Tokens.FirstSegment, Tokens.FirstSegment + Tokens.Segments - 1));
            i += length - 1;
            boxes++;
        }
        return boxes;
    }

    private static bool IsLocation(int id) => id >= Tokens.FirstLocation && id < Tokens.FirstLocation + Tokens.Locations;
}
