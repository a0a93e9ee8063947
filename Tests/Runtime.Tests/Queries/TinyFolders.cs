using System.Text.Json.Nodes;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
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

/// <summary>A PaliGemma folder of random weights: the tokenizer has locations, mask tokens and the image token behind its words, as published.</summary>
internal static class TinyPaliGemma
{
    internal static string Write(string parent, bool masks = true, string system = "paligemma")
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
    internal static string Write(string parent)
    {
        string folder = Path.Combine(parent, "siglip");
        JsonObject config = TinyFolders.Config("siglip");
        config["text_config"]!["vocab_size"] = 1000;
        config["text_config"]!["max_position_embeddings"] = 48;
        SiglipConfig sizes = SiglipConfig.Read(TinyFolders.Save(folder, config));
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
        {
            var tensor = new HostTensor(DType.F32, w.Shape);
            float size = w.Shape.Rank == 1 ? 0.1f : 1.5f / MathF.Sqrt((float)w.Shape.Count / w.Shape[0]);
            foreach (ref float v in tensor.Floats)
                v = (random.NextSingle() * 2 - 1) * size + (w.Shape.Rank == 1 && w.Name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            return tensor;
        }));
    }
}
