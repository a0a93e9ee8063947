using System.Numerics;
using Silk.NET.Vulkan;
using VlmSdk.Samples.Scenes;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Scenes;

internal sealed unsafe class SceneRendererTests
{
    private static SceneRenderer Renderer => SceneDrawing.Renderer;

    [TearDown]
    public void No_validation_message() => Assert.That(SceneDrawing.Messages, Is.Empty);

    [Test]
    public void A_scene_gives_the_same_bytes_again_whatever_was_drawn_between()
    {
        SceneDescription[] scenes = [.. Enumerable.Range(0, 12).Select(i => SceneGenerator.Create((ulong)i))];
        RenderedScene[] first = [.. Renderer.RenderAll(scenes)];
        using var other = new SceneRenderer(SceneDrawing.Device);
        for (int i = scenes.Length - 1; i >= 0; i--)
        {
            RenderedScene again = other.Render(scenes[i]);
            Assert.That(first[i].Scene, Is.SameAs(scenes[i]));
            Assert.That(again.Rgba, Is.EqualTo(first[i].Rgba));
            Assert.That(again.Ids, Is.EqualTo(first[i].Ids));
        }
    }

    [Test]
    public void An_unfinished_series_does_not_harm_the_next()
    {
        SceneDescription[] scenes = [.. Enumerable.Range(0, 6).Select(i => SceneGenerator.Create((ulong)i))];
        byte[] early = Renderer.RenderAll(scenes).First().Rgba;
        Assert.That(Renderer.Render(scenes[0]).Rgba, Is.EqualTo(early));
        using IEnumerator<RenderedScene> open = Renderer.RenderAll(scenes).GetEnumerator();
        open.MoveNext();
        Assert.That(() => Renderer.RenderAll(scenes).Count(), Throws.InvalidOperationException.With.Message.Contains("in flight"));
        Assert.That(open.MoveNext());
    }

    [Test]
    public void Every_shape_in_every_colour_shows_its_hue()
    {
        var found = new Dictionary<(ObjectShape, ObjectColour), SceneDescription>();
        for (ulong seed = 0; found.Count < 70; seed++)
        {
            SceneDescription scene = SceneGenerator.Create(seed);
            foreach (SceneObject solid in scene.Objects)
                found.TryAdd((solid.Shape, solid.Colour), SceneDrawing.CloseUp(scene, solid, 64));
        }
        foreach (RenderedScene frame in Renderer.RenderAll(found.Values))
        {
            SceneObject solid = frame.Scene.Objects[0];
            (float hue, float saturation, float value) = ToHsv(MeanColour(frame));
            string what = $"{solid.Colour} {solid.Shape}: hue {hue:f3}, saturation {saturation:f2}, value {value:f2}";
            Assert.That(frame.Ids.Count(id => id == 1), Is.InRange(64 * 64 / 40, 64 * 64 / 2), what);
            var box = SceneColours.Box(solid.Colour);
            switch (solid.Colour)
            {
                case ObjectColour.White:
                    Assert.That(value > 0.4f && saturation < 0.1f, what);
                    break;
                case ObjectColour.Black:
                    Assert.That(value < 0.25f, what);
                    break;
                default:
                    float middle = (box.HueLow + box.HueHigh) / 2, off = MathF.Abs(hue - middle);
                    Assert.That(MathF.Min(off, 1 - off), Is.LessThan((box.HueHigh - box.HueLow) / 2 + 0.012f), what);
                    break;
            }
        }
    }

    [Test]
    public void Shapes_have_their_outlines()
    {
        SceneDescription scene = SceneGenerator.Create(0);
        float Fill(ObjectShape shape, Vector3 scale, float round, bool turned = false)
        {
            Quaternion rotation = turned ? Quaternion.CreateFromAxisAngle(Vector3.UnitX, MathF.PI / 2) : Quaternion.Identity;
            var solid = new SceneObject(shape, ObjectColour.Red, new Vector3(0.9f, 0.1f, 0.1f), new Vector3(0, 2, 40), rotation, scale, round, 0, 0);
            var camera = new SceneCamera(new Vector3(0, 2, 0), 0, 0, 0, 0.1f);
            RenderedScene frame = Renderer.Render(SceneDrawing.Alone(scene, solid) with { Camera = camera, Width = 200, Height = 200 });
            ObjectLabel label = SceneLabeller.Label(frame).Objects.Single();
            return label.VisiblePixels / ((label.X1 - label.X0) * (label.Y1 - label.Y0) * 256 * 256);
        }
        // Seen straight from the side and far away: the share of the bounding box that the outline fills.
        Assert.That(Fill(ObjectShape.Cube, Vector3.One, 0), Is.EqualTo(1f).Within(0.03f));
        Assert.That(Fill(ObjectShape.Sphere, Vector3.Zero, 1), Is.EqualTo(MathF.PI / 4).Within(0.03f));
        Assert.That(Fill(ObjectShape.Cylinder, Vector3.One, 0), Is.EqualTo(1f).Within(0.05f));
        Assert.That(Fill(ObjectShape.Cylinder, Vector3.One, 0, turned: true), Is.EqualTo(MathF.PI / 4).Within(0.03f));
        Assert.That(Fill(ObjectShape.Cone, Vector3.One, 0), Is.EqualTo(0.5f).Within(0.04f));
        Assert.That(Fill(ObjectShape.Pyramid, Vector3.One, 0), Is.EqualTo(0.5f).Within(0.04f));
        Assert.That(Fill(ObjectShape.Capsule, new Vector3(0, 0.7f, 0), 0.6f), Is.EqualTo((1.4f * 1.2f + MathF.PI * 0.36f) / (1.2f * 2.6f)).Within(0.03f));
        float ring = MathF.PI * (1.3f * 1.3f - 0.7f * 0.7f) / (2.6f * 2.6f);
        Assert.That(Fill(ObjectShape.Ring, new Vector3(1, 0, 1), 0.3f, turned: true), Is.EqualTo(ring).Within(0.03f));
    }

    [Test]
    public void Shadows_fog_and_camera_noise_change_the_picture_but_not_the_ids()
    {
        SceneDescription bright = SceneGenerator.Create(7, new SceneOptions { MinObjects = 5, FrameSize = (256, 192) });
        bright = bright with { Light = bright.Light with { Shadows = false }, Noise = CameraNoise.None, Sky = bright.Sky with { Fog = 0 } };
        RenderedScene plain = Renderer.Render(bright);
        RenderedScene shadowed = Renderer.Render(bright with { Light = bright.Light with { Shadows = true } });
        RenderedScene foggy = Renderer.Render(bright with { Sky = bright.Sky with { Fog = 0.03f } });
        RenderedScene noisy = Renderer.Render(bright with { Noise = new CameraNoise(1, 1, Vector3.One, 8f / 255, 5) });
        foreach (RenderedScene other in new[] { shadowed, foggy, noisy })
        {
            Assert.That(other.Ids, Is.EqualTo(plain.Ids));
            Assert.That(other.Rgba, Is.Not.EqualTo(plain.Rgba));
        }
        Assert.That(Enumerable.Range(0, plain.Rgba.Length).All(i => shadowed.Rgba[i] <= plain.Rgba[i]), "A shadow never brightens.");
        double square = Enumerable.Range(0, plain.Ids.Length).Where(i => plain.Rgba[4 * i] is > 40 and < 215)
            .Average(i => Math.Pow(noisy.Rgba[4 * i] - plain.Rgba[4 * i], 2));
        Assert.That(Math.Sqrt(square), Is.EqualTo(8).Within(0.8));
    }

    [Test]
    public void An_engine_records_into_its_own_command_buffer()
    {
        VulkanDevice device = SceneDrawing.Device;
        Vk vk = device.Api;
        SceneDescription scene = SceneGenerator.Create(3, new SceneOptions { FrameSize = (320, 180) });
        using SceneTarget target = Renderer.CreateTarget(320, 180);
        Assert.That(() => Renderer.Record(default, scene with { Width = 321 }, target), Throws.ArgumentException.With.Message.Contains("321 x 180"));

        var pooling = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = device.QueueFamily };
        Assert.That(vk.CreateCommandPool(device.Device, &pooling, null, out CommandPool pool), Is.EqualTo(Result.Success));
        var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = pool, CommandBufferCount = 1 };
        vk.AllocateCommandBuffers(device.Device, &allocate, out CommandBuffer commands);
        var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo };
        vk.BeginCommandBuffer(commands, &begin);
        // Twice in a row, as in a frame loop; another scene first, which must leave no trace.
        Renderer.Record(commands, SceneGenerator.Create(4, new SceneOptions { FrameSize = (320, 180) }), target, ImageLayout.ShaderReadOnlyOptimal);
        Renderer.Record(commands, scene, target);
        using var pixels = new HostBuffer(device, 320 * 180 * 4);
        var region = new BufferImageCopy { ImageSubresource = new(ImageAspectFlags.ColorBit, 0, 0, 1), ImageExtent = new(320, 180, 1) };
        vk.CmdCopyImageToBuffer(commands, target.Colour, ImageLayout.TransferSrcOptimal, pixels.Handle, 1, &region);
        vk.EndCommandBuffer(commands);
        var submit = new SubmitInfo { SType = StructureType.SubmitInfo, CommandBufferCount = 1, PCommandBuffers = &commands };
        lock (device.SubmitLock)
        {
            Assert.That(vk.QueueSubmit(device.Queue, 1, &submit, default), Is.EqualTo(Result.Success));
            vk.QueueWaitIdle(device.Queue);
        }
        vk.DestroyCommandPool(device.Device, pool, null);
        Assert.That(pixels.Bytes.ToArray(), Is.EqualTo(Renderer.Render(scene).Rgba));
    }

    [Test]
    public void More_objects_than_the_shaders_hold_are_refused()
    {
        SceneDescription scene = SceneGenerator.Create(1, new SceneOptions { MinObjects = 1 });
        scene = scene with { Objects = [.. Enumerable.Repeat(scene.Objects[0], SceneDescription.MaxObjects + 1)] };
        Assert.That(() => Renderer.Render(scene), Throws.ArgumentException.With.Message.Contains("33 objects"));
        Assert.That(() => Renderer.CreateTarget(0, 10), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static Vector3 MeanColour(RenderedScene frame)
    {
        Vector3 sum = default;
        int count = 0;
        for (int i = 0; i < frame.Ids.Length; i++)
            if (frame.Ids[i] == 1)
            {
                sum += new Vector3(frame.Rgba[4 * i], frame.Rgba[4 * i + 1], frame.Rgba[4 * i + 2]) / 255;
                count++;
            }
        return sum / Math.Max(1, count);
    }

    private static (float Hue, float Saturation, float Value) ToHsv(Vector3 c)
    {
        float value = MathF.Max(c.X, MathF.Max(c.Y, c.Z)), spread = value - MathF.Min(c.X, MathF.Min(c.Y, c.Z));
        if (spread < 1e-6f)
            return (0, 0, value);
        float hue = value == c.X ? (c.Y - c.Z) / spread : value == c.Y ? 2 + (c.Z - c.X) / spread : 4 + (c.X - c.Y) / spread;
        return ((hue / 6 + 1) % 1, spread / value, value);
    }
}
