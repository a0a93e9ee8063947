using Silk.NET.Vulkan;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>The ring's rules and the choice of memory, without a device.</summary>
internal sealed class RingTests
{
    private readonly object _gate = new();
    private readonly PatchGridSpec _spec = FormatTests.Spec(1, 1, FitKind.Stretch, ResizeFilter.Box, PatchLayout.Planar, 1);
    private CaptureRing _ring = null!;
    private ulong _value;

    [SetUp]
    public void NewRing()
    {
        _value = 0;
        _ring = new CaptureRing(_gate, slot => new PatchGrid(
            _spec, CoordinateMap.Create(_spec, 1 + slot, 1), new HostTensor(DType.F32, _spec.Shape), () => _ring.Release(slot)));
    }

    [Test]
    public async Task A_waiter_prefers_its_own_frame()
    {
        ValueTask<PatchGrid> second = default, first = default;
        Submit(1);
        Submit(2);
        second = _ring.Take(2, default);
        first = _ring.Take(1, default);
        Finish(1);
        Assert.That(first.IsCompleted && !second.IsCompleted);
        Finish(2);
        Assert.That((await first).Map.SourceWidth, Is.EqualTo(1));
        Assert.That((await second).Map.SourceWidth, Is.EqualTo(2));
    }

    [Test]
    public async Task A_dropped_frames_waiter_gets_a_newer_one_or_an_error()
    {
        for (int frame = 1; frame <= 3; frame++)
            Submit(frame);
        Assert.That(_ring.Claim(), Is.EqualTo(-1));
        Assert.That(async () => await _ring.Take(4, default), Throws.TypeOf<CaptureException>());
        Finish(1);
        Submit(5);
        ValueTask<PatchGrid> four = _ring.Take(4, default), five = _ring.Take(5, default);
        Finish(2);
        Finish(3);
        Finish(4);
        Assert.That(async () => await four, Throws.TypeOf<CaptureException>(), "frame 5 went to its own waiter and nothing newer is coming");
        Assert.That((await five).Map.SourceWidth, Is.EqualTo(1));
        Assert.That((_ring.Captured, _ring.Dropped, _ring.Superseded, _ring.Delivered), Is.EqualTo((4L, 1L, 2L, 1L)));
    }

    [Test]
    public async Task A_new_frame_takes_the_slot_of_a_ready_one_before_it_is_dropped()
    {
        Submit(1);
        Finish(1);
        using PatchGrid held = await _ring.Take(1, default);
        Submit(2);
        Finish(2);
        Submit(3);
        Submit(4);
        Assert.That(_ring.Superseded, Is.EqualTo(1));
        Assert.That(_ring.Claim(), Is.EqualTo(-1));
    }

    [Test]
    public void Closing_fails_everybody_and_in_flight_slots_end_quietly()
    {
        Submit(1);
        ValueTask<PatchGrid> waiting = _ring.Take(1, default);
        _ring.Close(new CaptureException("over"));
        Assert.That(async () => await waiting, Throws.TypeOf<CaptureException>().With.Message.EqualTo("over"));
        Finish(1);
        Assert.That(async () => await _ring.Take(1, default), Throws.TypeOf<CaptureException>());
        Assert.That(_ring.NextValue(), Is.Zero);
    }

    [Test]
    public void A_renewed_grid_must_have_been_disposed()
    {
        int released = 0;
        var grid = new PatchGrid(_spec, CoordinateMap.Create(_spec, 1, 1), new HostTensor(DType.F32, _spec.Shape), () => released++);
        Assert.That(grid.Renew, Throws.InvalidOperationException);
        grid.Dispose();
        grid.Dispose();
        grid.Renew();
        grid.Dispose();
        Assert.That(released, Is.EqualTo(2));
    }

    // Types as real devices list them: a discrete card, a phone without coherent cached memory, one without cached memory.
    [TestCase(new[] { 1, 6, 14 }, 0b111u, true, 2)]
    [TestCase(new[] { 1, 10, 6 }, 0b111u, true, 1)]
    [TestCase(new[] { 1, 6 }, 0b11u, true, 1)]
    [TestCase(new[] { 6, 1, 14 }, 0b111u, false, 1)]
    [TestCase(new[] { 1, 6, 14 }, 0b110u, false, 1)]
    public void Memory_for_reading_is_cached_when_it_can_be(int[] flags, uint allowed, bool readback, int expected)
    {
        var memory = new PhysicalDeviceMemoryProperties { MemoryTypeCount = (uint)flags.Length };
        for (int i = 0; i < flags.Length; i++)
            memory.MemoryTypes[i] = new MemoryType { PropertyFlags = (MemoryPropertyFlags)flags[i] };
        Assert.That(MemoryTypes.Choose(memory, allowed, readback ? MemoryTypes.Readback : MemoryTypes.Local).Index, Is.EqualTo((uint)expected));
    }

    [Test]
    public void A_device_without_fitting_memory_is_refused()
    {
        var memory = new PhysicalDeviceMemoryProperties { MemoryTypeCount = 1 };
        Assert.That(() => MemoryTypes.Choose(memory, 1, MemoryTypes.Readback), Throws.TypeOf<CaptureException>());
    }

    private void Submit(long frame)
    {
        int slot = _ring.Claim();
        Assert.That(slot, Is.GreaterThanOrEqualTo(0));
        _ring.Submitted(slot, frame, ++_value);
    }

    private void Finish(ulong value) => _ring.Complete(_ring.SlotAt(value));
}
