namespace VlmSdk.Tokenization;

/// <summary>The components of a <c>tokenizer.json</c> around its model: normaliser, pre-tokenizers, decoders, template.</summary>
internal sealed class JsonTokenizerParts
{
    private const string Mark = "\u2581";

    private readonly List<PreTokenizerStage> _stages = [];

    private JsonTokenizerParts() { }

    internal ITextNormalizer? Normalizer { get; private set; }

    internal PreTokenizer Splitter => new("tokenizer.json", false, false, [.. _stages]);

    /// <summary>Whether the model works on the byte alphabet.</summary>
    internal bool IsByteLevel { get; private set; }

    /// <summary>Where Metaspace puts its mark; null without Metaspace.</summary>
    internal MarkPrefix? Prefix { get; private set; }

    internal TextRules Rules { get; private set; } = new() { Invalid = InvalidBytes.WholeRun };

    internal static JsonTokenizerParts Read(StrictValue root)
    {
        var parts = new JsonTokenizerParts { Normalizer = ReadNormalizer(root.Field("normalizer")) };
        foreach (StrictValue stage in Flatten(root.Field("pre_tokenizer"), "pretokenizers"))
            parts.ReadStage(stage);
        bool byteLevel = false;
        foreach (StrictValue decoder in Flatten(root.Field("decoder"), "decoders"))
            byteLevel |= parts.ReadDecoder(decoder);
        if (byteLevel != parts.IsByteLevel)
            throw root.Field("decoder").Fault($"is {(byteLevel ? "" : "not ")}of kind ByteLevel, unlike the pre_tokenizer; both must be, or none.");
        return parts;
    }

    /// <summary>The tokens that the post-processor puts before and behind one text.</summary>
    internal static (int? Begin, int? End) ReadTemplate(StrictValue post, TokenizerVocabulary vocabulary)
    {
        (int? begin, int? end) = (null, null);
        foreach (StrictValue processor in Flatten(post, "processors"))
        {
            string kind = processor.Field("type").Text();
            if (kind == "ByteLevel")
                continue;
            if (kind != "TemplateProcessing")
                throw Unknown(processor, kind, "ByteLevel, TemplateProcessing and Sequence");
            bool behind = false;
            StrictValue single = processor.Field("single");
            foreach (StrictValue item in single.Items())
            {
                StrictValue special = item.Field("SpecialToken");
                if (special.IsNull)
                {
                    if (behind || item.Field("Sequence").Field("id").Text() != "A")
                        throw item.Fault("must be the one sequence A of the template.");
                    behind = true;
                    continue;
                }
                string name = special.Field("id").Text();
                StrictValue listed = processor.Field("special_tokens").Field(name).Field("ids");
                int[] ids = [.. listed.Items().Select(i => i.Number())];
                if (ids is not [var id] || (uint)id >= (uint)vocabulary.Tokens.Count || (behind ? end : begin) is not null)
                    throw listed.Fault("must be one id of the vocabulary, at most once before and once behind the text.");
                if (behind)
                    end = id;
                else
                    begin = id;
            }
            if (!behind)
                throw single.Fault("lacks the sequence A.");
        }
        return (begin, end);
    }

    private static ITextNormalizer? ReadNormalizer(StrictValue value)
    {
        ITextNormalizer[] parts = [.. Flatten(value, "normalizers").Select(One)];
        return parts.Length switch { 0 => null, 1 => parts[0], _ => new SequenceNormalizer(parts) };

        static ITextNormalizer One(StrictValue part)
        {
            string kind = part.Field("type").Text();
            switch (kind)
            {
                case "NFC":
                    return CanonicalComposition.Instance;
                case "Lowercase":
                    return new LowercaseNormalizer();
                case "Prepend":
                    return new PrependNormalizer(part.Field("prepend").Text());
                case "Replace":
                    StrictValue sought = part.Field("pattern").Field("String");
                    if (sought.IsNull || sought.Text().Length == 0)
                        throw part.Fault("replaces by an expression; only a fixed spelling is read.");
                    return new ReplaceNormalizer(sought.Text(), part.Field("content").Text());
                default:
                    throw Unknown(part, kind, "NFC, Lowercase, Prepend, Replace and Sequence");
            }
        }
    }

    private void ReadStage(StrictValue stage)
    {
        string kind = stage.Field("type").Text();
        if (IsByteLevel || Prefix is not null)
            throw stage.Fault($"'{kind}' stands behind ByteLevel or Metaspace, which must come last.");
        switch (kind)
        {
            case "ByteLevel":
                if (stage.Field("add_prefix_space").Flag(whenMissing: true))
                    throw stage.Fault("has add_prefix_space, which this library does not read.");
                IsByteLevel = true;
                if (stage.Field("use_regex").Flag(whenMissing: true))
                    _stages.Add(PreTokenizer.StageOf(WordPatterns.Gpt2Expression)!);
                break;
            case "Digits":
                _stages.Add(stage.Field("individual_digits").Flag() ? new MatchStage(WordPatterns.OneDigit) : PreTokenizer.StageOf(@"\p{N}+")!);
                break;
            case "Split":
                _stages.Add(ReadSplit(stage));
                break;
            case "Metaspace":
                ReadMetaspace(stage);
                break;
            default:
                throw Unknown(stage, kind, "ByteLevel, Digits, Split, Metaspace and Sequence");
        }
    }

    private static PreTokenizerStage ReadSplit(StrictValue stage)
    {
        StrictValue behavior = stage.Field("behavior"), regex = stage.Field("pattern").Field("Regex"), text = stage.Field("pattern").Field("String");
        if (stage.Field("invert").Flag())
            throw stage.Fault("has invert, which this library does not read.");
        if (behavior.Text() == "MergedWithPrevious" && regex.IsNull && text.Text() is [var mark])
            return new CutStage(mark, behind: true);
        if (behavior.Text() != "Isolated" || regex.IsNull)
            throw behavior.Fault($"is '{behavior.Text()}'; this library reads Isolated with a Regex and MergedWithPrevious with a single character.");
        return PreTokenizer.StageOf(regex.Text()) ?? throw regex.Fault($"is '{regex.Text()}', an expression this library cannot read.");
    }

    private void ReadMetaspace(StrictValue stage)
    {
        StrictValue replacement = stage.Field("replacement"), scheme = stage.Field("prepend_scheme");
        if (replacement.Text() != Mark)
            throw replacement.Fault($"is '{replacement.Text()}'; only U+2581 is read.");
        // Before there were schemes, a flag chose between always and never.
        string name = scheme.IsNull ? (stage.Field("add_prefix_space").Flag(whenMissing: true) ? "always" : "never") : scheme.Text();
        Prefix = name switch
        {
            "always" => MarkPrefix.Always,
            "first" => MarkPrefix.First,
            "never" => MarkPrefix.Never,
            _ => throw scheme.Fault($"is '{name}'; known are always, first and never."),
        };
        if (stage.Field("split").Flag(whenMissing: true))
            _stages.Add(new CutStage(Mark[0], behind: false));
    }

    // True for the byte-level decoder.
    private bool ReadDecoder(StrictValue decoder)
    {
        string kind = decoder.Field("type").Text();
        switch (kind)
        {
            case "ByteLevel":
                return true;
            case "ByteFallback" or "Fuse":
                return false;
            case "Replace" when decoder.Field("content").Text() == " " && decoder.Field("pattern").Field("String").Text() == Mark:
                return false;
            case "Strip" when decoder.Field("content").Text() == " " && decoder.Field("start").Number() is 0 or 1 && decoder.Field("stop").Number() == 0:
                if (decoder.Field("start").Number() == 1)
                    Rules = Rules with { Dropped = LeadingSpace.OfText };
                return false;
            case "Replace" or "Strip":
                throw decoder.Fault($"the decoder '{kind}' is set up in a way this library does not read.");
            default:
                throw Unknown(decoder, kind, "ByteLevel, ByteFallback, Fuse, Replace, Strip and Sequence");
        }
    }

    private static IEnumerable<StrictValue> Flatten(StrictValue value, string list)
    {
        if (value.IsNull)
            return [];
        return value.Field("type").Text() == "Sequence" ? value.Field(list).Items().SelectMany(item => Flatten(item, list)) : [value];
    }

    private static CheckpointException Unknown(StrictValue value, string kind, string known) =>
        value.Fault($"is of kind '{kind}', which this library does not read; known are {known}.");
}
