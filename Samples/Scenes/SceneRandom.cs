namespace VlmSdk.Samples.Scenes;

/// <summary>A small generator of our own (SplitMix64), so that a seed gives the same scene under every framework version.</summary>
internal sealed class SceneRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>64 fresh bits.</summary>
    public ulong NextBits()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Uniform in [0, 1).</summary>
    public float Unit() => (NextBits() >> 40) * (1f / (1 << 24));

    /// <summary>Uniform in [low, high).</summary>
    public float Range(float low, float high) => low + (high - low) * Unit();

    /// <summary>Uniform in 0..count-1.</summary>
    public int Below(int count) => (int)((NextBits() >> 32) * (ulong)count >> 32);

    /// <summary>True with this probability.</summary>
    public bool Chance(float probability) => Unit() < probability;

    /// <summary>Uniform angle in [0, 2 pi).</summary>
    public float Angle() => Range(0, MathF.Tau);

    /// <summary>The first <paramref name="count"/> of a random order of 0..total-1.</summary>
    public int[] Choose(int count, int total)
    {
        int[] order = new int[total];
        for (int i = 0; i < total; i++)
            order[i] = i;
        for (int i = 0; i < count; i++)
        {
            int other = i + Below(total - i);
            (order[i], order[other]) = (order[other], order[i]);
        }
        return order[..count];
    }
}
