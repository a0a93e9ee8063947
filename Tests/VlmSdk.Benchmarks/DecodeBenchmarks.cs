using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Decoders;
using VlmSdk.Models.Scout;
using VlmSdk.Native;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Benchmarks;

/// <summary>One-token decode steps against reading the weights' stored bytes once.</summary>
internal static class DecodeBenchmarks
{
    private const int Past = 32;

    internal static void Scout(Report report)
    {
        (ScoutConfig c, WeightBinding weights) = EmbeddedScout.Load();
        using var executor = new NativeExecutor();
        Graph graph = ScoutGraphs.Text(c, 1);
        using IPlan prefix = executor.Prepare(ScoutGraphs.Prefix(c), weights), step = executor.Prepare(graph, weights);
        using KvCache cache = executor.CreateCache(EmbeddedScout.Cache(c));
        EmbeddedScout.Fill(prefix.Input("picture"), -1, 1);
        prefix.Run(cache);
        long bytes = GraphCost.Of(graph, weights).WeightBytes;
        using var limit = new ReadLimit(executor, bytes);
        int past = cache.Length;
        step.Input("positions").Ints[0] = past;
        Harness.Measure(report, new Benchmark("decode-scout", () =>
        {
            cache.Truncate(past);
            step.Run(cache);
        }, limit.Run, $"one token of the embedded Scout behind {past} tokens; limit: as many bytes read; these fit the caches", 101)
        {
            Bytes = bytes,
            Token = true,
            Threads = executor.Threads,
            Isa = executor.Isa,
        });
    }

    internal static void Llama(Report report)
    {
        LlamaConfig c = Config(report.Quick);
        foreach (DType type in new[] { DType.Q8_0, DType.Q4_0 })
        {
            WeightBinding weights = Weights(c, type);
            using var executor = new NativeExecutor();
            using IPlan step = executor.Prepare(Step(c), weights);
            using KvCache cache = executor.CreateCache(new KvCacheSpec(c.Layers, c.KeyValueHeads, c.HeadWidth, Past + 1));
            for (int i = 0; i < Past; i++)
            {
                step.Input("ids").Ints[0] = 3 + i;
                step.Input("positions").Ints[0] = i;
                step.Run(cache);
            }
            // Of the embedding one row is read, of everything else all.
            HostTensor embedding = weights.Get("token_embd.weight");
            long bytes = weights.Bytes - embedding.Data.Length + embedding.Data.Length / c.VocabularySize;
            using var limit = new ReadLimit(executor, bytes);
            step.Input("positions").Ints[0] = Past;
            Harness.Measure(report, new Benchmark($"decode-llama-{type}", () =>
            {
                cache.Truncate(Past);
                step.Run(cache);
            }, limit.Run, $"one token of {c.Layers} layers of width {c.Width}, random weights; limit: the bytes of the stored weights read; " +
                $"packed, with scales as floats, the kernels read {(type == DType.Q8_0 ? 36.0 / 34 : 20.0 / 18):0.00} times as many", 25)
            {
                Bytes = bytes,
                Token = true,
                Threads = executor.Threads,
                Isa = executor.Isa,
            });
        }
    }

    internal static LlamaConfig Config(bool quick) => new()
    {
        ContextLength = 2048,
        Width = quick ? 512 : 1024,
        Layers = quick ? 8 : 12,
        MlpWidth = quick ? 1408 : 2816,
        Heads = quick ? 8 : 16,
        KeyValueHeads = quick ? 4 : 8,
        HeadWidth = 64,
        RopeWidth = 64,
        VocabularySize = quick ? 8000 : 32000,
    };

    /// <summary>
    /// Random weights. Tensors of one shape share their stored bytes; the executor packs each name into memory of its own,
    /// so a step reads all of them.
    /// </summary>
    internal static WeightBinding Weights(LlamaConfig c, DType type)
    {
        var known = new Dictionary<Shape, HostTensor>();
        var tensors = new Dictionary<string, HostTensor>();
        foreach ((string name, Shape shape) in LlamaMapping.Tensors(c))
        {
            if (!known.TryGetValue(shape, out HostTensor? tensor))
            {
                tensor = new HostTensor(DType.F32, shape);
                bool matrix = shape.Rank == 2;
                EmbeddedScout.Fill(tensor, matrix ? -0.05f : 0.9f, matrix ? 0.05f : 1.1f);
                known.Add(shape, tensor = matrix ? Quantizer.Quantize(type, tensor) : tensor);
            }
            tensors.Add(name, tensor);
        }
        return new WeightBinding("random", tensors);
    }

    internal static Graph Step(LlamaConfig c)
    {
        var g = new GraphBuilder();
        Value x = LlamaDecoder.Embed(g, c, g.Input("ids", DType.I32, 1, 1));
        x = LlamaDecoder.Layers(g, c, x, g.Input("positions", DType.I32, 1, 1), cached: true);
        g.Output("logits", LlamaDecoder.Head(g, c, x));
        return g.Build();
    }
}
