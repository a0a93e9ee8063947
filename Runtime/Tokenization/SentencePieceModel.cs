namespace VlmSdk.Tokenization;

/// <summary>Reads SentencePiece <c>.model</c> files: pieces, trainer and normaliser settings.</summary>
internal static class SentencePieceModel
{
    private const int Unigram = 1, Bpe = 2;

    internal static SentencePieceTokenizer Read(string file, ReadOnlySpan<byte> bytes)
    {
        var tokens = new List<string>();
        var scores = new List<float>();
        var types = new List<int>();
        Trainer? trainer = null;
        SentencePieceRules? rules = null;
        var message = new ProtobufReader(file, "model", bytes);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1 when tokens.Count == TokenizerVocabulary.MaxTokens:
                    throw message.Fault($"has more than {TokenizerVocabulary.MaxTokens} pieces.");
                case 1:
                    ReadPiece(new ProtobufReader(file, $"pieces[{tokens.Count}]", message.Bytes()), tokens, scores, types);
                    break;
                case 2 when trainer is null:
                    trainer = ReadTrainer(new ProtobufReader(file, "trainer_spec", message.Bytes()));
                    break;
                case 3 when rules is null:
                    rules = ReadNormalizer(file, message.Bytes());
                    break;
                case 2 or 3:
                    throw message.Fault($"has field {message.Field} twice.");
                case 5 when message.Bytes().Length > 0:
                    RefuseMap(new ProtobufReader(file, "denormalizer_spec", message.Bytes()));
                    break;
            }
        }
        if (trainer is null || rules is null)
            throw message.Fault($"lacks {(trainer is null ? "trainer_spec" : "normalizer_spec")}.");
        var plain = new TokenizerVocabulary(file, tokens, types, "");
        var vocabulary = new TokenizerVocabulary(file, tokens, types, "")
        {
            BeginId = Control(plain, trainer.Begin),
            EndIds = Control(plain, trainer.End) is int end ? [end] : [],
        };
        rules = rules with { ByteFallback = trainer.ByteFallback, UnknownText = trainer.UnknownText };
        return trainer.Model switch
        {
            Unigram => new SentencePieceUnigramTokenizer(vocabulary, scores, rules),
            Bpe => new SentencePieceBpeTokenizer(vocabulary, scores, rules),
            _ => throw vocabulary.Fault("trainer_spec.model_type", $"is {trainer.Model}; this library reads 1 (unigram) and 2 (BPE)."),
        };
    }

    private static void ReadPiece(ProtobufReader piece, List<string> tokens, List<float> scores, List<int> types)
    {
        var seen = new SingleFields();
        (string? text, float score, int type) = (null, 0, (int)TokenType.Normal);
        while (piece.Next())
        {
            seen.Check(piece, 1, 2, 3);
            switch (piece.Field)
            {
                case 1: text = piece.Text(); break;
                case 2: score = piece.Float(); break;
                case 3: type = piece.Number(); break;
            }
        }
        tokens.Add(text ?? throw piece.Fault("has no text."));
        scores.Add(score);
        types.Add(type);
    }

    private static Trainer ReadTrainer(ProtobufReader spec)
    {
        var seen = new SingleFields();
        var trainer = new Trainer();
        while (spec.Next())
        {
            seen.Check(spec, 3, 24, 35, 44, 46, 47);
            switch (spec.Field)
            {
                case 3: trainer.Model = spec.Number(); break;
                case 24 when spec.Flag(): throw spec.Fault("has treat_whitespace_as_suffix, which this library does not read.");
                case 35: trainer.ByteFallback = spec.Flag(); break;
                case 44: trainer.UnknownText = spec.Text(); break;
                case 46: trainer.Begin = spec.Text(); break;
                case 47: trainer.End = spec.Text(); break;
            }
        }
        return trainer;
    }

    private static SentencePieceRules ReadNormalizer(string file, ReadOnlySpan<byte> bytes)
    {
        var spec = new ProtobufReader(file, "normalizer_spec", bytes);
        var seen = new SingleFields();
        var rules = new SentencePieceRules { RemovesExtraSpaces = true };
        while (spec.Next())
        {
            seen.Check(spec, 2, 3, 4, 5);
            switch (spec.Field)
            {
                case 2 when spec.Bytes().Length > 0:
                    rules = rules with
                    {
                        Map = new CharacterMap(spec.Bytes(),
                            fault => new CheckpointException(file, "normalizer_spec.precompiled_charsmap", $"{fault} Download the model again.")),
                    };
                    break;
                case 3: rules = rules with { DummyPrefix = spec.Flag() }; break;
                case 4: rules = rules with { RemovesExtraSpaces = spec.Flag() }; break;
                case 5: rules = rules with { EscapesSpaces = spec.Flag() }; break;
            }
        }
        return rules;
    }

    private static void RefuseMap(ProtobufReader spec)
    {
        while (spec.Next())
            if (spec.Field == 2 && spec.Bytes().Length > 0)
                throw spec.Fault("has a character map for decoding, which this library does not read.");
    }

    private static int? Control(TokenizerVocabulary vocabulary, string spelling) =>
        vocabulary.Ids.TryGetValue(spelling, out int id) && vocabulary.Types[id] == TokenType.Control ? id : null;

    private sealed class Trainer
    {
        internal int Model { get; set; } = Unigram;

        internal bool ByteFallback { get; set; }

        internal string UnknownText { get; set; } = " \u2047 ";

        internal string Begin { get; set; } = "<s>";

        internal string End { get; set; } = "</s>";
    }

    // Fields that a message holds once.
    private struct SingleFields
    {
        private ulong _seen;

        internal void Check(ProtobufReader message, params ReadOnlySpan<int> single)
        {
            if (!single.Contains(message.Field))
                return;
            ulong bit = 1UL << message.Field;
            if ((_seen & bit) != 0)
                throw message.Fault($"has field {message.Field} twice.");
            _seen |= bit;
        }
    }
}
