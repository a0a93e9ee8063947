using VlmSdk.Decoding;
using VlmSdk.Models.Scout;
using VlmSdk.Queries;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Queries;

/// <summary>Confidences and boxes of detections from the tokens of an answer.</summary>
public sealed class DetectionReaderTests
{
    [Test]
    public void A_detection_is_as_likely_as_its_words_and_its_box()
    {
        AnswerTokens tokens = AnswerGrammarTests.Tokens;
        var spec = new PatchGridSpec { Width = 64, Height = 64, Lookup = PixelNormalization.Linear(1, 0) };
        var reader = new DetectionReader(tokens, CoordinateMap.Create(spec, 200, 100));
        void Read(int token, float probability, double place = 0) => reader.Read(new ScoutGenerator.Step(token, probability, place));
        Read(tokens.InView, 0.9f);
        Read(tokens.RefOpen, 0.8f);
        Read(ScoutVocabulary.Id("red"), 0.5f);
        Read(ScoutVocabulary.Id("cube"), 0.25f);
        Read(tokens.RefClose, 1);
        foreach (float box in new[] { 0.3f, 0.4f })
        {
            Read(tokens.BoxOpen, box);
            foreach ((float probability, double place) in new[] { (0.9f, 0.25), (0.8f, 0.5), (0.7f, 0.75), (0.6f, 1.0) })
                Read(ScoutVocabulary.LocationBase, probability, place);
            Read(tokens.BoxClose, 1);
        }
        Assert.That(reader.Detections.Select(d => d.Phrase), Has.All.EqualTo("red cube"));
        Assert.That(reader.Detections.Select(d => (double)d.Confidence), Is.EqualTo(new[] { 0.1, 0.04 }).Within(1e-6), "a second box is as likely as its opening says");
        Assert.That(reader.Detections.Select(d => (double)d.BoxConfidence), Has.All.EqualTo(0.3024).Within(1e-6));
        // The picture fills the middle half of the height.
        Assert.That(reader.Detections[0].Box, Is.EqualTo(new PixelBox(50, 50, 150, 100)));
        Assert.That(GroundingResult.Of("x", 0.5f, reader.Detections, default).Detections[0].Confidence, Is.EqualTo(0.05).Within(1e-6));
    }
}
