using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>The components of a <c>tokenizer.json</c> around its model: normaliser, pre-tokenizers, decoders, template.</summary>
internal sealed class JsonTokenizerParts
{
    private const string Mark = "\u2581";

    private readonly List<PreTokenizerStage> _stages = [];
    private MarkPrefix? _prefix;
    private bool _cutsMarks;

    private JsonTokenizerParts() { }

    internal ITextNormalizer? Normalizer { get; private set; }

    internal PreTokenizer Splitter => new("tokenizer.json", false, false, [.. _stages]);

    /// <summary>Whether the model works on the byte alphabet.</summary>
    internal bool IsByteLevel { get; private set; }

    /// <summary>The pre-tokenizers of a model on characters.</summary>
    internal MarkedSplitter MarkedSplitter => new(Splitter, _prefix, _cutsMarks);

    /// <summary>What a token of a model on characters adds to a text.</summary>
    internal (byte[] Bytes, TokenPieceKind Kind) Piece(TokenizerVocabulary vocabulary, int id)
    {
        string token = vocabulary.Tokens[id];
        if (DecodesBytes && vocabulary.Types[id] == TokenType.Byte)
            return ([ByteSpelling.Parse(token)!.Value], TokenPieceKind.Bytes);
        return (Encoding.UTF8.GetBytes(MarksAreSpaces ? token.Replace(Mark, " ", StringComparison.Ordinal) : token),
            vocabulary.Types[id] == TokenType.Control ? TokenPieceKind.Control : TokenPieceKind.Text);
    }

    /// <summary>Whether U+2581 becomes a space when tokens become text.</summary>
    internal bool MarksAreSpaces { get; private set; }

    /// <summary>Whether byte tokens become bytes when tokens become text, rather than their spelling.</summary>
    internal bool DecodesBytes { get; private set; }

    internal TextRules Rules { get; private set; } = new() { Invalid = InvalidBytes.WholeRun };

    internal static JsonTokenizerParts Read(StrictValue root)
    {
        var parts = new JsonTokenizerParts { Normalizer = ReadNormalizer(root.Field("normalizer")) };
        foreach (StrictValue stage in Flatten(root.Field("pre_tokenizer"), "pretokenizers"))
            parts.ReadStage(stage);
        bool byteLevel = false;
        StrictValue[] decoders = [.. Flatten(root.Field("decoder"), "decoders")];
        if (decoders.Length == 0)
            throw root.Field("decoder").Fault("is missing, so that it is not said how tokens become text.");
        foreach (StrictValue decoder in decoders)
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
            if (kind is "RobertaProcessing" or "BertProcessing")
            {
                (begin, end) = (Second(processor.Field("cls"), vocabulary), Second(processor.Field("sep"), vocabulary));
                continue;
            }
            if (kind != "TemplateProcessing")
                throw Unknown(processor, kind, "ByteLevel, TemplateProcessing, RobertaProcessing, BertProcessing and Sequence");
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

    // The id of a pair of spelling and id.
    private static int Second(StrictValue pair, TokenizerVocabulary vocabulary) => pair.Items().ToArray() is [_, var id] && (uint)id.Number() < (uint)vocabulary.Tokens.Count
        ? id.Number()
        : throw pair.Fault("must be a spelling and an id of the vocabulary.");

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
                    return UnicodeNormalizer.Nfc;
                case "NFD":
                    return UnicodeNormalizer.Nfd;
                case "NFKC":
                    return UnicodeNormalizer.Nfkc;
                case "NFKD":
                    return UnicodeNormalizer.Nfkd;
                case "Lowercase":
                    return new LowercaseNormalizer();
                case "Strip":
                    return new StripNormalizer(part.Field("strip_left").Flag(), part.Field("strip_right").Flag());
                case "StripAccents":
                    return new StripAccentsNormalizer();
                case "Prepend":
                    return new PrependNormalizer(Inserted(part.Field("prepend")));
                case "Replace":
                    return new ReplaceNormalizer(ReadPattern(part), Inserted(part.Field("content")));
                case "Precompiled":
                    return new PrecompiledNormalizer(ReadMap(part.Field("precompiled_charsmap")));
                default:
                    throw Unknown(part, kind, "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Precompiled and Sequence");
            }
        }
    }

    // What a normaliser puts into a text, of bounded length, so that a file cannot make texts grow without bound.
    private static string Inserted(StrictValue value) => value.Text().Length <= TokenizerVocabulary.MaxSpelling
        ? value.Text()
        : throw value.Fault($"has {value.Text().Length} characters; at most {TokenizerVocabulary.MaxSpelling} are accepted.");

    private static CharacterMap ReadMap(StrictValue value)
    {
        string text = value.Text();
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out int length)
            ? new CharacterMap(bytes.AsSpan(0, length), fault => value.Fault($"{fault} Download the file again."))
            : throw value.Fault("is no base64.");
    }

    // What a component seeks: an expression, or a fixed spelling.
    private static TextFinder ReadPattern(StrictValue part)
    {
        StrictValue text = part.Field("pattern").Field("String"), regex = part.Field("pattern").Field("Regex");
        if (!text.IsNull)
            return text.Text().Length > 0 ? new MatchFinder(text.Text()) : throw text.Fault("is empty.");
        return TextFinder.Of(regex.Text()) ?? throw regex.Fault($"is '{regex.Text()}', an expression this library cannot read.");
    }

    private void ReadStage(StrictValue stage)
    {
        string kind = stage.Field("type").Text();
        if (IsByteLevel || _prefix is not null)
            throw stage.Fault($"'{kind}' stands behind ByteLevel or Metaspace, which must come last.");
        switch (kind)
        {
            case "ByteLevel":
                if (stage.Field("add_prefix_space").Flag(whenMissing: true))
                    throw stage.Fault("has add_prefix_space, which this library does not read.");
                IsByteLevel = true;
                if (stage.Field("use_regex").Flag(whenMissing: true))
                    _stages.Add(new PreTokenizerStage(new MatchFinder(WordPatterns.Gpt2)));
                break;
            case "Digits":
                _stages.Add(new PreTokenizerStage(new MatchFinder(Rune.IsNumber),
                    stage.Field("individual_digits").Flag() ? SplitBehavior.Isolated : SplitBehavior.Contiguous));
                break;
            case "Split":
                _stages.Add(new PreTokenizerStage(ReadPattern(stage), ReadBehavior(stage.Field("behavior"), null), stage.Field("invert").Flag()));
                break;
            case "WhitespaceSplit":
                _stages.Add(new PreTokenizerStage(new MatchFinder(Rune.IsWhiteSpace), SplitBehavior.Removed));
                break;
            case "Whitespace":
                _stages.Add(new PreTokenizerStage(new MatchFinder(WordPatterns.WordOrSymbols), SplitBehavior.Removed, inverted: true));
                break;
            case "Punctuation":
                _stages.Add(new PreTokenizerStage(new MatchFinder(WordPatterns.IsPunctuation), ReadBehavior(stage.Field("behavior"), SplitBehavior.Isolated)));
                break;
            case "CharDelimiterSplit":
                _stages.Add(new PreTokenizerStage(new MatchFinder(stage.Field("delimiter").Text()), SplitBehavior.Removed));
                break;
            case "Metaspace":
                ReadMetaspace(stage);
                break;
            default:
                throw Unknown(stage, kind, "ByteLevel, Digits, Split, Whitespace, WhitespaceSplit, Punctuation, CharDelimiterSplit, Metaspace and Sequence");
        }
    }

    private static SplitBehavior ReadBehavior(StrictValue value, SplitBehavior? whenMissing) =>
        value.IsNull && whenMissing is { } usual ? usual
        : Enum.TryParse(value.Text(), out SplitBehavior behavior) && Enum.IsDefined(behavior) && !char.IsAsciiDigit(value.Text()[0]) ? behavior
        : throw value.Fault($"is '{value.Text()}'; known are {string.Join(", ", Enum.GetNames<SplitBehavior>())}.");

    private void ReadMetaspace(StrictValue stage)
    {
        _prefix = ReadScheme(stage);
        _cutsMarks = stage.Field("split").Flag(whenMissing: true);
    }

    private static MarkPrefix ReadScheme(StrictValue metaspace)
    {
        StrictValue replacement = metaspace.Field("replacement"), scheme = metaspace.Field("prepend_scheme");
        if (replacement.Text() != Mark)
            throw replacement.Fault($"is '{replacement.Text()}'; only U+2581 is read.");
        // Before there were schemes, a flag chose between always and never.
        string name = scheme.IsNull ? (metaspace.Field("add_prefix_space").Flag(whenMissing: true) ? "always" : "never") : scheme.Text();
        return name switch
        {
            "always" => MarkPrefix.Always,
            "first" => MarkPrefix.First,
            "never" => MarkPrefix.Never,
            _ => throw scheme.Fault($"is '{name}'; known are always, first and never."),
        };
    }

    // True for the byte-level decoder.
    private bool ReadDecoder(StrictValue decoder)
    {
        string kind = decoder.Field("type").Text();
        switch (kind)
        {
            case "ByteLevel":
                return true;
            case "Fuse":
                return false;
            case "ByteFallback":
                DecodesBytes = true;
                return false;
            case "Metaspace":
                MarksAreSpaces = true;
                if (ReadScheme(decoder) != MarkPrefix.Never)
                    Rules = Rules with { Dropped = LeadingSpace.AllOfFirstToken };
                return false;
            case "Replace" when decoder.Field("content").Text() == " " && decoder.Field("pattern").Field("String").Text() == Mark:
                MarksAreSpaces = true;
                return false;
            case "Strip" when decoder.Field("content").Text() == " " && decoder.Field("start").Number() is 0 or 1 && decoder.Field("stop").Number() == 0:
                if (decoder.Field("start").Number() == 1)
                    Rules = Rules with { Dropped = LeadingSpace.OfText };
                return false;
            case "Replace" or "Strip":
                throw decoder.Fault($"the decoder '{kind}' is set up in a way this library does not read.");
            default:
                throw Unknown(decoder, kind, "ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip and Sequence");
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
