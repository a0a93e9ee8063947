using System.Numerics;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Tests.Interop.Scenes;

internal sealed class SceneGeneratorTests
{
    private const int Many = 400;

    private static readonly SceneDescription[] Drawn = [.. Enumerable.Range(0, Many).Select(i => SceneGenerator.Create((ulong)i))];

    private static string Text(SceneDescription scene) => $"{scene with { Objects = [] }} {string.Join(' ', scene.Objects)}";

    [Test]
    public void A_seed_gives_the_same_scene_again_and_another_seed_another()
    {
        Assert.That(Drawn.Select(Text), Is.EqualTo(Enumerable.Range(0, Many).Select(i => Text(SceneGenerator.Create((ulong)i)))));
        Assert.That(Drawn.Select(s => Text(s with { Seed = 0 })), Is.Unique);
        Assert.That(SceneGenerator.Create(ulong.MaxValue).Seed, Is.EqualTo(ulong.MaxValue));
    }

    [Test]
    public void Frames_run_from_square_to_21_9_with_long_sides_of_256_to_512()
    {
        int[] sides = [.. Drawn.Select(s => Math.Max(s.Width, s.Height))];
        float[] aspects = [.. Drawn.Select(s => (float)Math.Max(s.Width, s.Height) / Math.Min(s.Width, s.Height))];
        Assert.That(sides, Is.All.InRange(256, 512));
        Assert.That(sides.Count(s => s == 256) / (float)Many, Is.InRange(0.3f, 0.5f));
        Assert.That(aspects, Is.All.InRange(1f, 21f / 9 * 1.01f));
        Assert.That(aspects.Count(a => a == 1), Is.GreaterThan(Many / 20));
        Assert.That(aspects.Count(a => a > 2.2f), Is.GreaterThan(Many / 20));
        Assert.That(Drawn.Count(s => s.Height > s.Width), Is.InRange(1, Many / 8));
    }

    [Test]
    public void Objects_stand_apart_on_or_over_the_ground_at_useful_distances()
    {
        int hovering = 0, total = 0;
        foreach (SceneDescription scene in Drawn)
        {
            Assert.That(scene.Objects, Has.Count.LessThanOrEqualTo(8));
            foreach (SceneObject solid in scene.Objects)
            {
                float lowest = SceneMesh.WorldPoints(solid).Min(p => p.Y);
                Assert.That(lowest, Is.InRange(-1e-4f, 0.91f));
                total++;
                hovering += lowest > 0.05f ? 1 : 0;
                var foot = new Vector3(solid.Position.X, 0, solid.Position.Z);
                Assert.That(Vector3.Distance(foot, scene.Camera.Position), Is.InRange(1.79f, 11.51f));
                foreach (SceneObject other in scene.Objects.Where(o => !ReferenceEquals(o, solid)))
                    Assert.That(Vector2.Distance(new(other.Position.X, other.Position.Z), new(foot.X, foot.Z)), Is.GreaterThan(0.05f));
            }
        }
        Assert.That(hovering / (float)total, Is.InRange(0.03f, 0.1f));
    }

    [Test]
    public void Palettes_are_correlated_in_half_of_the_scenes()
    {
        SceneDescription[] full = [.. Drawn.Where(s => s.Objects.Count >= 6)];
        Assert.That(full, Has.Length.GreaterThan(50));
        float few = full.Count(s => s.Objects.Select(o => o.Colour).Distinct().Count() <= 3) / (float)full.Length;
        Assert.That(few, Is.InRange(0.2f, 0.6f));
        float twins = full.Average(s => s.Objects.Count(o => s.Objects.Count(p => p.Shape == o.Shape && p.Colour == o.Colour) > 1) / (float)s.Objects.Count);
        Assert.That(twins, Is.InRange(0.15f, 0.5f));
    }

    [Test]
    public void Options_fix_frame_objects_and_camera()
    {
        var options = new SceneOptions { MinObjects = 3, MaxObjects = 3, FrameSize = (640, 360), CameraNoise = false };
        foreach (SceneDescription scene in Enumerable.Range(0, 20).Select(i => SceneGenerator.Create((ulong)i, options)))
        {
            Assert.That((scene.Width, scene.Height), Is.EqualTo((640, 360)));
            Assert.That(scene.Objects, Has.Count.EqualTo(3));
            Assert.That(scene.Noise, Is.SameAs(CameraNoise.None));
        }
        Assert.That(SceneGenerator.Create(1, new SceneOptions { MaxObjects = 0 }).Objects, Is.Empty);
    }

    [TestCase(-1, 8, 256)]
    [TestCase(5, 4, 256)]
    [TestCase(0, SceneDescription.MaxObjects + 1, 256)]
    [TestCase(0, 8, 0)]
    public void Options_out_of_range_are_refused(int fewest, int most, int width)
    {
        var options = new SceneOptions { MinObjects = fewest, MaxObjects = most, FrameSize = (width, 256) };
        Assert.That(() => SceneGenerator.Create(0, options), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Camera_axes_are_a_right_angled_frame()
    {
        foreach (SceneDescription scene in Drawn.Take(20))
        {
            (Vector3 right, Vector3 up, Vector3 forward) = (scene.Camera with { Yaw = 0.7f }).Axes();
            Assert.That(new[] { right.Length(), up.Length(), forward.Length() }, Is.All.EqualTo(1f).Within(1e-5f));
            Assert.That(new[] { Vector3.Dot(right, up), Vector3.Dot(up, forward), Vector3.Dot(forward, right) }, Is.All.EqualTo(0f).Within(1e-5f));
            Assert.That(forward.Y, Is.Negative);
            Assert.That(up.Y, Is.Positive);
        }
    }
}
