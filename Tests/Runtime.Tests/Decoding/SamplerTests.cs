using VlmSdk.Decoding;

namespace VlmSdk.Tests.Decoding;

/// <summary>The order of the sampler's steps, its distribution, its errors and its promise not to allocate.</summary>
internal sealed class SamplerTests
{
    [Test]
    public void Greedy_takes_the_largest_and_the_lowest_id_on_ties()
    {
        var sampler = new Sampler();
        Assert.That(sampler.Next([1, 3, 3, 2]), Is.EqualTo(1));
        Assert.That(sampler.Next([float.NegativeInfinity, -5, float.NegativeInfinity]), Is.EqualTo(1));
        Assert.That(sampler.Next([-0f, 0f]), Is.Zero);
    }

    [Test]
    public void Draws_follow_the_softmax()
    {
        float[] logits = [0, MathF.Log(2), MathF.Log(3), float.NegativeInfinity, MathF.Log(4)];
        AssertShares(new SamplingOptions { Temperature = 1, Seed = 5 }, logits, [.1, .2, .3, 0, .4]);
    }

    [Test]
    public void Temperature_sharpens_before_the_draw()
    {
        float[] logits = [0, MathF.Log(2), MathF.Log(3)];
        AssertShares(new SamplingOptions { Temperature = 0.5f, Seed = 6 }, logits, [1 / 14.0, 4 / 14.0, 9 / 14.0]);
    }

    [Test]
    public void Top_k_keeps_the_lowest_ids_on_ties() =>
        AssertShares(new SamplingOptions { Temperature = 1, TopK = 2, Seed = 7 }, [0, 1, 1, 1], [0, .5, .5, 0]);

    [Test]
    public void Top_p_keeps_the_smallest_set_that_reaches_the_share()
    {
        float[] logits = [0, MathF.Log(2), MathF.Log(3), MathF.Log(4)];
        AssertShares(new SamplingOptions { Temperature = 1, TopP = 0.65f, Seed = 8 }, logits, [0, 0, 3 / 7.0, 4 / 7.0]);
        AssertShares(new SamplingOptions { Temperature = 1, TopP = 0.75f, Seed = 8 }, logits, [0, 2 / 9.0, 3 / 9.0, 4 / 9.0]);
        AssertShares(new SamplingOptions { Temperature = 1, TopP = 1e-6f, Seed = 8 }, logits, [0, 0, 0, 1]);
    }

    [Test]
    public void Min_p_measures_against_the_likeliest()
    {
        float[] logits = [0, MathF.Log(2), MathF.Log(3), MathF.Log(4)];
        AssertShares(new SamplingOptions { Temperature = 1, MinP = 0.6f, Seed = 9 }, logits, [0, 0, 3 / 7.0, 4 / 7.0]);
    }

    [Test]
    public void Steps_apply_in_order()
    {
        // Top-k leaves 2, 3, 4 ninths; top-p over those keeps 3 and 4, where over all it would need three tokens.
        float[] logits = [0, MathF.Log(2), MathF.Log(3), MathF.Log(4)];
        AssertShares(new SamplingOptions { Temperature = 1, TopK = 3, TopP = 0.76f, Seed = 10 }, logits, [0, 0, 3 / 7.0, 4 / 7.0]);
    }

    [Test]
    public void A_seed_repeats_and_seeds_differ()
    {
        float[] logits = [.. Enumerable.Range(0, 100).Select(i => MathF.Sin(i))];
        int[] Draw(ulong seed)
        {
            var sampler = new Sampler(new SamplingOptions { Temperature = 1, TopK = 50, TopP = 0.9f, Seed = seed });
            return [.. Enumerable.Range(0, 50).Select(_ => sampler.Next(logits))];
        }
        Assert.That(Draw(1), Is.EqualTo(Draw(1)));
        Assert.That(Draw(2), Is.Not.EqualTo(Draw(1)));
        var again = new Sampler(new SamplingOptions { Temperature = 1, Seed = 3 });
        int[] first = [.. Enumerable.Range(0, 20).Select(_ => again.Next(logits))];
        again.Reset();
        Assert.That(Enumerable.Range(0, 20).Select(_ => again.Next(logits)), Is.EqualTo(first));
    }

    [Test]
    public void Top_k_selection_equals_sorting()
    {
        var random = new Random(4);
        for (int round = 0; round < 50; round++)
        {
            float[] logits = [.. Enumerable.Range(0, 200).Select(_ => MathF.Round(random.NextSingle() * 40) / 4 - 5)];
            int k = random.Next(2, 200);
            var kept = Enumerable.Range(0, 200).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(k).ToHashSet();
            var sampler = new Sampler(new SamplingOptions { Temperature = 20, TopK = k, Seed = (ulong)round });
            for (int i = 0; i < 50; i++)
                Assert.That(kept, Does.Contain(sampler.Next(logits)));
        }
    }

    [Test]
    public void The_exponential_is_exact_to_the_last_bits()
    {
        for (double x = 0; x > -690; x -= 0.37)
            Assert.That(Sampler.Exp(x) / Math.Exp(x), Is.EqualTo(1).Within(1e-14), $"exp({x})");
        Assert.That(Sampler.Exp(double.NegativeInfinity), Is.Zero);
    }

    [Test]
    public void A_call_allocates_nothing()
    {
        var logits = new float[5000];
        for (int i = 0; i < logits.Length; i++)
            logits[i] = MathF.Sin(i * 0.7f) * 8;
        foreach (SamplingOptions options in new[]
                 {
                     SamplingOptions.Greedy,
                     new SamplingOptions { Temperature = 0.8f, TopK = 40, TopP = 0.95f, MinP = 0.05f },
                     new SamplingOptions { Temperature = 0.8f, TopP = 0.95f },
                 })
        {
            var sampler = new Sampler(options);
            sampler.Next(logits);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 5; i++)
                sampler.Next(logits);
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        }
    }

    [Test]
    public void Unreadable_logits_are_named()
    {
        foreach (SamplingOptions options in new[] { SamplingOptions.Greedy, new SamplingOptions { Temperature = 1 } })
        {
            var sampler = new Sampler(options);
            Assert.That(() => sampler.Next([0, float.NaN, float.NaN]),
                Throws.TypeOf<ModelOutputException>().With.Message.Contains("Logit 1 is not a number").And.Message.Contains("2 of 3"));
            Assert.That(() => sampler.Next([float.PositiveInfinity, 0]), Throws.TypeOf<ModelOutputException>().With.Message.Contains("plus infinity"));
            Assert.That(() => sampler.Next([float.NegativeInfinity]), Throws.TypeOf<ModelOutputException>().With.Message.Contains("minus infinity"));
            Assert.That(() => sampler.Next([]), Throws.TypeOf<ModelOutputException>());
        }
    }

    [Test]
    public void Settings_out_of_range_name_the_argument()
    {
        Assert.That(() => new SamplingOptions { Temperature = -1 }, Refuses("Temperature"));
        Assert.That(() => new SamplingOptions { Temperature = float.NaN }, Refuses("Temperature"));
        Assert.That(() => new SamplingOptions { TopK = -1 }, Refuses("TopK"));
        Assert.That(() => new SamplingOptions { TopP = 0 }, Refuses("TopP"));
        Assert.That(() => new SamplingOptions { TopP = float.NaN }, Refuses("TopP"));
        Assert.That(() => new SamplingOptions { MinP = 1.5f }, Refuses("MinP"));
        Assert.That(() => SamplingOptions.Greedy with { MinP = float.NaN }, Refuses("MinP"));
        static NUnit.Framework.Constraints.IResolveConstraint Refuses(string name) =>
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Property(nameof(ArgumentException.ParamName)).EqualTo(name);
    }

    [Test]
    public void The_best_logits_and_probabilities_are_read_right()
    {
        float[] logits = [0, MathF.Log(2), MathF.Log(3), MathF.Log(2), float.NegativeInfinity];
        Assert.That(Logits.Top(logits, 3).Select(t => t.Id), Is.EqualTo(new[] { 2, 1, 3 }));
        Assert.That(Logits.Top(logits, 9), Has.Length.EqualTo(5));
        Assert.That(Logits.Top(logits, 0), Is.Empty);
        Assert.That(Logits.Probability(logits, 2), Is.EqualTo(3 / 8.0).Within(1e-6));
        Assert.That(Logits.Probability(logits, 4), Is.Zero);
    }

    private static void AssertShares(SamplingOptions options, float[] logits, double[] expected)
    {
        const int Draws = 20_000;
        var sampler = new Sampler(options);
        var counts = new int[logits.Length];
        for (int i = 0; i < Draws; i++)
            counts[sampler.Next(logits)]++;
        for (int id = 0; id < logits.Length; id++)
        {
            // Five standard deviations; impossible tokens must never come.
            double slack = 5 * Math.Sqrt(expected[id] * (1 - expected[id]) / Draws);
            Assert.That((double)counts[id] / Draws, Is.EqualTo(expected[id]).Within(slack), $"token {id}");
        }
    }
}
