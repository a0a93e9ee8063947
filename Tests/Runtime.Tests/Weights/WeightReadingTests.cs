using VlmSdk.Graphs;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>Matrices brought into another type while a checkpoint is read.</summary>
public sealed class WeightReadingTests
{
    // Wide enough that a matrix is read in several pieces of 4 MiB, the last one not full.
    private static readonly Shape Wide = new(1100, 1056);

    private static readonly WeightSpec[] Needed =
        [("wide", Wide), ("narrow", new Shape(3, 64)), ("odd", new Shape(4, 40)), ("norm", new Shape(64)), new("table", new Shape(8, 32), Packs: false)];

    private string _file = "";
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Make() => (_folder, _file) = (new TemporaryFolder(), "");

    [TearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public void Each_matrix_equals_a_quantized_copy_and_the_rest_stays_as_stored(
        [Values(DType.F32, DType.F16, DType.BF16)] DType stored, [Values(DType.Q8_0, DType.Q4_0, DType.Q5_1, DType.F16)] DType type)
    {
        Dictionary<string, HostTensor> tensors = Write(stored);
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        IReadOnlyDictionary<string, HostTensor> read = CheckpointMapping.Read(file, n => n, Needed, reading: new WeightReading { Matrices = type });
        foreach (WeightSpec weight in Needed)
        {
            HostTensor source = tensors[weight.Name];
            bool packs = weight.Name is "wide" or "narrow" || (weight.Name == "odd" && type == DType.F16);
            HostTensor expected = packs ? Quantizer.Quantize(type, Dequantizer.ToFloats(source)) : source;
            Assert.That(read[weight.Name].Type, Is.EqualTo(expected.Type), weight.Name);
            Assert.That(read[weight.Name].Data.Span.SequenceEqual(expected.Data.Span), weight.Name);
        }
    }

    [Test]
    public void Without_a_type_everything_stays_as_stored()
    {
        Dictionary<string, HostTensor> tensors = Write(DType.BF16);
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        foreach ((string name, HostTensor tensor) in CheckpointMapping.Read(file, n => n, Needed))
            Assert.That(tensor.Type == tensors[name].Type && tensor.Data.Span.SequenceEqual(tensors[name].Data.Span), name);
    }

    [Test]
    public void Blocks_of_the_file_stay_as_they_are()
    {
        HostTensor q8 = Quantizer.Quantize(DType.Q8_0, Random(new Shape(2, 64), 1));
        using GgufFile file = GgufFile.Parse("mem", Gguf(q8));
        Assert.That(CheckpointMapping.Read(file, n => n, [("w", q8.Shape)], reading: new WeightReading { Matrices = DType.Q4_0 })["w"].Type, Is.EqualTo(DType.Q8_0));
    }

    [Test]
    public void Progress_never_falls_and_ends_complete()
    {
        Dictionary<string, HostTensor> tensors = Write(DType.F32);
        var reports = new Reports();
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        CheckpointMapping.Read(file, n => n, Needed, reading: new WeightReading { Matrices = DType.Q8_0, Progress = reports });
        Assert.That(reports.All.Select(r => r.Bytes), Is.Ordered.Ascending);
        Assert.That(reports.All.Select(r => r.Total).Distinct().Single(), Is.EqualTo(tensors.Values.Sum(t => t.Data.Length)));
        Assert.That(reports.All[^1].Bytes, Is.EqualTo(reports.All[^1].Total));
        Assert.That(reports.All, Has.Count.GreaterThan(Needed.Length));
    }

    [Test]
    public void Cancelling_stops_at_the_next_piece_and_leaves_the_file_usable([Values] bool quantized)
    {
        Write(DType.F32);
        using var source = new CancellationTokenSource();
        var reports = new Reports { Then = source.Cancel };
        using (SafetensorsFile file = SafetensorsFile.Open(_file))
        {
            var reading = new WeightReading { Matrices = quantized ? DType.Q8_0 : null, Progress = reports };
            Assert.That(() => CheckpointMapping.Read(file, n => n, Needed, null, reading, source.Token), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(reports.All, Has.Count.EqualTo(1));
            Assert.That(reports.All[0].Bytes, Is.LessThanOrEqualTo(4 << 20));
            Assert.That(file.Read("narrow").Shape, Is.EqualTo(new Shape(3, 64)));
        }
        Assert.That(Directory.GetFiles(Path.GetDirectoryName(_file)!), Is.EqualTo(new[] { _file }));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(1e30f)]
    public void Values_that_blocks_cannot_hold_name_the_tensor_and_its_row(float value)
    {
        Write(DType.F32, t => t["wide"].Floats[1001 * Wide[^1] + 7] = value);
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        CheckpointException e = Assert.Throws<CheckpointException>(() => CheckpointMapping.Read(file, n => n, Needed, reading: new WeightReading { Matrices = DType.Q8_0 }))!;
        Assert.That(e.File, Is.EqualTo(_file));
        Assert.That(e.Entry, Is.EqualTo("wide"));
        Assert.That(e.Message, Does.Contain("Row 1001").And.Contain("Q8_0"));
    }

    [Test]
    public void A_type_nothing_writes_is_refused_at_once() =>
        Assert.That(() => new WeightReading { Matrices = DType.Q4_K }, Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("Q4_0"));

    [TestCase(-1, 1)]
    [TestCase(0, 769)]
    [TestCase(768, 1)]
    [TestCase(long.MaxValue, 1)]
    public void Pieces_lie_inside_the_tensor(long offset, int count)
    {
        Write(DType.F32);
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        Assert.That(() => file.Read("narrow", offset, new byte[count]), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => file.Read("none", 0, new byte[1]), Throws.TypeOf<CheckpointException>());
    }

    [Test]
    public void A_graph_says_which_weights_are_matrices()
    {
        var g = new GraphBuilder();
        Value ids = g.Input("ids", DType.I32, 1, 2), table = g.Weight("tied", 10, 32), positions = g.Weight("positions", 2, 32);
        Value x = g.Gather(table, ids) + positions;
        g.Output("logits", g.Linear(g.RmsNorm(g.Linear(x, g.Weight("square", 32, 32), g.Weight("bias", 32)), g.Weight("norm", 32), 1e-5f), table));
        g.Output("turned", g.MatMul(g.Reshape(x, 2, 32), g.Permute(g.Weight("product", 4, 32), 1, 0)));
        Assert.That(CheckpointMapping.WeightsOf(g.Build()).Where(w => w.Packs).Select(w => w.Name), Is.EquivalentTo(new[] { "tied", "square" }));
    }

    [Test]
    public void Every_fault_of_a_checkpoint_is_listed()
    {
        Write(DType.F32, t =>
        {
            t.Remove("norm");
            t["odd"] = Random(new Shape(4, 41), 1);
            t["extra"] = Random(new Shape(1), 1);
            t["buffer"] = Random(new Shape(1), 1);
            t["late"] = Random(new Shape(2), 1);
        });
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        CheckpointFit fit = CheckpointMapping.Compare(file, n => n == "buffer" ? null : n, Needed, [("late", new Shape(2))]);
        Assert.Multiple(() =>
        {
            Assert.That(fit.Used.Select(u => u.Weight.Name), Is.EquivalentTo(new[] { "wide", "narrow", "table" }));
            Assert.That(fit.Missing, Is.EqualTo(new[] { "norm" }));
            Assert.That(fit.Unknown, Is.EqualTo(new[] { "extra" }));
            Assert.That(fit.Misshapen, Is.EqualTo(new[] { "odd" }));
            Assert.That(fit.NotUsed, Is.EquivalentTo(new[] { "buffer", "late" }));
            Assert.That(fit.Faults.Select(f => f.Entry), Is.EquivalentTo(new[] { "norm", "extra", "odd" }));
            Assert.That(fit.BytesAs(new WeightReading { Matrices = DType.Q8_0 }), Is.EqualTo((Wide.Count + 3 * 64) / 32 * 34 + 8 * 32 * 4));
        });
    }

    private Dictionary<string, HostTensor> Write(DType type, Action<Dictionary<string, HostTensor>>? change = null)
    {
        Dictionary<string, HostTensor> tensors = Needed.ToDictionary(w => w.Name, w => Quantizer.Quantize(type, Random(w.Shape, w.Name.Length)));
        change?.Invoke(tensors);
        SafetensorsWriter.Write(_file = _folder.At("model.safetensors"), tensors);
        return tensors;
    }

    private static HostTensor Random(Shape shape, int seed)
    {
        var tensor = new HostTensor(DType.F32, shape);
        var random = new Random(seed);
        foreach (ref float value in tensor.Floats)
            value = random.NextSingle() - 0.5f;
        return tensor;
    }

    private static byte[] Gguf(HostTensor tensor)
    {
        using var stream = new MemoryStream();
        new GgufWriter().AddTensor("w", tensor).Write(stream);
        return stream.ToArray();
    }

    private sealed class Reports : IProgress<LoadProgress>
    {
        internal List<LoadProgress> All { get; } = [];

        internal Action? Then { get; init; }

        public void Report(LoadProgress value)
        {
            All.Add(value);
            Then?.Invoke();
        }
    }
}
