namespace VlmSdk.Tokenization;

/// <summary>
/// Reads <c>tokenizer.json</c>: byte-pair encoding over bytes or over characters, and unigram models. A component of an
/// unknown kind is refused by name, since leaving one out gives wrong ids in silence.
/// </summary>
internal static class JsonTokenizer
{
    internal static VocabularyTokenizer Read(string file, byte[] utf8)
    {
        StrictValue root = StrictValue.Parse(file, utf8);
        if (TekkenVocabulary.Looks(root))
            return TekkenVocabulary.Read(file, root);
        StrictValue model = root.Field("model");
        StrictValue kind = model.Field("type");
        return (kind.IsNull ? "BPE" : kind.Text()) switch
        {
            "BPE" => ReadBpe(file, root, model),
            "Unigram" => ReadUnigram(file, root, model),
            var other => throw kind.Fault($"is '{other}'; known are BPE and Unigram. For another kind of model use its SentencePiece .model or tiktoken file."),
        };
    }

    private static VocabularyTokenizer ReadBpe(string file, StrictValue root, StrictValue model)
    {
        foreach (string option in new[] { "continuing_subword_prefix", "end_of_word_suffix", "dropout" })
            if (model.Field(option) is { IsNull: false } given && !(given.IsText && given.Text().Length == 0))
                throw given.Fault("is set, which this library does not read.");

        StrictValue unknownName = model.Field("unk_token");
        string? unknown = unknownName.IsNull ? null : unknownName.Text();
        bool fallback = model.Field("byte_fallback").Flag(), whole = model.Field("ignore_merges").Flag();
        var parts = JsonTokenizerParts.Read(root);
        AddedToken[] added = ReadAdded(root.Field("added_tokens"));
        StrictValue table = model.Field("vocab");
        TokenizerVocabulary vocabulary = ReadVocabulary(file, table, table.Fields().Select(f => (f.Name, f.Value.Number())), added, fallback, root.Field("post_processor"));
        List<(string, string)> merges = ReadMerges(model.Field("merges"));
        int? unknownId = null;
        if (unknown is not null)
            unknownId = vocabulary.Ids.TryGetValue(unknown, out int id) ? id : throw unknownName.Fault($"is '{unknown}', which no token spells.");
        if (parts.IsByteLevel)
            return new ByteLevelBpeTokenizer(vocabulary, new MergeTable(vocabulary, merges), parts.Splitter, whole, added, parts.Normalizer);
        var options = new CharacterBpeTokenizer.Options(unknownId, fallback, model.Field("fuse_unk").Flag(), whole);
        return new CharacterBpeTokenizer(vocabulary, merges, options, added, parts);
    }

    private static UnigramTokenizer ReadUnigram(string file, StrictValue root, StrictValue model)
    {
        bool fallback = model.Field("byte_fallback").Flag();
        var parts = JsonTokenizerParts.Read(root);
        if (parts.IsByteLevel)
            throw root.Field("pre_tokenizer").Fault("is of kind ByteLevel, which no unigram model has here.");
        var pieces = new List<string>();
        var scores = new List<double>();
        StrictValue table = model.Field("vocab");
        foreach (StrictValue entry in table.Items())
        {
            StrictValue[] pair = [.. entry.Items()];
            if (pair.Length != 2)
                throw entry.Fault("must be a spelling and its score.");
            if (pieces.Count == TokenizerVocabulary.MaxTokens)
                throw table.Fault($"has more than the {TokenizerVocabulary.MaxTokens} pieces accepted.");
            pieces.Add(pair[0].Text());
            scores.Add(pair[1].Real());
        }
        if (pieces.Count == 0)
            throw table.Fault("is empty.");
        StrictValue unknown = model.Field("unk_id");
        if (unknown.IsNull || (uint)unknown.Number() >= (uint)pieces.Count)
            throw unknown.Fault($"must be the id of one of the {pieces.Count} pieces, for what no piece spells.");
        AddedToken[] added = ReadAdded(root.Field("added_tokens"));
        TokenizerVocabulary vocabulary = ReadVocabulary(file, table, pieces.Select((piece, id) => (piece, id)), added, fallback, root.Field("post_processor"));
        return new UnigramTokenizer(vocabulary, scores, unknown.Number(), fallback, added, parts);
    }

    private static AddedToken[] ReadAdded(StrictValue list)
    {
        if (list.IsNull)
            return [];
        var tokens = new List<AddedToken>();
        foreach (StrictValue entry in list.Items())
        {
            StrictValue id = entry.Field("id"), content = entry.Field("content");
            if (id.Number() is < 0 or >= TokenizerVocabulary.MaxTokens)
                throw id.Fault($"is {id.Number()}; ids run from 0 to {TokenizerVocabulary.MaxTokens - 1}.");
            if (content.Text().Length == 0)
                throw content.Fault("is empty.");
            if (tokens.Exists(t => t.Id == id.Number()))
                throw id.Fault($"is {id.Number()}, which another added token has too.");
            tokens.Add(new AddedToken(id.Number(), content.Text())
            {
                IsControl = entry.Field("special").Flag(),
                SwallowsBefore = entry.Field("lstrip").Flag(),
                SwallowsBehind = entry.Field("rstrip").Flag(),
                IsWholeWord = entry.Field("single_word").Flag(),
                IsNormalized = entry.Field("normalized").Flag(),
            });
        }
        return [.. tokens];
    }

    private static TokenizerVocabulary ReadVocabulary(
        string file, StrictValue table, IEnumerable<(string Spelling, int Id)> entries, AddedToken[] added, bool fallback, StrictValue post)
    {
        var spellings = new Dictionary<int, string>();
        foreach ((string spelling, int id) in entries)
        {
            if (id is < 0 or >= TokenizerVocabulary.MaxTokens)
                throw table.Fault($"gives '{spelling}' the id {id}; ids run from 0 to {TokenizerVocabulary.MaxTokens - 1}.");
            if (!spellings.TryAdd(id, spelling))
                throw table.Fault($"gives the id {id} to '{spellings[id]}' and to '{spelling}'.");
        }
        foreach (AddedToken token in added)
            if (!spellings.TryAdd(token.Id, token.Spelling) && spellings[token.Id] != token.Spelling)
                throw table.Fault($"gives the id {token.Id} to '{spellings[token.Id]}', but the added token with it is '{token.Spelling}'.");
        var tokens = new string[spellings.Count];
        var types = new int[tokens.Length];
        for (int id = 0; id < tokens.Length; id++)
        {
            tokens[id] = spellings.TryGetValue(id, out string? spelling) ? spelling : throw table.Fault($"leaves out the id {id} below its highest.");
            types[id] = (int)(fallback && ByteSpelling.Parse(spelling) is not null ? TokenType.Byte : TokenType.Normal);
        }
        foreach (AddedToken token in added)
            types[token.Id] = (int)(token.IsControl ? TokenType.Control : TokenType.UserDefined);
        var plain = new TokenizerVocabulary(file, tokens, types, "");
        (int? begin, int? end) = JsonTokenizerParts.ReadTemplate(post, plain);
        return new TokenizerVocabulary(file, tokens, types, "")
        {
            BeginId = begin ?? Named(plain, "<s>", "<bos>", "<|begin_of_text|>"),
            AddsBegin = begin is not null,
            ClosingId = end,
            EndIds = (end ?? Named(plain, "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<｜end▁of▁sentence｜>")) is int last ? [last] : [],
        };
    }

    private static int? Named(TokenizerVocabulary vocabulary, params string[] spellings)
    {
        foreach (string spelling in spellings)
            if (vocabulary.Ids.TryGetValue(spelling, out int id) && vocabulary.Types[id] == TokenType.Control)
                return id;
        return null;
    }

    private static List<(string, string)> ReadMerges(StrictValue list)
    {
        var merges = new List<(string, string)>();
        foreach (StrictValue item in list.Items())
        {
            string[] pair = item.IsText ? item.Text().Split(' ') : [.. item.Items().Select(part => part.Text())];
            if (pair is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw item.Fault("must be two spellings.");
            if (merges.Count == TokenizerVocabulary.MaxMerges)
                throw list.Fault($"has more than the {TokenizerVocabulary.MaxMerges} merges accepted.");
            merges.Add((left, right));
        }
        return merges;
    }
}
