using System.Text.Json;
using VlmSdk.Decoding;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Pixtral;
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

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("vlmsdk-published-").FullName;

    [TearDown]
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
    public async Task Prompts_that_see_themselves_are_answered_as_whole_passes_say([Values("paligemma", "paligemma2")] string system, [Values] bool npz)
    {
        string folder = TinyPaliGemma.Write(_folder, system: system, npz: npz);
        await using VlmModel vlm = await VlmModel.LoadAsync(folder, Reference);
        PixelBuffer picture = TinyScout.Picture(3);
        using EncodedImage view = await vlm.EncodeAsync(picture);
        Answer answer = await vlm.AskAsync(view, "what is on the table?", new AskOptions { MaxTokens = 16 });
        Answer second = await vlm.AskAsync(view, "where?", new AskOptions { MaxTokens = 16 });

        using IWeightSource file = WeightSource.Open(Path.Combine(folder, npz ? "model.npz" : "model.safetensors"));
        PaliGemmaConfig config = PaliGemmaMapping.Fit(file, PaliGemmaConfig.Read(ConfigReader.Open(Path.Combine(folder, "config.json"))));
        IReadOnlyDictionary<string, HostTensor> weights = PaliGemmaMapping.Read(file, config);
        ITokenizer tokenizer = TokenizerFile.Load(folder);
        int side = config.Vision.ImageSide;
        HostTensor pixels = (npz ? ImageConventions.SiglipJax(side) : ImageConventions.Siglip(side)).Process(picture).Values;
        Assert.Multiple(() =>
        {
            Assert.That(answer.Text, Is.EqualTo(Whole("answer en what is on the table?")));
            Assert.That(second.Text, Is.EqualTo(Whole("answer en where?")));
            Assert.That(vlm.Work.Encodes, Is.EqualTo(1), "the picture is encoded once");
        });

        string Whole(string prompt)
        {
            int[] ids = PaliGemmaPrompt.Encode(config, tokenizer, prompt);
            return Greedy(tokenizer, ids, config.EndToken, config.ImageToken, 16, weights, all =>
            {
                (int[] expanded, int[] places) = PaliGemmaPrompt.Expand(config, all, 1);
                var g = new GraphBuilder();
                Value rows = PaliGemmaModel.Projector(g, config, PaliGemmaModel.VisionEncoder(g, config, g.Constant(pixels.Reshape(new Shape([1, .. pixels.Shape.Axes])))));
                int[] segments = [.. Enumerable.Range(0, all.Length).Select(i => i < ids.Length ? 0 : 1)];
                Value hidden = PaliGemmaModel.TeacherForced(g, config, Row(g, expanded), g.Constant(HostTensor.From(new Shape(places.Length), places)), rows,
                    Row(g, [.. Enumerable.Range(0, all.Length)]), Row(g, segments));
                g.Output("logits", PaliGemmaModel.Head(g, config, hidden));
                return g;
            }, config.Decoder.VocabularySize);
        }
    }

    [Test]
    public async Task Mistrals_own_layout_is_answered_as_whole_passes_say_for_pictures_of_any_size()
    {
        string folder = TinyPixtral.Write(_folder);
        await using VlmModel vlm = await VlmModel.LoadAsync(folder, Reference);
        PixtralConfig config = PixtralConfig.ReadParams(ConfigReader.Open(Path.Combine(folder, "params.json")));
        using IWeightSource file = WeightSource.Open(Path.Combine(folder, "consolidated.safetensors"));
        IReadOnlyDictionary<string, HostTensor> weights = PixtralMapping.Read(file, config);
        ITokenizer tokenizer = TokenizerFile.Load(folder);
        foreach ((int width, int height) in new[] { (96, 54), (20, 70) })
        {
            PixelBuffer picture = TinyScout.Picture(5, width, height);
            using EncodedImage view = await vlm.EncodeAsync(picture);
            Answer answer = await vlm.AskAsync(view, "What is it?", new AskOptions { MaxTokens = 16 });
            PatchGrid grid = config.Convention().Process(picture);
            (int Rows, int Columns) patches = config.Grid(grid.Map);
            int[] prompt = [tokenizer.FindId("<s>")!.Value, tokenizer.FindId("[INST]")!.Value, .. PixtralPrompt.Picture(tokenizer, patches),
                .. tokenizer.Encode("What is it?"), tokenizer.FindId("[/INST]")!.Value];
            string expected = Greedy(tokenizer, prompt, tokenizer.FindId("</s>")!.Value, config.Decoder.VocabularySize, 16, weights, all =>
            {
                int[] places = PixtralPrompt.Places(config, all, [patches]);
                var g = new GraphBuilder();
                Value rows = PixtralModel.Projector(g, config, PixtralModel.VisionEncoder(g, config, g.Constant(grid.Values.Reshape(new Shape([1, .. grid.Values.Shape.Axes])))));
                Value hidden = PixtralModel.Decoder(g, config, Row(g, all), g.Constant(HostTensor.From(new Shape(places.Length), places)), rows,
                    Row(g, [.. Enumerable.Range(0, all.Length)]), cached: false);
                g.Output("logits", PixtralModel.Head(g, config, hidden));
                return g;
            }, config.Decoder.VocabularySize);
            Assert.That(answer.Text, Is.EqualTo(expected), $"{width} x {height}");
        }
        Assert.That(() => vlm.PatchGridSpec, Throws.InstanceOf<UnsupportedQueryException>());
    }

    [Test]
    public async Task Boxes_and_masks_are_whole_and_lie_in_the_picture()
    {
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyPaliGemma.Write(_folder), Reference);
        PixelBuffer picture = TinyScout.Picture(9);
        using EncodedImage view = await vlm.EncodeAsync(picture);
        GroundingResult boxes = await vlm.GroundAsync(view, "cat", new GroundOptions { Threshold = 0, MaxDetections = 2 });
        GroundingResult masks = await vlm.SegmentAsync(view, "cat", new GroundOptions { Threshold = 0, MaxDetections = 2 });
        GroundingResult none = await vlm.GroundAsync(view, "cat", new GroundOptions { Threshold = 1 });
        Assert.Multiple(() =>
        {
            Assert.That(boxes, Is.InstanceOf<Grounded>());
            Assert.That(boxes.Detections, Has.Count.InRange(1, 2));
            Assert.That(boxes.Detections.All(d => d.Mask is null));
            Assert.That(masks.Detections, Has.Count.InRange(1, 2));
            foreach (Detection d in boxes.Detections.Concat(masks.Detections))
            {
                Assert.That(d.Box.Left, Is.InRange(0, picture.Width).And.LessThanOrEqualTo(d.Box.Right));
                Assert.That(d.Box.Bottom, Is.InRange(d.Box.Top, picture.Height));
                Assert.That(d.Confidence, Is.InRange(0, boxes.Presence + 1e-6f));
            }
            Assert.That(masks.Detections.Where(d => d.Box.Width >= 1 && d.Box.Height >= 1).All(d => d.Mask is not null));
            Assert.That(none, Is.InstanceOf<NotInView>());
            Assert.That(none.Presence, Is.EqualTo(boxes.Presence).Within(1e-6));
            Assert.That(none.Statistics.AnswerTokens, Is.Zero, "the answer is the end token alone");
            Assert.That(vlm.Capabilities.Segments);
        });
    }

    [Test]
    public async Task Without_its_codec_a_model_gives_no_masks_and_says_so()
    {
        await using VlmModel vlm = await VlmModel.LoadAsync(TinyPaliGemma.Write(_folder, masks: false), Reference);
        using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(9));
        Assert.That(vlm.Capabilities.Segments, Is.False);
        Assert.That(async () => await vlm.SegmentAsync(view, "cat"), Throws.InstanceOf<UnsupportedQueryException>());
        Assert.That(async () => await vlm.GroundAsync(view, "cat ; dog"), Throws.ArgumentException);
    }

    [TestCase(DType.Q8_0)]
    [TestCase(DType.Q4_0)]
    public async Task Any_of_them_loads_quantized_by_one_option(DType type)
    {
        var told = new List<LoadProgress>();
        var options = new VlmModelOptions { Backend = Backend.Reference, Reading = new WeightReading { Matrices = type, Progress = new Told(told) } };
        foreach (string folder in new[] { TinyLlava.Write(_folder), TinyPaliGemma.Write(_folder), TinyPixtral.Write(_folder) })
        {
            await using VlmModel vlm = await VlmModel.LoadAsync(folder, options);
            using EncodedImage view = await vlm.EncodeAsync(TinyScout.Picture(9));
            Assert.That(async () => await vlm.AskAsync(view, "Where?", new AskOptions { MaxTokens = 16 }), Throws.Nothing, folder);
            Assert.That(told[^1].Bytes, Is.EqualTo(told[^1].Total));
        }
    }

    [Test]
    public async Task Loading_can_be_cancelled_while_weights_are_read()
    {
        string folder = TinyLlava.Write(_folder);
        using var source = new CancellationTokenSource();
        var told = new List<LoadProgress>();
        var options = new VlmModelOptions { Backend = Backend.Reference, Reading = new WeightReading { Progress = new Told(told, source.Cancel) } };
        Assert.That(async () => await VlmModel.LoadAsync(folder, options, source.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(told, Has.Count.EqualTo(1), "it ends at the next piece");
        Assert.That(told[0].Bytes, Is.LessThan(told[0].Total));
        using (new FileStream(Path.Combine(folder, "model.safetensors"), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            // No file is left open.
        }
        await using VlmModel again = await VlmModel.LoadAsync(folder, Reference);
        Assert.That(again.Capabilities.Answers);
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
    public async Task The_weights_file_in_a_folder_names_the_model_as_the_folder_does()
    {
        string folder = TinyLlava.Write(_folder);
        await using VlmModel named = await VlmModel.LoadAsync(Path.Combine(folder, "model.safetensors"), Reference), whole = await VlmModel.LoadAsync(folder, Reference);
        PixelBuffer picture = TinyScout.Picture(4);
        using EncodedImage one = await named.EncodeAsync(picture), other = await whole.EncodeAsync(picture);
        Assert.That((await named.AskAsync(one, "Where?")).Text, Is.EqualTo((await whole.AskAsync(other, "Where?")).Text));
        // The golden folder has big_vision's file and no tokenizer: its family is known, and what is missing is said.
        Assert.That(async () => await VlmModel.LoadAsync(Golden.Own("paligemma", "model.npz"), Reference),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains("tokenizer"));
    }

    [Test]
    public async Task The_original_layout_takes_its_image_half_from_a_folder_of_its_own()
    {
        string like = TinyLlava.Write(_folder), folder = TinyOriginalLlava.Write(_folder, like);
        // The original code pads pictures to a square.
        File.WriteAllText(Path.Combine(like, "preprocessor_config.json"), """{"do_pad": true}""");
        PixelBuffer picture = TinyScout.Picture(4);
        await using (VlmModel original = await VlmModel.LoadAsync(folder, Reference), published = await VlmModel.LoadAsync(like, Reference))
        {
            using EncodedImage one = await original.EncodeAsync(picture), other = await published.EncodeAsync(picture);
            Assert.That((await original.AskAsync(one, "Where?")).Text, Is.EqualTo((await published.AskAsync(other, "Where?")).Text));
        }

        string tower = Path.Combine(folder, "vision_tower"), config = Path.Combine(folder, "config.json");
        File.Delete(Path.Combine(tower, "config.json"));
        Assert.That(async () => await VlmModel.LoadAsync(folder, Reference), Throws.InstanceOf<CheckpointException>().With.Message.Contains("'own'").And.Message.Contains("vision_tower"));
        Directory.Delete(tower, recursive: true);
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"own\"", "\"openai/clip-vit-large-patch14-336\"", StringComparison.Ordinal));
        Assert.That(async () => await VlmModel.LoadAsync(folder, Reference), Throws.InstanceOf<CheckpointException>().With.Message.Contains("published by itself").And.Message.Contains(tower));
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
        const string System = "A chat between a curious user and an artificial intelligence assistant. " +
            "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: ";
        int[] rows = [.. Enumerable.Repeat(config.ImageToken, config.ImageRows)];
        int[] prompt = [1, .. tokenizer.Encode(System), .. rows, .. tokenizer.Encode($"\n{question} ASSISTANT:")];
        HostTensor pixels = ImageConventions.ClipCrop(config.Vision.ImageSide).Process(picture).Values;
        return Greedy(tokenizer, prompt, end: 2, tokenizer.VocabularySize, steps, LlavaMapping.Read(file, config), all =>
        {
            (int[] expanded, int[] places) = LlavaPrompt.Expand(config, all, 1);
            var g = new GraphBuilder();
            Value seen = LlavaModel.Projector(g, config, LlavaModel.VisionEncoder(g, config, g.Constant(pixels.Reshape(new Shape([1, .. pixels.Shape.Axes])))));
            Value hidden = LlavaModel.Decoder(g, config, Row(g, expanded), g.Constant(HostTensor.From(new Shape(places.Length), places)), seen,
                Row(g, [.. Enumerable.Range(0, all.Length)]), cached: false);
            g.Output("logits", LlavaModel.Head(g, config, hidden));
            return g;
        }, config.Decoder.VocabularySize);
    }

    private static Value Row(GraphBuilder g, int[] values) => g.Constant(HostTensor.From(new Shape(1, values.Length), values));

    // Greedy tokens by a whole pass without a cache for each.
    private static string Greedy(ITokenizer tokenizer, int[] prompt, int end, int words, int steps, IReadOnlyDictionary<string, HostTensor> weights,
        Func<int[], GraphBuilder> graph, int vocabulary)
    {
        using var executor = new ReferenceExecutor();
        int[] ids = prompt;
        for (int step = 0; step < steps; step++)
        {
            using IPlan plan = executor.Prepare(graph(ids).Build(), new WeightBinding("test", weights));
            plan.Run();
            Span<float> last = plan.Output("logits").Floats[^vocabulary..][..Math.Min(words, tokenizer.VocabularySize)];
            int best = 0;
            for (int i = 1; i < last.Length; i++)
                if (last[i] > last[best])
                    best = i;
            if (best == end)
                break;
            ids = [.. ids, best];
        }
        // Random tokens make broken characters, which a stream replaces one by one.
        var text = new StreamingDetokenizer(tokenizer);
        return (string.Concat(ids[prompt.Length..].Select(text.Append)) + text.Flush()).TrimStart();
    }

    private sealed class Told(List<LoadProgress> list, Action? then = null) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            list.Add(value);
            then?.Invoke();
        }
    }
}
