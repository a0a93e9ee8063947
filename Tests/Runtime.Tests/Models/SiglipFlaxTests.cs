using VlmSdk.Models;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Tests.Weights;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Models;

/// <summary>big_vision's SigLIP files, taken apart and put together again with something changed.</summary>
[TestFixture]
public sealed class SiglipFlaxTests
{
    private const string Positions = "params/txt/pos_embedding", Second = "params/txt/Encoder_0/pos_embedding";

    [Test]
    public void A_second_table_of_positions_is_added()
    {
        HostTensor one = Read(_ => { })["text_model.embeddings.position_embedding.weight"];
        HostTensor both = Read(t => t.Add(Second, t[Positions]))["text_model.embeddings.position_embedding.weight"];
        Assert.That(both.Floats.ToArray(), Is.EqualTo(one.Floats.ToArray().Select(v => 2 * v)));
    }

    [Test]
    public void Parts_of_different_types_are_joined_as_floats()
    {
        const string Key = "params/img/MAPHead_0/MultiHeadDotProductAttention_0/key/kernel";
        HostTensor plain = Read(_ => { })["vision_model.head.attention.in_proj_weight"];
        HostTensor mixed = Read(t => t[Key] = Upper(t[Key]))["vision_model.head.attention.in_proj_weight"];
        Assert.That(mixed.Type, Is.EqualTo(DType.F32));
        int third = plain.Floats.Length / 3;
        Assert.That(mixed.Floats[..third].ToArray(), Is.EqualTo(plain.Floats[..third].ToArray()));
        Assert.That(mixed.Floats[third..(2 * third)].ToArray(), Is.EqualTo(plain.Floats[third..(2 * third)].ToArray()).Within(0.01).And.Not.EqualTo(plain.Floats[third..(2 * third)].ToArray()));
    }

    [Test]
    public void What_is_missing_twice_or_unknown_is_named() => Assert.Multiple(() =>
    {
        Assert.That(() => Read(t => t.Remove("params/img/MAPHead_0/MultiHeadDotProductAttention_0/key/kernel")), Refuses("in_proj_weight"));
        Assert.That(() => Read(t => t.Remove("params/t")), Refuses("logit_scale"));
        Assert.That(() => Read(t => t.Add("t", t["params/t"])), Refuses("same weight"));
        Assert.That(() => Read(t => t.Add("params/img/novelty", t["params/t"])), Refuses("novelty"));
        Assert.That(() => Read(t => t.Add(Second, t["params/t"])), Refuses("no Positions array"));
        Assert.That(() => Read(t => t.Add(Second, new HostTensor(DType.F32, new Shape(1, 2, 3)))), Refuses("parts of 'text_model.embeddings.position_embedding.weight'"));
        // No bytes, but axes beyond what three of them can be on top of each other.
        Assert.That(() => Read(t =>
        {
            foreach (string name in new[] { "query", "key", "value" })
                t[$"params/img/MAPHead_0/MultiHeadDotProductAttention_0/{name}/kernel"] = new HostTensor(DType.F32, new Shape(0, 1, int.MaxValue));
        }), Refuses("too large"));
    });

    private static NUnit.Framework.Constraints.IResolveConstraint Refuses(string named) =>
        Throws.InstanceOf<CheckpointException>().With.Message.Contains(named).And.Message.StartsWith("mem");

    private static HostTensor Upper(HostTensor floats)
    {
        var halves = new HostTensor(DType.BF16, floats.Shape);
        for (int i = 0; i < floats.Floats.Length; i++)
            floats.Data.Slice(4 * i + 2, 2).CopyTo(halves.Data[(2 * i)..]);
        return halves;
    }

    private static IReadOnlyDictionary<string, HostTensor> Read(Action<Dictionary<string, HostTensor>> change)
    {
        Dictionary<string, HostTensor> tensors;
        using (NpzFile sound = NpzFile.Open(Golden.Own("siglip", "model.npz")))
            tensors = sound.Tensors.Keys.ToDictionary(n => n, sound.Read);
        change(tensors);
        byte[] zip = NpzBytes.Zip(false, [.. tensors.Select(t => (t.Key, NpzBytes.Array(
            t.Value.Type == DType.BF16 ? "|V2" : "<f4", $"({string.Concat(t.Value.Shape.Axes.ToArray().Select(a => $"{a}, "))})", t.Value.Data.Span)))]);
        using NpzFile file = NpzFile.Parse("mem", zip);
        return SiglipMapping.Read(file, SiglipConfig.Read(ConfigReader.Open(Golden.Own("siglip", "config.json"))));
    }
}
