using System.Text.Json.Nodes;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Tests.Weights;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Queries;

/// <summary>A LLaVA folder of random weights, with a real vocabulary, as one is published.</summary>
internal static class TinyLlava
{
    internal static string Write(string parent, string name = "llava", Action<JsonObject>? change = null)
    {
        string folder = Path.Combine(parent, name);
        JsonObject config = TinyFolders.Config("llava");
        config["text_config"]!["vocab_size"] = 1104;
        config["text_config"]!["max_position_embeddings"] = 320;
        config["image_token_index"] = 1100;
        config["pad_token_id"] = 1101;
        LlavaConfig sizes = LlavaConfig.Read(TinyFolders.Save(folder, config));
        TinyFolders.Weights(folder, LlavaMapping.Tensors(sizes));
        change?.Invoke(config);
        TinyFolders.Save(folder, config);
        File.Copy(Golden.Own("tokenizers", "llama-spm", "tokenizer.model"), Path.Combine(folder, "tokenizer.model"), overwrite: true);
        return folder;
    }
}

/// <summary>LLaVA as it was published first: Llama's names, no image token in the vocabulary, and the image half as CLIP has it in a folder of its own.</summary>
internal static class TinyOriginalLlava
{
    /// <summary>The original layout of the model in a folder that <see cref="TinyLlava"/> wrote.</summary>
    internal static string Write(string parent, string like)
    {
        const string Vision = "vision_tower.";
        string folder = Path.Combine(parent, "original"), tower = Path.Combine(folder, "vision_tower");
        JsonObject published = JsonNode.Parse(File.ReadAllText(Path.Combine(like, "config.json")))!.AsObject();
        JsonObject config = published["text_config"]!.DeepClone().AsObject();
        foreach ((string key, JsonNode value) in new (string, JsonNode)[] { ("model_type", "llava"), ("mm_vision_tower", "own"), ("mm_projector_type", "mlp2x_gelu"), ("mm_vision_select_layer", -2) })
            config[key] = value;
        TinyFolders.Save(folder, config);
        TinyFolders.Save(tower, new JsonObject { ["vision_config"] = published["vision_config"]!.DeepClone() });
        using IWeightSource file = WeightSource.Open(like);
        ILookup<bool, string> names = file.Tensors.Keys.ToLookup(n => n.StartsWith(Vision, StringComparison.Ordinal));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), names[false].ToDictionary(
            n => n.Replace("multi_modal_projector.linear_1", "model.mm_projector.0", StringComparison.Ordinal).Replace("multi_modal_projector.linear_2", "model.mm_projector.2", StringComparison.Ordinal),
            file.Read));
        Dictionary<string, HostTensor> clip = names[true].ToDictionary(n => "vision_model." + n[Vision.Length..], file.Read);
        // CLIP's text half is there and not used.
        clip.Add("text_model.final_layer_norm.weight", new HostTensor(DType.F32, new Shape(3)));
        clip.Add("logit_scale", new HostTensor(DType.F32, new Shape()));
        SafetensorsWriter.Write(Path.Combine(tower, "model.safetensors"), clip);
        File.Copy(Path.Combine(like, "tokenizer.model"), Path.Combine(folder, "tokenizer.model"));
        return folder;
    }
}

/// <summary>A PaliGemma folder of random weights: the tokenizer has locations, mask tokens and the image token behind its words, as published.</summary>
internal static class TinyPaliGemma
{
    /// <summary>Writes the folder, with <paramref name="npz"/> as big_vision does.</summary>
    internal static string Write(string parent, bool masks = true, string system = "paligemma", bool npz = false)
    {
        string folder = Path.Combine(parent, system + masks);
        JsonObject tokenizer = JsonNode.Parse(File.ReadAllText(Golden.Own("tokenizers", "gemma-json", "tokenizer.json")))!.AsObject();
        int next = tokenizer["model"]!["vocab"]!.AsObject().Count;
        JsonArray words = tokenizer["added_tokens"]!.AsArray();
        while ((int)words[^1]!["id"]! >= next)
            words.RemoveAt(words.Count - 1);
        IEnumerable<string> added = Enumerable.Range(0, 1024).Select(i => $"<loc{i:d4}>").Concat(Enumerable.Range(0, 128).Select(i => $"<seg{i:d3}>")).Append("<image>");
        foreach (string token in added)
            words.Add(new JsonObject
            {
                ["id"] = next++,
                ["content"] = token,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = token == "<image>",
            });
        JsonObject config = TinyFolders.Config(system);
        config["image_token_index"] = next - 1;
        config["text_config"]!["vocab_size"] = (next + 63) / 64 * 64;
        PaliGemmaConfig sizes = PaliGemmaConfig.Read(TinyFolders.Save(folder, config));
        if (npz)
            TinyFolders.Npz(folder, system, ("llm/embedder/input_embedding", new Shape(next - 1, sizes.Decoder.Width)));
        else
            TinyFolders.Weights(folder, PaliGemmaMapping.Tensors(sizes));
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJsonString());
        if (masks)
            File.Copy(Golden.Own("paligemma", "vae-oid.npz"), Path.Combine(folder, "vae-oid.npz"));
        return folder;
    }
}

/// <summary>A SigLIP folder of random weights with a unigram vocabulary.</summary>
internal static class TinySiglip
{
    /// <summary>Writes the folder, with <paramref name="npz"/> as big_vision does.</summary>
    internal static string Write(string parent, bool npz = false)
    {
        string folder = Path.Combine(parent, npz ? "siglip-npz" : "siglip");
        JsonObject config = TinyFolders.Config("siglip");
        config["text_config"]!["vocab_size"] = 1000;
        config["text_config"]!["max_position_embeddings"] = 48;
        SiglipConfig sizes = SiglipConfig.Read(TinyFolders.Save(folder, config));
        if (npz)
            TinyFolders.Npz(folder, "siglip", ("txt/Embed_0/embedding", new Shape(1000, sizes.TextWidth)), ("txt/pos_embedding", new Shape(1, 48, sizes.TextWidth)));
        else
            TinyFolders.Weights(folder, SiglipMapping.Tensors(sizes));
        File.Copy(Golden.Own("tokenizers", "siglip-unigram", "tokenizer.model"), Path.Combine(folder, "spiece.model"));
        return folder;
    }
}

/// <summary>Pixtral as Mistral publishes it: params.json, consolidated.safetensors, tekken.json; the golden weights.</summary>
internal static class TinyPixtral
{
    internal static string Write(string parent)
    {
        string folder = Path.Combine(parent, "pixtral");
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "params.json", "consolidated.safetensors", "tekken.json" })
            File.Copy(Golden.Own("pixtral", file), Path.Combine(folder, file));
        return folder;
    }
}

internal static class TinyFolders
{
    internal static JsonObject Config(string system) => JsonNode.Parse(File.ReadAllText(Golden.Own(system, "config.json")))!.AsObject();

    internal static ConfigReader Save(string folder, JsonObject config)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "config.json");
        File.WriteAllText(path, config.ToJsonString());
        return ConfigReader.Open(path);
    }

    internal static void Weights(string folder, IEnumerable<WeightSpec> weights)
    {
        var random = new Random(7);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), weights.ToDictionary(w => w.Name, w =>
            Noise(random, w.Shape, w.Shape.Rank == 1 && w.Name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0)));
    }

    /// <summary>The golden archive of big_vision's names with some arrays exchanged for random ones of other sizes, which vocabularies need.</summary>
    internal static void Npz(string folder, string system, params (string Name, Shape Shape)[] exchanged)
    {
        var random = new Random(7);
        using IWeightSource file = WeightSource.Open(Golden.Own(system, "model.npz"));
        File.WriteAllBytes(Path.Combine(folder, "model.npz"), NpzBytes.Zip(deflated: true, [.. file.Tensors.Keys.Select(name =>
        {
            Shape? shape = exchanged.Where(e => name.EndsWith(e.Name, StringComparison.Ordinal)).Select(e => (Shape?)e.Shape).FirstOrDefault();
            HostTensor tensor = shape is { } other ? Noise(random, other, 0) : file.Read(name);
            string axes = string.Concat(tensor.Shape.Axes.ToArray().Select(a => $"{a},"));
            return (name, NpzBytes.Array(tensor.Type == DType.BF16 ? "|V2" : "<f4", $"({axes})", tensor.Data.Span));
        })]));
    }

    private static HostTensor Noise(Random random, Shape shape, float mean)
    {
        var tensor = new HostTensor(DType.F32, shape);
        float size = shape.Rank == 1 ? 0.1f : 1.5f / MathF.Sqrt((float)shape.Count / shape[0]);
        foreach (ref float v in tensor.Floats)
            v = (random.NextSingle() * 2 - 1) * size + mean;
        return tensor;
    }
}
