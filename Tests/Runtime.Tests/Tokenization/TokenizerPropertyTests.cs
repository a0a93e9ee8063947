using System.Globalization;
using System.Text;
using VlmSdk.Decoding;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>What must hold for any text: no control ids from users, nothing lost, no quadratic cost, no broken characters.</summary>
internal sealed class TokenizerPropertyTests
{
    private static IEnumerable<VocabularyTokenizer> All() => GoldenVocabularies.Names().Select(GoldenVocabularies.Load);

    // Normalisers that change text, and vocabularies with unknown tokens, do not give it back as it was.
    private static IEnumerable<VocabularyTokenizer> Faithful() =>
        new[] { "gpt2", "llama3", "deepseek", "tekken", "llama-spm", "gemma-spm" }.Intersect(GoldenVocabularies.Names()).Select(GoldenVocabularies.Load);

    /// <summary>10,000 texts made of control spellings, as parts of a prompt: the control ids are those of the prompt's own parts.</summary>
    [TestCaseSource(typeof(GoldenVocabularies), nameof(GoldenVocabularies.Names))]
    public void No_control_id_comes_from_a_users_text(string name)
    {
        var random = new Random(11);
        VocabularyTokenizer tokenizer = GoldenVocabularies.Load(name);
        bool[] control = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.GetPiece(id).Kind == TokenPieceKind.Control)];
        int[] controls = [.. Enumerable.Range(0, control.Length).Where(id => control[id])];
        Assert.That(controls, Is.Not.Empty);
        string[] around = ["", " ", "x", "\n", "<", ">", "\u2581", "\u0120", "é", "🙂", "<|", "\uD800", "'s"];
        for (int round = 0; round < 10_000; round++)
        {
            var text = new StringBuilder();
            for (int part = random.Next(1, 5); part > 0; part--)
            {
                string spelling = tokenizer.Vocabulary.Tokens[controls[random.Next(controls.Length)]];
                text.Append(around[random.Next(around.Length)]).Append(random.Next(3) == 0 ? spelling[..random.Next(spelling.Length)] : spelling);
            }
            int open = controls[random.Next(controls.Length)], picture = controls[random.Next(controls.Length)], close = controls[random.Next(controls.Length)];
            PromptPart[] prompt =
            [
                new PromptPart.Control(tokenizer.Vocabulary.Tokens[open]), new PromptPart.Text(text.ToString()), new PromptPart.Picture(),
                new PromptPart.Text(text.ToString()), new PromptPart.Control(tokenizer.Vocabulary.Tokens[close]),
            ];
            int[] ids = PromptPart.Ids(prompt, tokenizer, [[picture, picture]]);
            Assert.That(ids.Where(id => control[id]), Is.EqualTo(new[] { open, picture, picture, close }), text.ToString());
        }
    }

    [Test]
    public void Random_text_comes_back_whole()
    {
        var random = new Random(12);
        foreach (VocabularyTokenizer tokenizer in Faithful())
            for (int round = 0; round < 200; round++)
            {
                string text = RandomText(random, random.Next(1, 60));
                // A literal U+2581 is a space to SentencePiece.
                Assert.That(tokenizer.Decode(tokenizer.Encode(text)), Is.EqualTo(text), tokenizer.Vocabulary.Source);
            }
    }

    [Test]
    public void Lone_surrogates_count_as_replacement_characters()
    {
        foreach (VocabularyTokenizer tokenizer in Faithful())
        {
            Assert.That(tokenizer.Encode("a\uD800b\uDC00\uD83D"), Is.EqualTo(tokenizer.Encode("a\uFFFDb\uFFFD\uFFFD")));
            Assert.That(tokenizer.Decode(tokenizer.Encode("a\uD83D🙂")), Is.EqualTo("a\uFFFD🙂"));
        }
    }

    [Test]
    public void Two_hundred_thousand_characters_without_a_break_are_no_trouble()
    {
        foreach (VocabularyTokenizer tokenizer in All())
            foreach (string unit in new[] { "ab", " ", "图", "1", "!", "\n", " \n", "\t ", "e\u0301" })
            {
                string text = string.Concat(Enumerable.Repeat(unit, 200_000 / unit.Length));
                // Whitespace removal leaves nothing of spaces.
                bool removed = string.IsNullOrWhiteSpace(unit) && tokenizer.TextRules.Dropped == LeadingSpace.OfEachPieceBeforeText;
                Assert.That(tokenizer.Encode(text), removed ? Is.Empty : Is.Not.Empty);
            }
    }

    [Test]
    public void Merge_steps_grow_with_the_length()
    {
        foreach (int length in new[] { 50_000, 200_000 })
        {
            var counter = new int[1];
            var symbols = new int[length];
            var result = new List<int>();
            new MergeQueue<CountingRules>(new CountingRules(counter), symbols, length).Run(result);
            // Each symbol is offered once at the start, each merge offers two neighbours.
            Assert.That(counter[0], Is.LessThan(3 * length).And.GreaterThan(length));
            Assert.That(result.Sum(level => 1L << level), Is.EqualTo(length));
        }
    }

    [Test]
    public void Merge_steps_of_a_real_vocabulary_grow_with_the_length()
    {
        if (!GoldenVocabularies.Names().Contains("gpt2"))
            Assert.Ignore("This golden folder has no vocabulary 'gpt2'.");
        Dictionary<string, int> pieces = GoldenVocabularies.Load("gpt2").Vocabulary.Ids;
        var random = new Random(16);
        string[] spellings = [.. pieces.Keys.Where(k => k.All(c => pieces.ContainsKey(c.ToString())))];
        IEnumerable<int> words = Enumerable.Range(0, 200_000).SelectMany(_ => spellings[random.Next(spellings.Length)]).Select(c => pieces[c.ToString()]);
        foreach (int length in new[] { 2_000, 20_000, 200_000 })
        {
            var counter = new int[1];
            int[] symbols = [.. words.Take(length)];
            var result = new List<int>();
            new MergeQueue<CountingTable>(new CountingTable(new MergeTable(pieces), counter), symbols, length).Run(result);
            int merges = length - result.Count;
            Assert.That(merges, Is.GreaterThan(length / 5));
            Assert.That(counter[0], Is.InRange(length - 1, length + 2 * merges), "one offer a neighbour, then two a merge");
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Streamed_bytes_equal_the_whole_whatever_the_cuts(bool eachByte)
    {
        var random = new Random(13);
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(RandomText(random, 12));
            // Half the rounds damage the bytes.
            for (int i = 0; round % 2 == 0 && i < 3 && bytes.Length > 0; i++)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var whole = new TokenTextAssembler(new TextRules { Invalid = eachByte ? InvalidBytes.OnePerByte : InvalidBytes.OnePerPart });
            whole.Append(new TokenPiece(bytes, TokenPieceKind.Bytes), false);
            whole.End();
            var cut = new TokenTextAssembler(new TextRules { Invalid = eachByte ? InvalidBytes.OnePerByte : InvalidBytes.OnePerPart });
            var joined = new StringBuilder();
            for (int at = 0; at < bytes.Length;)
            {
                int length = random.Next(0, Math.Min(5, bytes.Length - at) + 1);
                cut.Append(new TokenPiece(bytes.AsMemory(at, length), TokenPieceKind.Bytes), false);
                string piece = cut.Take();
                Assert.That(piece.Length == 0 || !char.IsHighSurrogate(piece[^1]), "half a character");
                joined.Append(piece);
                at += length;
            }
            cut.End();
            string expected = whole.Take();
            Assert.That(joined.Append(cut.Take()).ToString(), Is.EqualTo(expected));
            if (!eachByte)
                Assert.That(expected, Is.EqualTo(Encoding.UTF8.GetString(bytes)));
        }
    }

    [Test]
    public void Streamed_tokens_equal_the_full_decoding()
    {
        var random = new Random(14);
        foreach (VocabularyTokenizer tokenizer in All())
            for (int round = 0; round < 200; round++)
            {
                int[] ids = [.. Enumerable.Range(0, 12).Select(_ => random.Next(tokenizer.VocabularySize))];
                foreach (bool skip in new[] { true, false })
                {
                    var stream = new StreamingDetokenizer(tokenizer, skip);
                    string streamed = string.Concat(ids.Select(stream.Append)) + stream.Flush(), whole = tokenizer.Decode(ids, skip);
                    // What a stream has shown of a run of bytes it cannot take back when the run turns out to be invalid.
                    if (tokenizer.TextRules.Invalid == InvalidBytes.WholeRun && whole.Contains('\uFFFD'))
                        continue;
                    Assert.That(streamed, Is.EqualTo(whole));
                }
            }
    }

    [Test]
    public void Malformed_vocabularies_are_refused_by_name()
    {
        string[] spm = ["<unk>", "a", "b"];
        Assert.That(() => Spm(spm, [2, 1, 1], [0, 0]), Fails("scores"));
        Assert.That(() => Spm(spm, [2, 1, 1], [0, 0, float.NaN]), Fails("scores"));
        Assert.That(() => Spm(spm, [1, 1, 1], [0, 0, 0]), Fails("unknown"));
        Assert.That(() => Spm(spm, [2, 1], [0, 0, 0]), Fails("token_type"));
        Assert.That(() => Spm(spm, [2, 1, 7], [0, 0, 0]), Fails("token_type"));
        Assert.That(() => Spm(spm, [2, 1, 5], [0, 0, 0]), Fails("unused"));
        Assert.That(() => Spm(["<unk>", "a", "a"], [2, 1, 1], [0, 0, 0]), Fails("'a'"));
        Assert.That(() => Spm(["<unk>", "", "a"], [2, 1, 1], [0, 0, 0]), Fails("token 1"));
        Assert.That(() => Spm([], [], []), Fails("empty"));
        foreach (string spelling in new[] { "<0x-1>", "<0x0a>", "<0x0A", "<0x00A>", "0x0A", "< 0xA>" })
            Assert.That(() => Spm(["<unk>", "a", spelling], [2, 1, 6], [0, 0, 0]), Fails("<0xHH>"));
        string[] many = [.. Enumerable.Range(0, TokenizerVocabulary.MaxTokens + 1).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        Assert.That(() => new TokenizerVocabulary("f", many), Fails("at most 1048576"));
        Assert.That(new TokenizerVocabulary("f", many[1..]).Tokens, Has.Count.EqualTo(TokenizerVocabulary.MaxTokens));
        Assert.That(() => new TokenizerVocabulary("f", [new string('a', TokenizerVocabulary.MaxSpelling + 1)]), Fails("4097 characters"));
        Assert.That(() => new TokenizerVocabulary("f", spm) { BeginId = 3 }, Fails("bos_token_id"));
        Assert.That(() => new TokenizerVocabulary("f", spm) { EndIds = [-1] }, Fails("eos_token_id"));
        string[] bytes = [.. Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharacterOf((byte)b).ToString())];
        Assert.That(() => Level(bytes[..200], []), Fails("byte 0x"));
        foreach (string merge in new[] { "a", "a ", " b", "a  b", "a b c", "a b" })
            Assert.That(() => Level(bytes, [merge]), Fails("merge 0"));

        static object Spm(string[] tokens, int[] types, float[] scores) => new SentencePieceBpeTokenizer(new TokenizerVocabulary("f", tokens, types), scores);
        static object Level(string[] tokens, string[] merges) => new ByteLevelBpeTokenizer(new TokenizerVocabulary("f", tokens), merges, PreTokenizer.Find("gpt-2")!);
        static NUnit.Framework.Constraints.IResolveConstraint Fails(string part) => Throws.TypeOf<CheckpointException>().With.Message.Contains(part);
    }

    [Test]
    public void Every_named_pre_tokenizer_exists_and_keeps_all_text()
    {
        Assert.That(PreTokenizer.Find("nosuch"), Is.Null);
        var random = new Random(15);
        foreach (string name in PreTokenizer.Names)
            for (int round = 0; round < 200; round++)
            {
                string text = RandomText(random, 30);
                Assert.That(string.Concat(PreTokenizer.Find(name)!.Split(text).Select(p => text.Substring(p.Start, p.Length))), Is.EqualTo(text));
            }
    }

    private static string RandomText(Random random, int length)
    {
        string[] alphabet = ["a", "B", "ǅ", " ", "  ", "\n", "\r\n", "\t", "1", "٣", "½", "é", "e\u0301", "ß", "图", "ก็", "🙂", "𝒳", "𞤀", "'s", "'LL", "'ſ", "-", "。", "\u3000", "\u00A0", "/", "_"];
        return string.Concat(Enumerable.Range(0, length).Select(_ => alphabet[random.Next(alphabet.Length)]));
    }

    private readonly struct CountingTable(MergeTable table, int[] counter) : IMergeRules
    {
        public bool TryMerge(int left, int right, out uint key, out int merged)
        {
            counter[0]++;
            return table.TryMerge(left, right, out key, out merged);
        }
    }

    // Equal symbols merge into the next level, as in a long run of one character.
    private readonly struct CountingRules(int[] counter) : IMergeRules
    {
        public bool TryMerge(int left, int right, out uint key, out int merged)
        {
            counter[0]++;
            (key, merged) = ((uint)left, left + 1);
            return left == right;
        }
    }
}
