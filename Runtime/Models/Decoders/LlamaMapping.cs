using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models.Decoders;

/// <summary>The tensors of a Llama decoder in a GGUF file: names as the graph uses them, shapes from the configuration.</summary>
public static class LlamaMapping
{
    /// <summary>Every tensor with its shape.</summary>
    public static IEnumerable<WeightSpec> Tensors(LlamaConfig c)
    {
        int queries = c.Heads * c.HeadWidth, keys = c.KeyValueHeads * c.HeadWidth;
        yield return ("token_embd.weight", new Shape(c.VocabularySize, c.Width));
        for (int i = 0; i < c.Layers; i++)
        {
            yield return ($"blk.{i}.attn_norm.weight", new Shape(c.Width));
            yield return ($"blk.{i}.attn_q.weight", new Shape(queries, c.Width));
            yield return ($"blk.{i}.attn_k.weight", new Shape(keys, c.Width));
            yield return ($"blk.{i}.attn_v.weight", new Shape(keys, c.Width));
            yield return ($"blk.{i}.attn_output.weight", new Shape(c.Width, queries));
            yield return ($"blk.{i}.ffn_norm.weight", new Shape(c.Width));
            yield return ($"blk.{i}.ffn_gate.weight", new Shape(c.MlpWidth, c.Width));
            yield return ($"blk.{i}.ffn_up.weight", new Shape(c.MlpWidth, c.Width));
            yield return ($"blk.{i}.ffn_down.weight", new Shape(c.Width, c.MlpWidth));
        }
        yield return ("output_norm.weight", new Shape(c.Width));
        if (!c.TiedOutput)
            yield return ("output.weight", new Shape(c.VocabularySize, c.Width));
        if (c.HasRopeFactors)
            yield return ("rope_freqs.weight", new Shape(c.RopeWidth / 2));
    }

    /// <summary>
    /// The graphs' name for a Hugging Face name below the decoder (<c>layers.0.self_attn.q_proj.weight</c>, <c>embed_tokens</c>,
    /// <c>norm</c>, <c>lm_head</c>); other names come back unchanged.
    /// </summary>
    public static string FromHuggingFace(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split('.');
        if (parts is [var single, "weight"])
            return single switch
            {
                "embed_tokens" => "token_embd.weight",
                "norm" => "output_norm.weight",
                "lm_head" => "output.weight",
                _ => name,
            };
        if (parts is not ["layers", var layer, .. var inner])
            return name;
        string? own = string.Join('.', inner) switch
        {
            "input_layernorm.weight" => "attn_norm",
            "post_attention_layernorm.weight" => "ffn_norm",
            "self_attn.q_proj.weight" => "attn_q",
            "self_attn.k_proj.weight" => "attn_k",
            "self_attn.v_proj.weight" => "attn_v",
            "self_attn.o_proj.weight" => "attn_output",
            "mlp.gate_proj.weight" => "ffn_gate",
            "mlp.up_proj.weight" => "ffn_up",
            "mlp.down_proj.weight" => "ffn_down",
            _ => null,
        };
        return own is null ? name : $"blk.{layer}.{own}.weight";
    }

    /// <summary>
    /// The graphs' name for a name in Mistral's own layout (<c>layers.0.attention.wq.weight</c>, <c>tok_embeddings</c>,
    /// <c>output</c>); other names come back unchanged.
    /// </summary>
    public static string FromMistral(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split('.');
        if (parts is ["tok_embeddings", "weight"])
            return "token_embd.weight";
        if (parts is ["norm", "weight"])
            return "output_norm.weight";
        if (parts is not ["layers", var layer, .. var inner])
            return name;
        string? own = string.Join('.', inner) switch
        {
            "attention_norm.weight" => "attn_norm",
            "ffn_norm.weight" => "ffn_norm",
            "attention.wq.weight" => "attn_q",
            "attention.wk.weight" => "attn_k",
            "attention.wv.weight" => "attn_v",
            "attention.wo.weight" => "attn_output",
            "feed_forward.w1.weight" => "ffn_gate",
            "feed_forward.w2.weight" => "ffn_down",
            "feed_forward.w3.weight" => "ffn_up",
            _ => null,
        };
        return own is null ? name : $"blk.{layer}.{own}.weight";
    }
}
