using VlmSdk.Execution;

namespace VlmSdk.Tests.Decoding;

/// <summary>A KV cache refuses impossible layouts, counts and uses after its end.</summary>
internal sealed class KvCacheTests
{
    private static readonly KvCacheSpec Small = new(2, 1, 4, 8);

    [Test]
    public void Impossible_layouts_are_refused() => Assert.Multiple(() =>
    {
        foreach (KvCacheSpec spec in new[] { Small with { Slots = 0 }, Small with { Heads = -1 }, Small with { HeadWidth = 0 }, Small with { Capacity = 0 }, Small with { Batch = 0 } })
            Assert.That(() => new KvCache(spec), Throws.ArgumentException.With.Message.Contains("at least 1"));
        Assert.That(() => new KvCache(new KvCacheSpec(1, 512, 4096, 8192)), Throws.ArgumentException.With.Message.Contains("2 GiB"));
        Assert.That(() => new KvCache(new KvCacheSpec(1, int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue)), Throws.ArgumentException);
    });

    [Test]
    public void Counts_must_fit()
    {
        using var cache = new KvCache(Small);
        cache.Advance(5);
        Assert.Multiple(() =>
        {
            Assert.That(() => cache.Advance(-1), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => cache.Advance(4), Throws.ArgumentException);
            Assert.That(() => cache.EnsureRoom(int.MaxValue), Throws.ArgumentException);
            Assert.That(() => cache.Truncate(6), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(cache.Length, Is.EqualTo(5));
        });
    }

    [Test]
    public void A_copy_of_itself_keeps_the_tokens()
    {
        using var cache = new KvCache(Small);
        cache.Advance(3);
        cache.CopyFrom(cache);
        Assert.That(cache.Length, Is.EqualTo(3));
    }

    [Test]
    public void A_disposed_cache_is_refused()
    {
        using var other = new KvCache(Small);
        var cache = new KvCache(Small);
        cache.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(() => cache.Keys(0), Throws.InstanceOf<ObjectDisposedException>());
            Assert.That(() => cache.Fork(), Throws.InstanceOf<ObjectDisposedException>());
            Assert.That(() => cache.Truncate(0), Throws.InstanceOf<ObjectDisposedException>());
            Assert.That(() => other.CopyFrom(cache), Throws.InstanceOf<ObjectDisposedException>());
        });
    }
}
