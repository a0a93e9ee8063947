using VlmSdk.Imaging;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Samples.Vlm;

/// <summary>classify: how well labels fit a picture, each on its own.</summary>
internal sealed record ClassifyCommand(string Image, IReadOnlyList<string> Labels, string Model, Backend Backend, DType? Quantize, bool Json)
{
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        Vision.PixelBuffer picture = ImageFile.Decode(Image);
        var options = new VlmModelOptions { Backend = Backend, Reading = new WeightReading { Matrices = Quantize } };
        await using ZeroShotClassifier classifier = await ZeroShotClassifier.LoadAsync(Model, options, cancellationToken);
        LabelSet labels = await classifier.EmbedLabelsAsync(Labels, cancellationToken: cancellationToken);
        IReadOnlyList<LabelScore> scores = await classifier.ClassifyAsync(picture, labels, cancellationToken);
        if (Json)
            Shell.WriteJson(new { Image, Model, Scores = scores });
        else
            foreach (LabelScore score in scores.OrderByDescending(s => s.Logit))
                Console.WriteLine($"{score.Probability:0.000}  {score.Label}");
    }
}
