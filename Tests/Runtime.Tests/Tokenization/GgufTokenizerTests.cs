using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Tokenization;

/// <summary>Vocabularies written into GGUF files and read back: kinds, flags, defaults, faults.</summary>
internal sealed class GgufTokenizerTests
{
    private static readonly string[] Bytes = [.. Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharacterOf((byte)b).ToString())];

    [Test]
    public void A_byte_level_vocabulary_reads_back_with_every_pre_tokenizer()
    {
        foreach (string pre in PreTokenizer.Names)
        {
            ITokenizer tokenizer = Load(ByteLevel(pre));
            bool whole = pre is "llama-bpe" or "llama3" or "pixtral" or "tekken";
            Assert.That(tokenizer.Encode("xyz"), Is.EqualTo(whole ? [260] : Ids("xyz")), pre);
            Assert.That(tokenizer.Encode("abab"), Is.EqualTo(new[] { 257 }), pre);
            Assert.That(tokenizer.Encode("<|end|>"), Has.None.EqualTo(258), pre);
            Assert.That(tokenizer.Encode("<|end|>", allowControl: true), Is.EqualTo(new[] { 258 }), pre);
            Assert.That(tokenizer.Encode("a<box>b"), Is.EqualTo(new[] { 'a', 259, 'b' }), pre);
            Assert.That(tokenizer.AddsBegin, Is.EqualTo(pre is "llama-bpe" or "llama3" or "pixtral"), pre);
            Assert.That(tokenizer.EndIds, Is.EqualTo(new[] { 258 }));
        }
        // The key overrules the default of the pre-tokenizer.
        Assert.That(Load(ByteLevel("llama3").Add("tokenizer.ggml.add_bos_token", false)).AddsBegin, Is.False);
        Assert.That(Load(ByteLevel("gpt-2").Add("tokenizer.ggml.add_bos_token", true)).AddsBegin, Is.True);
    }

    [TestCase("gpt-2", "1234 56", "1234| 56")]
    [TestCase("smollm", "1234 56", "1|2|3|4| |5|6")]
    [TestCase("llama3", "1234 56", "123|4| |56")]
    [TestCase("qwen2", "1234 56", "1|2|3|4| |5|6")]
    [TestCase("tekken", "1234 56", "1|2|3|4| |5|6")]
    [TestCase("gpt-2", "a  b\n\n c'LL", "a| | b|\n\n| c|'|LL")]
    [TestCase("llama3", "a  b\n\n c'LL", "a| | b|\n\n| c|'LL")]
    [TestCase("llama3", "a!\r\n b'\u017Fx '\u017F", "a|!\r\n| b|'\u017F|x| '|\u017F")]
    [TestCase("tekken", "HTMLParser fooBar/\n", "HTMLParser| foo|Bar|/\n")]
    [TestCase("tekken", "e\u0301A\u0301\u0301", "e\u0301|A\u0301\u0301")]
    [TestCase("deepseek-llm", "ab\nc 图图x \u3000。 12  ", "ab|\n|c| |图图|x| |\u3000。| |1|2|  ")]
    [TestCase("gpt-2", "𝒳𝒴 𞤀 🙂🙂", "𝒳𝒴| 𞤀| 🙂🙂")]
    public void Texts_split_where_the_expressions_say(string pre, string text, string expected) =>
        Assert.That(string.Join("|", PreTokenizer.Find(pre)!.Split(text).Select(p => text.Substring(p.Start, p.Length))), Is.EqualTo(expected));

    [Test]
    public void Scores_decide_and_the_dummy_prefix_can_be_off()
    {
        ITokenizer with = Load(Scored()), without = Load(Scored().Add("tokenizer.ggml.add_space_prefix", false));
        Assert.That(with.Encode("ab"), Is.EqualTo(new[] { 6, 5 }));
        Assert.That(without.Encode("ab"), Is.EqualTo(new[] { 7 }));
        Assert.That(with.Decode([6, 5]), Is.EqualTo("ab"));
        Assert.That(without.Decode([6, 5]), Is.EqualTo(" ab"));
        Assert.That(with.AddsBegin, Is.True);
        Assert.That(with.Encode("a</s>"), Has.None.EqualTo(2));
        Assert.That(with.Encode("a</s>b", allowControl: true), Is.EqualTo(new[] { 6, 2, 5 }));
    }

    [Test]
    public void Faults_name_the_key()
    {
        Assert.That(() => Load(ByteLevel("nosuch")), Fails("tokenizer.ggml.pre", "'nosuch'"));
        Assert.That(() => Load(ByteLevel(null)), Fails("tokenizer.ggml.pre", ""));
        Assert.That(() => Load(new GgufWriter().Add("tokenizer.ggml.model", "bert")), Fails("tokenizer.ggml.model", "'bert'"));
        Assert.That(() => Load(ByteLevel("gpt-2", types: 3)), Fails("tokenizer.ggml.token_type", "3 entries"));
        Assert.That(() => Load(ByteLevel("gpt-2", end: 261)), Fails("tokenizer.ggml.eos_token_id", "261"));
        Assert.That(() => Load(ByteLevel("gpt-2", end: uint.MaxValue)), Fails("tokenizer.ggml.eos_token_id", "4294967295"));
        Assert.That(() => Load(new GgufWriter().Add("tokenizer.ggml.model", "llama").AddArray<string>("tokenizer.ggml.tokens", ["a"])), Fails("tokenizer.ggml.scores", ""));
    }

    [Test]
    public void Long_content_tokens_stay_inside_the_memory_promise()
    {
        string[] tokens = [.. Enumerable.Range(0, 8000).Select(i => $"{i}{new string('q', 1500)}"), "<unk>"];
        using var stream = new MemoryStream();
        new GgufWriter().Add("tokenizer.ggml.model", "llama").AddArray<string>("tokenizer.ggml.tokens", tokens).AddArray<float>("tokenizer.ggml.scores", new float[tokens.Length])
            .AddArray<int>("tokenizer.ggml.token_type", [.. Enumerable.Repeat(4, tokens.Length - 1), 2]).Write(stream);
        byte[] bytes = stream.ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        using GgufFile file = GgufFile.Parse("made.gguf", bytes);
        ITokenizer tokenizer = GgufTokenizer.Load(file);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4L * bytes.Length + (64 << 20)));
        Assert.That(tokenizer.Encode(tokens[7] + tokens[70]), Is.EqualTo(new[] { tokens.Length - 1, 7, 70 }));
    }

    [Test]
    public void Begin_and_end_markers_typed_as_content_are_control_all_the_same()
    {
        // Without token_type nothing else says that the marker is not content.
        ITokenizer tokenizer = Load(ByteLevel("llama3", types: 0));
        Assert.That(tokenizer.Encode("<|end|>"), Has.None.EqualTo(258));
        Assert.That(tokenizer.GetPiece(258).Kind, Is.EqualTo(TokenPieceKind.Control));
    }

    [Test]
    public async Task A_text_model_runs_on_a_byte_level_vocabulary()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"byte-level-{Guid.NewGuid():N}.gguf");
        try
        {
            WriteTinyLlama(path);
            await using TextModel model = await TextModel.LoadAsync(path);
            GenerationResult result = await model.CompleteAsync("abab 1<|end|>", new GenerationOptions { MaxTokens = 5, IgnoreEndTokens = true });
            Assert.That(result.PromptIds, Is.EqualTo([258, 257, .. Ids(" 1<|end|>")]));
            Assert.That(result.Text, Is.EqualTo(model.Tokenizer.Decode([.. result.Ids])));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static GgufWriter ByteLevel(string? pre, int? types = null, uint end = 258)
    {
        string[] tokens = [.. Bytes, "ab", "abab", "<|end|>", "<box>", "xyz"];
        int[] kinds = [.. Enumerable.Repeat(1, 258), 3, 4, 1];
        GgufWriter writer = new GgufWriter().Add("tokenizer.ggml.model", "gpt2").AddArray<string>("tokenizer.ggml.tokens", tokens)
            .AddArray<string>("tokenizer.ggml.merges", ["a b", "ab ab"]).Add("tokenizer.ggml.bos_token_id", 258u).Add("tokenizer.ggml.eos_token_id", end);
        if (types != 0)
            writer.AddArray<int>("tokenizer.ggml.token_type", kinds.AsSpan(0, types ?? kinds.Length));
        return pre is null ? writer : writer.Add("tokenizer.ggml.pre", pre);
    }

    private static GgufWriter Scored() => new GgufWriter().Add("tokenizer.ggml.model", "llama")
        .AddArray<string>("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "\u2581a", "ab"])
        .AddArray<float>("tokenizer.ggml.scores", [0, 0, 0, -9, -9, -9, -1, -2])
        .AddArray<int>("tokenizer.ggml.token_type", [2, 3, 3, 1, 1, 1, 1, 1])
        .Add("tokenizer.ggml.bos_token_id", 1u).Add("tokenizer.ggml.eos_token_id", 2u);

    private static void WriteTinyLlama(string path)
    {
        var random = new Random(3);
        GgufWriter writer = ByteLevel("llama3").Add("general.architecture", "llama").Add("llama.context_length", 64u)
            .Add("llama.embedding_length", 16u).Add("llama.block_count", 1u).Add("llama.feed_forward_length", 24u)
            .Add("llama.attention.head_count", 2u).Add("llama.attention.head_count_kv", 1u).Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        foreach ((string name, int[] shape) in new (string, int[])[]
                 {
                     ("token_embd", [261, 16]), ("blk.0.attn_norm", [16]), ("blk.0.attn_q", [16, 16]), ("blk.0.attn_k", [8, 16]),
                     ("blk.0.attn_v", [8, 16]), ("blk.0.attn_output", [16, 16]), ("blk.0.ffn_norm", [16]), ("blk.0.ffn_gate", [24, 16]),
                     ("blk.0.ffn_up", [24, 16]), ("blk.0.ffn_down", [16, 24]), ("output_norm", [16]),
                 })
        {
            var values = new float[(int)new Shape(shape).Count];
            for (int i = 0; i < values.Length; i++)
                values[i] = random.NextSingle() - 0.5f;
            writer.AddTensor(name + ".weight", HostTensor.From(new Shape(shape), values));
        }
        writer.Write(path);
    }

    private static ITokenizer Load(GgufWriter writer)
    {
        using var stream = new MemoryStream();
        writer.Write(stream);
        using GgufFile file = GgufFile.Parse("made.gguf", stream.ToArray());
        return GgufTokenizer.Load(file);
    }

    private static int[] Ids(string ascii) => [.. ascii.Select(c => (int)c)];

    private static NUnit.Framework.Constraints.IResolveConstraint Fails(string key, string part) =>
        Throws.TypeOf<CheckpointException>().With.Message.Contains("made.gguf").And.Message.Contains(key).And.Message.Contains(part);
}
