using System.Security.Cryptography;
using System.Text.Json;
using VlmSdk.Execution;
using VlmSdk.Graphs;
using VlmSdk.Models.Pixtral;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Torch;
using VlmSdk.Training;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Pixtral's cases.</summary>
internal static class PixtralCases
{
    private const string Params = "params.json", Consolidated = "consolidated.safetensors", Tekken = "tekken.json";

    internal static readonly Dictionary<string, Handler> All = new()
    {
        ["pixtral/two_images"] = Handler.Forward(Whole),
        ["pixtral/long"] = Handler.Forward(Whole),
        ["pixtral/batch_left_padding"] = Handler.Forward(LeftPadding),
        ["pixtral/cached"] = Handler.Forward(Cached),
        ["pixtral/prompt"] = Handler.Forward(Prompt),
        ["pixtral/loss"] = Handler.Training(Loss),
        ["pixtral/pixels_hf"] = Handler.Plain(PixelsHf),
        ["pixtral/pixels_mistral"] = Handler.Plain(PixelsMistral),
        ["pixtral/sizes"] = Handler.Plain(Sizes),
        ["pixtral/tekken"] = Handler.Plain(c => Texts(c, c.At(Tekken))),
        ["pixtral/tekken_published"] = Handler.Plain(PublishedTekken),
    };

    private static void Whole(GoldenCase c, IExecutor executor)
    {
        foreach ((string file, string json) in c.Files())
        {
            PixtralConfig config = Config(c, json);
            var run = new PixtralRun(executor, config, Weights(c, config, file));
            HostTensor[] pictures = Pictures(c);
            Dictionary<string, HostTensor> all = run.Whole(c.In("input_ids"), pictures);
            c.Compare(all.GetValueOrDefault);
            // No patch sees another picture: each alone gives the same rows.
            float[] alone = [.. pictures.SelectMany(p => run.Encode(p).Floats.ToArray())];
            Assert.That(alone, Is.EqualTo(all["vision.out"].Floats.ToArray()).Within((float)c.Tolerance), file);
        }
    }

    private static void LeftPadding(GoldenCase c, IExecutor executor)
    {
        (string file, string json) = c.Files().Single();
        PixtralConfig config = Config(c, json);
        HostTensor ids = c.In("input_ids"), mask = c.In("attention_mask");
        HostTensor[] pictures = Pictures(c);
        var run = new PixtralRun(executor, config, Weights(c, config, file));
        int batch = ids.Shape[0], length = ids.Shape[1], words = config.Decoder.VocabularySize;
        bool IsReal(int i) => mask.Ints[i / words] != 0;
        c.Check("out.logits", run.Whole(ids, pictures, mask)["logits"], IsReal);

        // Through the cache; the case has no tokens behind the prompts, so those are held to a whole pass over prompts and tokens.
        const int Steps = 4;
        (HostTensor prompt, int[] chosen, float[] steps) = run.Greedy(ids, pictures, mask, Steps);
        c.Check("out.logits", prompt, IsReal);
        HostTensor whole = run.Whole(Padding.Behind(ids, chosen), pictures, Padding.Behind(mask, [.. Enumerable.Repeat(1, chosen.Length)]))["logits"];
        for (int b = 0; b < batch; b++)
            Assert.That(steps[(b * Steps * words)..((b + 1) * Steps * words)],
                Is.EqualTo(whole.Floats.Slice((b * (length + Steps) + length - 1) * words, Steps * words).ToArray()).Within((float)c.Tolerance), $"row {b}");
    }

    private static void Cached(GoldenCase c, IExecutor executor)
    {
        (string file, string json) = c.Files().Single();
        PixtralConfig config = Config(c, json);
        HostTensor ids = c.Out("greedy_ids");
        var model = new Pixtral(config);
        (int[] chosen, float[] logits) = new PixtralRun(executor, config, Weights(c, config, file)).Greedy(model, c.In("input_ids"), Pictures(c), ids.Shape[1]);
        c.Check("out.greedy_ids", HostTensor.From(ids.Shape, chosen));
        c.Check("out.step_logits", HostTensor.From(c.Out("step_logits").Shape, logits));
    }

    private static void Prompt(GoldenCase c, IExecutor executor)
    {
        PixtralConfig config = Config(c, Params);
        ITokenizer tokenizer = TokenizerFile.Load(c.At(Tekken));
        foreach (JsonElement request in c.Json.GetProperty("requests").EnumerateArray())
        {
            string name = request.GetProperty("name").GetString()!;
            string? tools = request.TryGetProperty("available_tools", out JsonElement given) ? given.GetString() : null;
            var shown = new List<string>();
            PixtralMessage[] messages = [.. request.GetProperty("messages").EnumerateArray().Select(m => Message(m, shown))];
            int[] ids = PromptPart.Ids(PixtralPrompt.Conversation(messages, tools), tokenizer, [.. shown.Select(p => Run(tokenizer, config, c.In("image_" + p)))]);
            Assert.That(ids, Is.EqualTo(request.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())), name);
            Assert.That(shown, Has.Count.EqualTo(request.GetProperty("images").GetInt32()), name);
            if (name != c.Json.GetProperty("end_to_end").GetString())
                continue;
            HostTensor input = HostTensor.From(new Shape(1, ids.Length), ids);
            c.Check("out.input_ids", input);
            HostTensor[] pictures = [.. shown.Select(p => Pixels.Of(c.In("image_" + p), config.Convention()))];
            c.Check("out.logits", new PixtralRun(executor, config, Weights(c, config, Consolidated)).Whole(input, pictures)["logits"]);
        }

        PixtralMessage Message(JsonElement m, List<string> shown)
        {
            JsonElement content = m.GetProperty("content");
            PromptPart[] parts = content.ValueKind switch
            {
                JsonValueKind.Null => [],
                JsonValueKind.String => [new PromptPart.Text(content.GetString()!)],
                _ => [.. content.EnumerateArray().Select(Part)],
            };
            return new PixtralMessage(Enum.Parse<PixtralRole>(m.GetProperty("role").GetString()!, ignoreCase: true), parts)
            {
                ToolCalls = m.TryGetProperty("tool_calls", out JsonElement calls) ? [.. calls.EnumerateArray().Select(call => new PixtralToolCall(
                    call.GetProperty("name").GetString()!, call.GetProperty("arguments").GetString()!, call.GetProperty("id").GetString()))] : [],
                ToolCallId = m.TryGetProperty("tool_call_id", out JsonElement id) ? id.GetString() : null,
            };

            PromptPart Part(JsonElement part)
            {
                if (part.TryGetProperty("text", out JsonElement text))
                    return new PromptPart.Text(text.GetString()!);
                shown.Add(part.GetProperty("image").GetString()!);
                return new PromptPart.Picture();
            }
        }
    }

    private static void Loss(GoldenCase c)
    {
        (string file, string json) = c.Files().Single();
        PixtralConfig config = Config(c, json);
        HostTensor ids = c.In("input_ids");
        HostTensor[] pictures = Pictures(c);
        (int[] rows, int[] targets) = Losses.NextTokenTargets(c.In("labels").Ints, ids.Shape[1]);
        var g = new GraphBuilder();
        Value logits = PixtralRun.Record(g, config, ids.Shape, pictures, cached: false, masked: false);
        g.Output("total", Losses.NextToken(g, g.Reshape(logits, -1, config.Decoder.VocabularySize),
            g.Constant(HostTensor.From(new Shape(rows.Length), rows)), g.Constant(HostTensor.From(new Shape(targets.Length), targets))));
        using var parameters = new TorchParameters(new WeightBinding("golden", Weights(c, config, file)));
        using var plan = new TorchTrainingPlan(g.Build(), parameters, new TorchOptions { BFloat16Products = false });
        foreach ((string name, HostTensor value) in PixtralRun.Inputs(config, ids, pictures, null))
            value.Data.CopyTo(plan.Input(name).Data);
        plan.Forward();
        HostTensor loss = plan.Read("total").Reshape(new Shape(1));
        plan.Backward("total");
        c.Compare(name => name == "loss" ? loss : TrainingGradient.Of(parameters, PixtralMapping.Rename(config, name["grad.".Length..])));
    }

    private static void PixelsHf(GoldenCase c)
    {
        ImageConvention convention = Config(c, "config.json").WithPreprocessor(c.Config("preprocessor_config.json")).Convention();
        HostTensor[] pictures = [.. c.List("inputs").Select(name => Pixels.Of(c.In(name), convention))];
        // The reference pads a batch with zeros at the bottom and on the right.
        HostTensor sizes = HostTensor.From(new Shape(pictures.Length, 2), [.. pictures.SelectMany(p => new[] { p.Shape[2], p.Shape[3] })]);
        var padded = new HostTensor(DType.F32, new Shape(pictures.Length, 3, pictures.Max(p => p.Shape[2]), pictures.Max(p => p.Shape[3])));
        for (int picture = 0; picture < pictures.Length; picture++)
            Rows(padded.Shape, pictures[picture].Shape, picture, (wide, own, length) => pictures[picture].Floats.Slice(own, length).CopyTo(padded.Floats[wide..]));
        c.Compare(name => name == "image_sizes" ? sizes : padded);
    }

    private static void PixelsMistral(GoldenCase c)
    {
        PixtralConfig config = Config(c, Params);
        ITokenizer tokenizer = TokenizerFile.Load(c.At(Tekken));
        c.Compare(name =>
        {
            HostTensor picture = c.In("image_" + name.Split('_')[1]);
            HostTensor pixels = Pixels.Of(picture, config.Convention());
            int[] ids = Run(tokenizer, config, picture);
            return name.StartsWith("ids", StringComparison.Ordinal) ? HostTensor.From(new Shape(ids.Length), ids) : pixels.Reshape(pixels.Shape[1..]);
        });
    }

    private static void Sizes(GoldenCase c)
    {
        ImageConvention mistral = ImageConventions.PixtralMistral(), hf = ImageConventions.PixtralHf();
        const int Patch = 16;
        foreach (JsonElement row in c.Json.GetProperty("rows").EnumerateArray())
        {
            int[] v = [.. row.EnumerateArray().Select(e => e.GetInt32())];
            CoordinateMap m = mistral.Map(v[0], v[1]), h = hf.Map(v[0], v[1]);
            Assert.That(new[] { m.TargetWidth / Patch, m.TargetHeight / Patch }, Is.EqualTo(v[2..4]), $"{v[0]} x {v[1]}");
            // Where the reference makes an empty picture we keep one patch.
            Assert.That(new[] { h.TargetWidth / Patch, h.TargetHeight / Patch }, Is.EqualTo(v[4..6].Select(n => Math.Max(1, n))), $"{v[0]} x {v[1]}");
        }
    }

    private static void Texts(GoldenCase c, string file)
    {
        ITokenizer tokenizer = TokenizerFile.Load(file);
        foreach (JsonElement row in c.Json.GetProperty("encode").EnumerateArray())
        {
            int[] ids = Ids(row);
            Assert.That(tokenizer.Encode(row.GetProperty("text").GetString()!), Is.EqualTo(ids), row.ToString());
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(row.GetProperty("text").GetString()), row.ToString());
        }
        if (c.Json.TryGetProperty("decode", out JsonElement decode))
            foreach (JsonElement row in decode.EnumerateArray())
            {
                Assert.That(tokenizer.Decode(Ids(row)), Is.EqualTo(row.GetProperty("ignore").GetString()), row.ToString());
                Assert.That(tokenizer.Decode(Ids(row), skipControl: false), Is.EqualTo(row.GetProperty("keep").GetString()), row.ToString());
            }

        static int[] Ids(JsonElement row) => [.. row.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())];
    }

    private static void PublishedTekken(GoldenCase c)
    {
        string file = c.At(Path.GetFileName(c.Json.GetProperty("file").GetString()!));
        if (!File.Exists(file))
            Assert.Ignore($"The published vocabulary is not here; put {c.Json.GetProperty("file").GetString()} at {file}.");
        Assert.That(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))), Is.EqualTo(c.Json.GetProperty("sha256").GetString()));
        Texts(c, file);
    }

    /// <summary>The pictures of a padded batch, each in its own size.</summary>
    internal static HostTensor[] Pictures(GoldenCase c)
    {
        HostTensor padded = c.In("pixel_values"), sizes = c.In("image_sizes");
        return [.. Enumerable.Range(0, padded.Shape[0]).Select(picture =>
        {
            var own = new HostTensor(DType.F32, new Shape(1, 3, sizes.Ints[2 * picture], sizes.Ints[2 * picture + 1]));
            Rows(padded.Shape, own.Shape, picture, (from, to, length) => padded.Floats.Slice(from, length).CopyTo(own.Floats[to..]));
            return own;
        })];
    }

    // The places of every pixel row of a picture, in the padded batch and in the picture itself.
    private static void Rows(Shape padded, Shape own, int picture, Action<int, int, int> row)
    {
        for (int channel = 0; channel < 3; channel++)
            for (int y = 0; y < own[2]; y++)
                row(((picture * 3 + channel) * padded[2] + y) * padded[3], (channel * own[2] + y) * own[3], own[3]);
    }

    /// <summary>The ids that stand for a picture of bytes [H, W, C].</summary>
    private static int[] Run(ITokenizer tokenizer, PixtralConfig config, HostTensor bytes) =>
        PixtralPrompt.Picture(tokenizer, config.Grid(config.Convention().Map(bytes.Shape[1], bytes.Shape[0])));

    internal static PixtralConfig Config(GoldenCase c, string json) =>
        json == Params ? PixtralConfig.ReadParams(c.Config(json)) : PixtralConfig.Read(c.Config(json));

    private static IReadOnlyDictionary<string, HostTensor> Weights(GoldenCase c, PixtralConfig config, string file)
    {
        using IWeightSource source = WeightSource.Open(c.At(file));
        return PixtralMapping.Read(source, config);
    }
}
