using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Queries;

/// <summary>Labels against pictures through the public surface, held to the whole graph.</summary>
public sealed class ZeroShotTests
{
    private static readonly VlmModelOptions Reference = new() { Backend = Backend.Reference };

    private string _parent = "", _folder = "";

    [OneTimeSetUp]
    public void MakeFolder()
    {
        _parent = Directory.CreateTempSubdirectory("vlmsdk-siglip-").FullName;
        _folder = TinySiglip.Write(_parent);
    }

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(_parent, recursive: true);

    [Test]
    public async Task Scores_equal_the_whole_graph([Values] bool npz)
    {
        string folder = npz ? TinySiglip.Write(_parent, npz) : _folder;
        string[] labels = [.. Enumerable.Range(0, 11).Select(i => $"Crate, No. {i}!")];
        PixelBuffer picture = TinyScout.Picture(8);
        await using ZeroShotClassifier classifier = await ZeroShotClassifier.LoadAsync(folder, Reference);
        LabelSet set = await classifier.EmbedLabelsAsync(labels);
        IReadOnlyList<LabelScore> scores = await classifier.ClassifyAsync(picture, set);
        // Capture grids know the published rule, and not big_vision's.
        IReadOnlyList<LabelScore> captured = npz ? scores : await classifier.ClassifyAsync(ImageProcessor.Process(picture, classifier.PatchGridSpec), set);

        SiglipConfig config = SiglipConfig.Read(ConfigReader.Open(Path.Combine(folder, "config.json")));
        ITokenizer tokenizer = TokenizerFile.Load(folder);
        int[] ids = SiglipText.Ids(config, tokenizer, [.. labels.Select(l => $"This is a photo of {l}.")]);
        var g = new GraphBuilder();
        Value image = SiglipModel.ImageEmbeddings(g, config, g.Input("pixels", DType.F32, 1, 3, config.Vision.ImageSide, config.Vision.ImageSide));
        g.Output("logits", SiglipModel.Logits(g, SiglipModel.TextEmbeddings(g, config, g.Input("ids", DType.I32, labels.Length, config.TextLength)), image));
        using var executor = new ReferenceExecutor();
        using IWeightSource file = WeightSource.Open(Path.Combine(folder, npz ? "model.npz" : "model.safetensors"));
        using IPlan plan = executor.Prepare(g.Build(), new WeightBinding("test", SiglipMapping.Read(file, config)));
        int side = config.Vision.ImageSide;
        (npz ? ImageConventions.SiglipJax(side) : ImageConventions.Siglip(side)).Process(picture).Values.Data.CopyTo(plan.Input("pixels").Data);
        ids.CopyTo(plan.Input("ids").Ints);
        plan.Run();
        float[] logits = plan.Output("logits").Floats.ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(scores.Select(s => s.Label), Is.EqualTo(labels));
            Assert.That(scores.Select(s => s.Logit), Is.EqualTo(logits).Within(1e-4));
            Assert.That(scores.Select(s => s.Probability), Is.EqualTo(logits.Select(l => 1 / (1 + MathF.Exp(-l)))).Within(1e-5));
            Assert.That(captured, Is.EqualTo(scores));
            Assert.That(logits.Distinct().Count(), Is.GreaterThan(8), "labels differ");
        });
    }

    [TestCase("A long paragraph, for SUMMARIZATION.", "a long paragraph for summarization")]
    [TestCase("  Zürich\t(old\ntown) _x_ ", "zürich old town x")]
    [TestCase("it's $5 + 5^2 ~ `~`", "its 5 52")]
    public void Text_is_made_canonical(string text, string expected) => Assert.That(SiglipText.Canonical(text), Is.EqualTo(expected));

    [Test]
    public void Texts_are_padded_with_the_end_and_cut_before_it()
    {
        SiglipConfig config = SiglipConfig.Read(ConfigReader.Open(Path.Combine(_folder, "config.json")));
        ITokenizer tokenizer = TokenizerFile.Load(_folder);
        int end = tokenizer.FindId("</s>")!.Value;
        int[] ids = SiglipText.Ids(config, tokenizer, ["a", string.Concat(Enumerable.Repeat("many words ", 100)), "</s>"]);
        int[] first = tokenizer.Encode("a");
        Assert.Multiple(() =>
        {
            Assert.That(ids[..config.TextLength], Is.EqualTo(first.Concat(Enumerable.Repeat(end, config.TextLength - first.Length))));
            Assert.That(ids[config.TextLength..(2 * config.TextLength - 1)], Has.None.EqualTo(end));
            Assert.That(ids[2 * config.TextLength - 1], Is.EqualTo(end));
            Assert.That(ids[2 * config.TextLength], Is.Not.EqualTo(end), "a spelling in a label is text");
        });
    }

    [Test]
    public async Task Bad_calls_are_refused()
    {
        await using ZeroShotClassifier classifier = await ZeroShotClassifier.LoadAsync(_folder, Reference);
        LabelSet set = await classifier.EmbedLabelsAsync(["crate"]);
        Assert.Multiple(() =>
        {
            Assert.That(() => classifier.EmbedLabelsAsync([]), Throws.ArgumentException);
            Assert.That(() => classifier.EmbedLabelsAsync(["crate", " "]), Throws.ArgumentException);
            Assert.That(() => classifier.EmbedLabelsAsync(["crate"], "a photo"), Throws.ArgumentException.With.Message.Contains("{label}"));
            Assert.That(async () => await classifier.ClassifyAsync(TinyScout.Picture(1), set with { Embeddings = new HostTensor(DType.F32, new Shape(1, 3)) }), Throws.ArgumentException);
            Assert.That(async () => await ZeroShotClassifier.LoadAsync(TinyLlava.Write(_parent, "inner"), Reference), Throws.InstanceOf<CheckpointException>().With.Message.Contains("LLaVA"));
            Assert.That(async () => await VlmModel.LoadAsync(_folder, Reference), Throws.InstanceOf<CheckpointException>().With.Message.Contains("SigLIP"));
        });
        await classifier.DisposeAsync();
        Assert.That(async () => await classifier.ClassifyAsync(TinyScout.Picture(1), set), Throws.InstanceOf<ObjectDisposedException>());
    }
}
