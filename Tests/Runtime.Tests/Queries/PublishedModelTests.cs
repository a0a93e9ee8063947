using System.Text.Json;
using System.Text.Json.Nodes;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Llava;
using VlmSdk.Queries;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Queries;

/// <summary>A published folder through the public surface: what it answers is what its graphs say, token by token.</summary>
public sealed class PublishedModelTests
{
    private static readonly VlmModelOptions Reference = new() { Backend = Backend.Reference };

    private string _folder = "";

    [OneTimeSetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("vlmsdk-published-").FullName;

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Answers_of_a_folder_equal_whole_passes_of_its_graphs()
    {
        string folder = TinyLlava.Write(_folder);
        await using VlmModel vlm = await VlmModel.LoadAsync(folder, Reference);
        PixelBuffer picture = TinyScout.Picture(3);
        using EncodedImage view = await vlm.EncodeAsync(picture);
        Answer answer = await vlm.AskAsync(view, "What is on the table?", new AskOptions { MaxTokens = 16 });
        Answer second = await vlm.AskAsync(view, "Where?", new AskOptions { MaxTokens = 16 });

        ITokenizer tokenizer = TokenizerFile.Load(folder);
        Assert.Multiple(() =>
        {
            Assert.That(answer.Text, Is.EqualTo(Expected(folder, tokenizer, picture, "What is on the table?", 16)));
            Assert.That(second.Text, Is.EqualTo(Expected(folder, tokenizer, picture, "Where?", 16)));
            Assert.That(answer.Confidence, Is.InRange(0, 1));
            Assert.That(vlm.Work.Encodes, Is.EqualTo(1));
            Assert.That(vlm.Work.PicturePrefills, Is.EqualTo(1), "the second question reads no picture");
            Assert.That(vlm.Work.PromptPrefills, Is.EqualTo(2));
            Assert.That((view.Width, view.Height), Is.EqualTo((picture.Width, picture.Height)));
        });
    }

    [Test]
    public async Task A_grid_made_by_its_specification_gives_the_same_answer()
    {
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyLlava.Write(_folder), Reference);
        PixelBuffer picture = TinyScout.Picture(4);
        using EncodedImage whole = await vlm.EncodeAsync(picture);
        using EncodedImage grid = await vlm.EncodeAsync(ImageProcessor.Process(picture, vlm.PatchGridSpecFor(picture.Width, picture.Height)));
        Assert.That((await vlm.AskAsync(grid, "Where?")).Text, Is.EqualTo((await vlm.AskAsync(whole, "Where?")).Text));
    }

    [Test]
    public async Task Descriptions_stream_and_can_be_left()
    {
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyLlava.Write(_folder), Reference);
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(5));
        string whole = "";
        await foreach (string piece in vlm.DescribeAsync(view, new DescribeOptions { MaxTokens = 24 }))
            whole += piece;
        Assert.That(whole, Is.Not.Empty);
        await foreach (string piece in vlm.DescribeAsync(view, new DescribeOptions { MaxTokens = 24 }))
        {
            Assert.That(whole, Does.StartWith(piece));
            break;
        }
        string again = "";
        await foreach (string piece in vlm.DescribeAsync(view, new DescribeOptions { MaxTokens = 24 }))
            again += piece;
        Assert.That(again, Is.EqualTo(whole));
    }

    [Test]
    public async Task What_a_family_cannot_do_or_hold_is_said()
    {
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyLlava.Write(_folder), Reference);
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(5));
        Assert.Multiple(() =>
        {
            Assert.That(async () => await vlm.DetectAsync(view), Throws.InstanceOf<UnsupportedQueryException>().With.Message.Contains("list all objects"));
            Assert.That(async () => await vlm.AskAsync(view, new string('x', 4000)), Throws.InstanceOf<PromptTooLongException>());
            Assert.That(async () => await vlm.AskAsync(view, " "), Throws.InstanceOf<EmptyPromptException>());
        });
    }

    [Test]
    public void A_folder_whose_files_disagree_is_refused_by_name()
    {
        Assert.Multiple(() =>
        {
            Refused(TinyLlava.Write(_folder, "small", c => c["text_config"]!["vocab_size"] = 1000), "1000");
            Refused(TinyLlava.Write(_folder, "layers", c => c["text_config"]!["num_hidden_layers"] = 3), "blk.2");
            Refused(TinyLlava.Write(_folder, "type", c => c["model_type"] = "lava"), "'lava'");
            Refused(TinyLlava.Write(_folder, "act", c => c["projector_hidden_act"] = "tanhshrink"), "tanhshrink");
            string bare = TinyLlava.Write(_folder, "bare");
            File.Delete(Path.Combine(bare, "tokenizer.model"));
            Refused(bare, "tokenizer");
            string other = TinyLlava.Write(_folder, "other");
            File.Delete(Path.Combine(other, "tokenizer.model"));
            File.Copy(Golden.Own("tokenizers", "qwen2", "tokenizer.json"), Path.Combine(other, "tokenizer.json"));
            Refused(other, "token");
            string crop = TinyLlava.Write(_folder, "crop");
            File.WriteAllText(Path.Combine(crop, "preprocessor_config.json"), """{"crop_size": {"height": 56, "width": 56}}""");
            Refused(crop, "crop_size");
        });
        void Refused(string folder, string names) =>
            Assert.That(async () => await VlmModel.LoadAsync(folder, Reference), Throws.InstanceOf<CheckpointException>().With.Message.Contains(names), folder);
    }

    [Test]
    public void Conversations_equal_the_reference()
    {
        foreach (JsonElement one in Golden.Items("cases", "tokenizers", "chat", "llava-vicuna.json"))
        {
            (string, string?)[] turns = [.. one.GetProperty("turns").EnumerateArray().Select(t => (t[0].GetString()!, t[1].GetString()))];
            string text = PromptPart.Spell(LlavaPrompt.Conversation(turns, one.GetProperty("images").GetInt32()), "<image>");
            Assert.That(text, Is.EqualTo("<s>" + one.GetProperty("prompt").GetString()));
        }
    }

    private static string Expected(string folder, ITokenizer tokenizer, PixelBuffer picture, string question, int steps)
    {
        LlavaConfig config = LlavaConfig.Read(ConfigReader.Open(Path.Combine(folder, "config.json")));
        using IWeightSource file = WeightSource.Open(folder);
        IReadOnlyDictionary<string, HostTensor> weights = LlavaMapping.Read(file, config);
        const string System = "A chat between a curious user and an artificial intelligence assistant. " +
            "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: ";
        int[] rows = [.. Enumerable.Repeat(config.ImageToken, config.ImageRows)];
        List<int> ids = [1, .. tokenizer.Encode(System), .. rows, .. tokenizer.Encode($"\n{question} ASSISTANT:")];
        HostTensor pixels = ImageConventions.ClipCrop(config.Vision.ImageSide).Process(picture).Values;
        using var executor = new ReferenceExecutor();
        var written = new List<int>();
        for (int step = 0; step < steps; step++)
        {
            (int[] expanded, int[] places) = LlavaPrompt.Expand(config, ids.ToArray(), 1);
            var g = new GraphBuilder();
            Value seen = LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, g.Input("pixels", DType.F32, [1, .. pixels.Shape.Axes])));
            Value hidden = LlavaModel.Decoder(g, config, g.Input("ids", DType.I32, 1, ids.Count), g.Input("places", DType.I32, places.Length), seen,
                g.Input("positions", DType.I32, 1, ids.Count), cached: false);
            g.Output("logits", LlavaModel.Head(g, config, hidden));
            using IPlan plan = executor.Prepare(g.Build(), new WeightBinding("test", weights));
            pixels.Data.CopyTo(plan.Input("pixels").Data);
            expanded.CopyTo(plan.Input("ids").Ints);
            places.CopyTo(plan.Input("places").Ints);
            Enumerable.Range(0, ids.Count).ToArray().CopyTo(plan.Input("positions").Ints);
            plan.Run();
            Span<float> last = plan.Output("logits").Floats[^config.Decoder.VocabularySize..];
            int best = 0;
            for (int i = 1; i < last.Length; i++)
                if (last[i] > last[best])
                    best = i;
            if (best == 2)
                break;
            written.Add(best);
            ids.Add(best);
        }
        return tokenizer.Decode(written.ToArray()).TrimStart();
    }
}
