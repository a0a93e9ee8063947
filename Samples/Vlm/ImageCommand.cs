using System.Text;
using VlmSdk.Imaging;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Samples.Vlm;

/// <summary>describe, ask, ground and segment: a picture file goes in, text and boxes come out.</summary>
internal sealed record ImageCommand(string Image, string Model, Backend Backend, DType? Quantize, bool Json, string? Annotate)
{
    internal Task DescribeAsync(CancellationToken cancellationToken) => WithViewAsync(async (vlm, view, picture) =>
    {
        var text = new StringBuilder();
        await foreach (string piece in vlm.DescribeAsync(view, cancellationToken))
        {
            text.Append(piece);
            if (!Json)
                Console.Write(piece);
        }
        IReadOnlyList<Detection> objects = vlm.Capabilities.Lists && (Json || Annotate is not null) ? await vlm.DetectAsync(view, cancellationToken) : [];
        if (Json)
            Shell.WriteJson(new { Image, Model, Description = text.ToString(), Objects = objects.Select(Plain) });
        else
            Console.WriteLine();
        Save(picture, objects);
    }, cancellationToken);

    internal Task AskAsync(string question, CancellationToken cancellationToken) => WithViewAsync(async (vlm, view, picture) =>
    {
        Answer answer = await vlm.AskAsync(view, question, cancellationToken);
        if (Json)
            Shell.WriteJson(new { Image, Model, Question = question, Answer = answer.Text, answer.Confidence, answer.UnknownWords, answer.FoldedWords, Shell.PeakBytes });
        else
            Console.WriteLine(answer.Text);
        Report(answer.UnknownWords, answer.FoldedWords);
        Save(picture, []);
    }, cancellationToken);

    internal Task GroundAsync(string phrase, CancellationToken cancellationToken) => WithViewAsync(async (vlm, view, picture) =>
        Write(phrase, picture, await vlm.GroundAsync(view, phrase, cancellationToken)), cancellationToken);

    internal Task SegmentAsync(string phrase, string? mask, CancellationToken cancellationToken) => WithViewAsync(async (vlm, view, picture) =>
    {
        GroundingResult result = await vlm.SegmentAsync(view, phrase, cancellationToken);
        Write(phrase, picture, result);
        if (mask is null)
            return;
        var pixels = new byte[picture.Width * picture.Height];
        foreach (Detection found in result.Detections)
            if (found.Mask?.ToBytes(picture.Width, picture.Height) is { } own)
                for (int i = 0; i < pixels.Length; i++)
                    pixels[i] |= own[i];
        ImageFile.SavePng(mask, new PixelBuffer(picture.Width, picture.Height, PixelFormat.Rgb8, pixels.SelectMany(p => new[] { p, p, p }).ToArray()));
    }, cancellationToken);

    private void Write(string phrase, PixelBuffer picture, GroundingResult result)
    {
        if (Json)
            Shell.WriteJson(new
            {
                Image,
                Model,
                Phrase = phrase,
                InView = result is Grounded,
                result.Presence,
                Detections = result.Detections.Select(Plain),
                result.UnknownWords,
                result.FoldedWords,
            });
        else if (result is NotInView)
            Console.WriteLine($"not in view (presence {result.Presence:0.00})");
        else
            foreach (Detection d in result.Detections)
                Console.WriteLine($"{d.Phrase}: {d.Box.Left:0.0} {d.Box.Top:0.0} {d.Box.Right:0.0} {d.Box.Bottom:0.0} (confidence {d.Confidence:0.00})");
        Report(result.UnknownWords, result.FoldedWords);
        Save(picture, result.Detections);
    }

    private async Task WithViewAsync(Func<VlmModel, EncodedImage, PixelBuffer, Task> use, CancellationToken cancellationToken)
    {
        PixelBuffer picture = ImageFile.Decode(Image);
        await using VlmModel vlm = await VlmModel.LoadAsync(Model, new VlmModelOptions { Backend = Backend, Reading = new WeightReading { Matrices = Quantize } }, cancellationToken);
        using EncodedImage view = await vlm.EncodeAsync(picture, cancellationToken);
        await use(vlm, view, picture);
    }

    private static object Plain(Detection d) => new
    {
        d.Phrase,
        Box = new[] { d.Box.Left, d.Box.Top, d.Box.Right, d.Box.Bottom },
        d.Confidence,
        d.BoxConfidence,
    };

    private void Report(IReadOnlyList<string> unknown, IReadOnlyList<string> folded)
    {
        if (!Json && folded.Count > 0)
            Console.Error.WriteLine($"note: read {string.Join(", ", folded)}");
        if (!Json && unknown.Count > 0)
            Console.Error.WriteLine($"note: the model does not know {string.Join(", ", unknown.Select(w => $"'{w}'"))}; they had no influence");
    }

    private void Save(PixelBuffer picture, IReadOnlyList<Detection> detections)
    {
        if (Annotate is not null)
            Annotator.SavePng(Annotate, picture,
                [.. detections.Select(d => new Annotation(d.Box.Left, d.Box.Top, d.Box.Right, d.Box.Bottom, d.Phrase, d.Confidence))]);
    }
}
