using System.Text.Json.Nodes;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Queries;

/// <summary>A LLaVA folder of random weights, with a real vocabulary, as one is published.</summary>
internal static class TinyLlava
{
    internal static string Write(string parent, string name = "llava", Action<JsonObject>? change = null)
    {
        string folder = Path.Combine(parent, name);
        Directory.CreateDirectory(folder);
        JsonObject config = JsonNode.Parse(File.ReadAllText(Golden.Own("llava", "config.json")))!.AsObject();
        config["text_config"]!["vocab_size"] = 1104;
        config["text_config"]!["max_position_embeddings"] = 320;
        config["image_token_index"] = 1100;
        config["pad_token_id"] = 1101;
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        LlavaConfig sizes = LlavaConfig.Read(ConfigReader.Open(Path.Combine(folder, "config.json")));
        var random = new Random(7);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), LlavaMapping.Tensors(sizes).ToDictionary(w => w.Name, w =>
        {
            var tensor = new HostTensor(DType.F32, w.Shape);
            float size = w.Shape.Rank == 1 ? 0.1f : 1.5f / MathF.Sqrt((float)w.Shape.Count / w.Shape[0]);
            foreach (ref float v in tensor.Floats)
                v = (random.NextSingle() * 2 - 1) * size + (w.Shape.Rank == 1 && w.Name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            return tensor;
        }));
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        File.Copy(Golden.Own("tokenizers", "llama-spm", "tokenizer.model"), Path.Combine(folder, "tokenizer.model"), overwrite: true);
        return folder;
    }
}
