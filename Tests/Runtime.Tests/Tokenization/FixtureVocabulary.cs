using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using VlmSdk.Tokenization;

namespace VlmSdk.Tests.Tokenization;

/// <summary>
/// Builds the tables a GGUF file would embed from the fixtures' own vocabulary files: tokenizer.json and tekken.json as
/// byte-level ones, SentencePiece models as scored ones.
/// </summary>
internal static class FixtureVocabulary
{
    /// <summary>A tokenizer.json of byte-level kind.</summary>
    internal static ByteLevelBpeTokenizer FromJson(string path, string pre)
    {
        JsonElement root = Golden.Json(path);
        var tokens = new SortedDictionary<int, (string Text, int Type)>();
        foreach (JsonProperty entry in root.GetProperty("model").GetProperty("vocab").EnumerateObject())
            tokens[entry.Value.GetInt32()] = (entry.Name, 1);
        foreach (JsonElement added in root.GetProperty("added_tokens").EnumerateArray())
            tokens[added.GetProperty("id").GetInt32()] = (added.GetProperty("content").GetString()!, added.GetProperty("special").GetBoolean() ? 3 : 4);
        string[] merges = [.. root.GetProperty("model").GetProperty("merges").EnumerateArray()
            .Select(m => m.ValueKind == JsonValueKind.String ? m.GetString()! : $"{m[0].GetString()} {m[1].GetString()}")];
        return Build(path, [.. tokens.Values], merges, pre);
    }

    /// <summary>A tekken.json: ids are ranks behind the special tokens; every split of a token into two others is a merge of its rank.</summary>
    internal static ByteLevelBpeTokenizer FromTekken(string folder)
    {
        string path = Path.Combine(folder, "tekken.json");
        JsonElement root = Golden.Json(path), config = root.GetProperty("config");
        int specials = config.GetProperty("default_num_special_tokens").GetInt32();
        int used = config.GetProperty("default_vocab_size").GetInt32() - specials;
        JsonElement named = Golden.Json(Path.Combine(folder, "case.json")).GetProperty("special_tokens");
        var tokens = new List<(string Text, int Type)>();
        for (int id = 0; id < specials; id++)
            tokens.Add((named.TryGetProperty($"{id}", out JsonElement name) ? name.GetString()! : $"<SPECIAL_{id}>", 3));
        var merges = new List<string>();
        var known = new HashSet<string>();
        foreach (JsonElement entry in root.GetProperty("vocab").EnumerateArray().Take(used))
        {
            string text = string.Concat(entry.GetProperty("token_bytes").GetBytesFromBase64().Select(ByteAlphabet.CharacterOf));
            tokens.Add((text, 1));
            known.Add(text);
            for (int cut = 1; cut < text.Length; cut++)
                if (known.Contains(text[..cut]) && known.Contains(text[cut..]))
                    merges.Add($"{text[..cut]} {text[cut..]}");
        }
        return Build(path, tokens, [.. merges], "tekken");
    }

    /// <summary>
    /// A SentencePiece BPE model; null when its normaliser does more than GGUF vocabularies can say (a character map,
    /// whitespace removal).
    /// </summary>
    internal static SentencePieceBpeTokenizer? FromSentencePiece(string path)
    {
        var tokens = new List<string>();
        var types = new List<int>();
        var scores = new List<float>();
        bool dummyPrefix = true, plain = false;
        foreach ((int field, ReadOnlyMemory<byte> body) in Messages(File.ReadAllBytes(path)))
        {
            if (field == 1)
            {
                (string Text, float Score, int Type) piece = Piece(body);
                tokens.Add(piece.Text);
                scores.Add(piece.Score);
                types.Add(piece.Type);
            }
            else if (field == 3)
            {
                Dictionary<int, int> numbers = Numbers(body);
                dummyPrefix = numbers.GetValueOrDefault(3, 1) != 0;
                plain = numbers.GetValueOrDefault(4, 1) == 0;
            }
        }
        return plain ? new SentencePieceBpeTokenizer(new TokenizerVocabulary(path, tokens, types), scores, dummyPrefix) : null;
    }

    private static ByteLevelBpeTokenizer Build(string path, IReadOnlyList<(string Text, int Type)> tokens, string[] merges, string pre)
    {
        var vocabulary = new TokenizerVocabulary(path, [.. tokens.Select(t => t.Text)], [.. tokens.Select(t => t.Type)]);
        return new ByteLevelBpeTokenizer(vocabulary, merges, PreTokenizer.Find(pre)!);
    }

    private static (string Text, float Score, int Type) Piece(ReadOnlyMemory<byte> body)
    {
        string text = "";
        float score = 0;
        foreach ((int field, ReadOnlyMemory<byte> value) in Messages(body))
            if (field == 1)
                text = Encoding.UTF8.GetString(value.Span);
            else if (field == 2)
                score = BinaryPrimitives.ReadSingleLittleEndian(value.Span);
        return (text, score, Numbers(body).GetValueOrDefault(3, 1));
    }

    private static Dictionary<int, int> Numbers(ReadOnlyMemory<byte> body)
    {
        var numbers = new Dictionary<int, int>();
        foreach ((int field, ReadOnlyMemory<byte> value) in Messages(body))
            if (value.Length == 8)
                numbers[field] = (int)BinaryPrimitives.ReadInt64LittleEndian(value.Span);
        return numbers;
    }

    // Fields of a protobuf message: bytes as they lie, 32-bit ones as four bytes, numbers widened to eight.
    private static IEnumerable<(int Field, ReadOnlyMemory<byte> Value)> Messages(ReadOnlyMemory<byte> data)
    {
        int at = 0;
        while (at < data.Length)
        {
            long key = Number();
            int length = 0;
            switch (key & 7)
            {
                case 0:
                    yield return ((int)(key >> 3), BitConverter.GetBytes(Number()));
                    continue;
                case 1: length = 8; break;
                case 2: length = (int)Number(); break;
                case 5: length = 4; break;
                default: throw new InvalidDataException($"wire type {key & 7}");
            }
            yield return ((int)(key >> 3), data.Slice(at, length));
            at += length;
        }

        long Number()
        {
            long value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte next = data.Span[at++];
                value |= (long)(next & 0x7F) << shift;
                if (next < 0x80)
                    return value;
            }
        }
    }
}
