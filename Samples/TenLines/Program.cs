using VlmSdk;
using VlmSdk.Imaging;
using VlmSdk.Queries;

await using VlmModel vlm = await VlmModel.LoadAsync("scout");
using EncodedImage view = await vlm.EncodeAsync(ImageFile.Decode("scene.png"));
await foreach (string piece in vlm.DescribeAsync(view))
    Console.Write(piece);
GroundingResult found = await vlm.GroundAsync(view, "the red crate");
foreach (Detection d in found.Detections)
    Console.WriteLine($"\n{d.Phrase} at {d.Box.Left:0},{d.Box.Top:0} .. {d.Box.Right:0},{d.Box.Bottom:0}, confidence {d.Confidence:0.00}");
if (found is NotInView)
    Console.WriteLine("\nnot in view");
