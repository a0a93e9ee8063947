using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Tensors;

namespace VlmSdk.Tests.Conformance.Native;

/// <summary>What goes wrong says what it is and what to do.</summary>
public sealed class NativeFaultTests
{
    [Test]
    public void A_missing_library_is_named()
    {
        string path = Path.Combine(Path.GetTempPath(), "no-such-folder", "libvlm_kernels.so");
        var e = Assert.Throws<KernelLibraryException>(() => _ = new NativeExecutor(new NativeExecutorOptions { LibraryPath = path }));
        Assert.That(e!.Message, Does.Contain(path).And.Contain("cmake"));
        Assert.DoesNotThrow(() => new NativeExecutor().Dispose());
    }

    [TestCase("sse9"), TestCase("best"), TestCase("")]
    public void An_unknown_instruction_set_is_refused(string isa)
    {
        var e = Assert.Throws<ArgumentException>(() => _ = new NativeExecutor(new NativeExecutorOptions { Isa = isa }));
        Assert.That(e!.Message, Does.Contain($"'{isa}'").And.Contain("avx2"));
    }

    [TestCase(-1), TestCase(257)]
    public void A_bad_thread_count_is_refused(int threads)
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() => _ = new NativeExecutor(new NativeExecutorOptions { Threads = threads }));
        Assert.That(e!.Message, Does.Contain("1 to 256"));
    }

    [Test]
    public void A_missing_weight_and_a_wrong_shape_are_named()
    {
        var g = new GraphBuilder();
        g.Output("y", g.Linear(g.Input("x", DType.F32, 1, 4), g.Weight("layer.weight", 3, 4)));
        Graph graph = g.Build();
        using var executor = new NativeExecutor();
        var e = Assert.Throws<CheckpointException>(() => executor.Prepare(graph, new WeightBinding("file.gguf", new Dictionary<string, HostTensor>())));
        Assert.That(e!.Entry, Is.EqualTo("layer.weight"));
        var other = new Dictionary<string, HostTensor> { ["layer.weight"] = new(DType.F32, new Shape(4, 4)) };
        Assert.Throws<CheckpointException>(() => executor.Prepare(graph, new WeightBinding("file.gguf", other)));
    }

    [TestCase(5), TestCase(-1)]
    public void An_index_outside_the_table_is_reported(int index)
    {
        var g = new GraphBuilder();
        g.Output("y", g.Gather(g.Input("table", DType.F32, 5, 3), g.Input("ids", DType.I32, 1)));
        using var executor = new NativeExecutor();
        using IPlan plan = executor.Prepare(g.Build(), new WeightBinding("none", new Dictionary<string, HostTensor>()));
        plan.Input("ids").Ints[0] = index;
        var e = Assert.Throws<VlmException>(() => plan.Run());
        Assert.That(e!.Message, Does.Contain($"index {index}").And.Contain("5 rows"));
        plan.Input("ids").Ints[0] = 4;
        Assert.DoesNotThrow(() => plan.Run());
    }

    [Test]
    public void A_cache_that_is_missing_full_or_of_another_layout_is_refused()
    {
        ScoutConfig c = ScoutConfig.Tiny;
        using var executor = new NativeExecutor();
        using IPlan step = executor.Prepare(ScoutGraphs.Text(c, 1), ScoutNativeTests.Weights(c));
        Assert.Throws<ArgumentException>(() => step.Run());
        using KvCache other = executor.CreateCache(ScoutNativeTests.Cache(c) with { Heads = 5 }), small = executor.CreateCache(ScoutNativeTests.Cache(c) with { Capacity = 1 });
        Assert.Throws<ArgumentException>(() => step.Run(other));
        step.Run(small);
        Assert.Throws<ArgumentException>(() => step.Run(small));
        Assert.That(small.Length, Is.EqualTo(1));
    }

    [Test]
    public void Disposed_objects_and_unknown_names_are_refused()
    {
        var g = new GraphBuilder();
        g.Output("y", g.Input("x", DType.F32, 2) + 1);
        Graph graph = g.Build();
        var none = new WeightBinding("none", new Dictionary<string, HostTensor>());
        var executor = new NativeExecutor();
        IPlan plan = executor.Prepare(graph, none);
        Assert.Throws<KeyNotFoundException>(() => plan.Input("z"));
        Assert.Throws<KeyNotFoundException>(() => plan.Output("x"));
        plan.Dispose();
        Assert.Throws<ObjectDisposedException>(() => plan.Run());
        executor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => executor.Prepare(graph, none));
    }
}
