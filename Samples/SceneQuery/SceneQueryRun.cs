using System.Diagnostics;
using System.Text;
using VlmSdk.Imaging;
using VlmSdk.Queries;
using VlmSdk.Samples.Scenes;
using VlmSdk.Scheduling;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Samples.SceneQuery;

/// <summary>One run of the sample.</summary>
internal sealed record SceneQueryRun(string Question, IReadOnlyList<string> Phrases, ulong Seed, string Model, Backend Backend, string Output, bool Json)
{
    internal const ulong DefaultSeed = 5;

    private const int Width = 960, Height = 540, Frames = 24;

    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        SceneDescription scene = SceneGenerator.Create(Seed, new SceneOptions { MinObjects = 4, MaxObjects = 6, FrameSize = (Width, Height), CameraNoise = false });

        await using VlmModel vlm = await VlmModel.LoadAsync(Model, new VlmModelOptions { Backend = Backend }, cancellationToken);
        using var engine = new Engine(Width, Height);
        using var capture = FrameCapture.Attach(engine.Device, engine.Target, new FrameCaptureOptions { Grid = vlm.PatchGridSpec });
        Directory.CreateDirectory(Output);
        Say($"engine: {engine.DeviceName}, {Width} x {Height}; model: {vlm.Capabilities.Name} on the {vlm.ExecutorName} backend");

        // The engine draws on its own thread; nothing below ever stops it.
        var submitted = Stopwatch.StartNew();
        (FrameTicket ticket, TimeSpan submitCost) = await Task.Factory.StartNew(() =>
        {
            (FrameTicket Last, TimeSpan SubmitCost) result = engine.Run(scene, capture, Frames);
            submitted.Restart();
            return result;
        }, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        PatchGrid grid = await ticket.TakeAsync(cancellationToken);
        TimeSpan captureTime = submitted.Elapsed;

        using EncodedImage view = await vlm.EncodeAsync(grid, cancellationToken);
        var description = new StringBuilder();
        await foreach (string piece in vlm.DescribeAsync(view, cancellationToken))
        {
            description.Append(piece);
            Write(piece);
        }
        Say("");
        Answer answer = await vlm.AskAsync(view, Question, cancellationToken);
        Say($"{Question} {answer.Text} (confidence {answer.Confidence:0.00})");
        Report(answer.UnknownWords);

        // The same scene drawn once more for the files, with the labels that the engine itself has.
        RenderedScene frame = engine.Picture(scene);
        var picture = new PixelBuffer(Width, Height, PixelFormat.Rgba8, frame.Rgba);
        IReadOnlyList<string> phrases = Phrases.Count > 0 ? Phrases : SceneQuery.Phrases.For(SceneLabeller.Label(frame).Objects);
        var results = new List<GroundingResult>();
        foreach (string phrase in phrases)
        {
            GroundingResult result = await vlm.GroundAsync(view, phrase, cancellationToken);
            results.Add(result);
            Say(result is NotInView
                ? $"{phrase}: not in view (presence {result.Presence:0.00})"
                : $"{phrase}: {string.Join("; ", result.Detections.Select(d => $"{Box(d.Box)} confidence {d.Confidence:0.00}"))}");
            Report(result.UnknownWords);
        }

        ImageFile.SavePng(Path.Combine(Output, "scene.png"), picture);
        Annotator.SavePng(Path.Combine(Output, "scene.annotated.png"), picture,
            [.. results.SelectMany(r => r.Detections).Select(d => new Annotation(d.Box.Left, d.Box.Top, d.Box.Right, d.Box.Bottom, d.Phrase, d.Confidence))]);

        int tokens = answer.Statistics.AnswerTokens + results.Sum(r => r.Statistics.AnswerTokens);
        TimeSpan decode = answer.Statistics.Decode + results.Aggregate(TimeSpan.Zero, (t, r) => t + r.Statistics.Decode);
        var timings = new
        {
            SubmitMicroseconds = submitCost.TotalMicroseconds,
            CaptureMs = captureTime.TotalMilliseconds,
            EncodeMs = view.EncodeTime.TotalMilliseconds,
            PrefillMs = view.PrefillTime.TotalMilliseconds,
            DecodeMsPerToken = tokens == 0 ? 0 : decode.TotalMilliseconds / tokens,
        };
        string text = Shell.Json(new
        {
            Seed,
            Model = vlm.Capabilities.Name,
            Backend = vlm.ExecutorName,
            Width,
            Height,
            Description = description.ToString(),
            Question,
            Answer = new { answer.Text, answer.Confidence, answer.UnknownWords, answer.FoldedWords },
            Grounded = results.Select(r => new
            {
                r.Phrase,
                InView = r is Grounded,
                r.Presence,
                Detections = r.Detections.Select(d => new
                {
                    d.Phrase,
                    Box = new[] { d.Box.Left, d.Box.Top, d.Box.Right, d.Box.Bottom },
                    d.Confidence,
                    d.BoxConfidence,
                }),
                r.UnknownWords,
                r.FoldedWords,
            }),
            Capture = new { capture.Counters.Captured, capture.Counters.Dropped, capture.Counters.Superseded, capture.Counters.Delivered },
            Timings = timings,
        });
        await File.WriteAllTextAsync(Path.Combine(Output, "answer.json"), text, cancellationToken);
        if (Json)
            Console.WriteLine(text);
        Say($"wrote {Path.Combine(Output, "scene.png")}, scene.annotated.png, answer.json");
        Say($"capture {timings.CaptureMs:0.0} ms (render thread {timings.SubmitMicroseconds:0} us a frame), encode {timings.EncodeMs:0.0} ms, " +
            $"prefill {timings.PrefillMs:0.0} ms, decode {timings.DecodeMsPerToken:0.00} ms a token");
    }

    private static string Box(PixelBox box) => $"[{box.Left:0} {box.Top:0} {box.Right:0} {box.Bottom:0}]";

    private void Report(IReadOnlyList<string> unknown)
    {
        if (unknown.Count > 0)
            Say($"  the model does not know {string.Join(", ", unknown.Select(w => $"'{w}'"))}");
    }

    // With --json standard output holds the JSON alone.
    private void Write(string text)
    {
        if (!Json)
            Console.Write(text);
    }

    private void Say(string line) => Write(line + Environment.NewLine);
}
