using System.Text;
using VlmSdk.Imaging;
using VlmSdk.Queries;
using VlmSdk.Vision;

namespace VlmSdk.Samples.Vlm;

/// <summary>describe, ask and ground: a picture file goes in, text and boxes come out.</summary>
internal sealed record ImageCommand(string Image, string Model, Backend Backend, bool Json, string? Annotate)
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
        IReadOnlyList<Detection> objects = Json || Annotate is not null ? await vlm.DetectAsync(view, cancellationToken) : [];
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
            Shell.WriteJson(new { Image, Model, Question = question, Answer = answer.Text, answer.Confidence, answer.UnknownWords, answer.FoldedWords });
        else
            Console.WriteLine(answer.Text);
        Report(answer.UnknownWords, answer.FoldedWords);
        Save(picture, []);
    }, cancellationToken);

    internal Task GroundAsync(string phrase, CancellationToken cancellationToken) => WithViewAsync(async (vlm, view, picture) =>
    {
        GroundingResult result = await vlm.GroundAsync(view, phrase, cancellationToken);
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
    }, cancellationToken);

    private async Task WithViewAsync(Func<VlmModel, EncodedImage, PixelBuffer, Task> use, CancellationToken cancellationToken)
    {
        PixelBuffer picture = ImageFile.Decode(Image);
        await using VlmModel vlm = await VlmModel.LoadAsync(Model, new VlmModelOptions { Backend = Backend }, cancellationToken);
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
