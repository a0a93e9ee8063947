using Silk.NET.Vulkan;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Vulkan;

/// <summary>
/// The thread of a capture that waits for the GPU in the renderer's stead: it completes slots, frees retired bindings and,
/// at the end, everything else. Owns the slots, the timeline and the pipelines.
/// </summary>
internal sealed unsafe class CaptureWorker
{
    // A wait is cut in slices so that a loss found by another thread ends it.
    private const ulong SliceNanoseconds = 100_000_000;

    private readonly VulkanDevice _device;
    private readonly object _gate;
    private readonly CaptureRing _ring;
    private readonly GpuBuffer[] _slots;
    private readonly Semaphore _timeline;
    private readonly CapturePipelines _pipelines;
    private readonly List<(CaptureBinding Binding, ulong Value)> _retired = [];
    private readonly List<(TaskCompletionSource Done, ulong Value)> _idle = [];
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private ulong _completed;
    private int _parts = 1;
    private bool _stop, _gaveUp;
    private Exception? _failure;

    internal CaptureWorker(VulkanDevice device, object gate, CaptureRing ring, GpuBuffer[] slots, Semaphore timeline, CapturePipelines pipelines)
    {
        (_device, _gate, _ring, _slots, _timeline, _pipelines) = (device, gate, ring, slots, timeline, pipelines);
        _thread = new Thread(Run) { IsBackground = true, Name = "VlmSdk capture" };
        _thread.Start();
    }

    /// <summary>Ends when everything is freed, lent slots included.</summary>
    internal Task Closed => _closed.Task;

    /// <summary>Why no frame can be delivered any more; null while all is well.</summary>
    internal Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>True when the thread has freed its part; read under the gate.</summary>
    internal bool Ended { get; private set; }

    /// <summary>Frees the binding once the timeline has reached the value.</summary>
    internal void Retire(CaptureBinding binding, ulong value)
    {
        lock (_gate)
        {
            _retired.Add((binding, value));
            Monitor.PulseAll(_gate);
        }
    }

    internal Task IdleAsync(ulong value)
    {
        lock (_gate)
        {
            if (Ended)
                return Task.CompletedTask;
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _idle.Add((done, value));
            Monitor.PulseAll(_gate);
            return done.Task;
        }
    }

    internal void Stop()
    {
        lock (_gate)
        {
            _stop = true;
            Monitor.PulseAll(_gate);
        }
    }

    internal void Join()
    {
        if (Thread.CurrentThread != _thread)
            _thread.Join();
    }

    /// <summary>No frame can be delivered any more.</summary>
    internal void Fail(Exception reason)
    {
        lock (_gate)
        {
            _ring.Close(reason);
            _failure ??= reason;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Frees a slot that was lent when the thread ended.</summary>
    internal void Free(int slot)
    {
        _slots[slot].Dispose();
        EndPart();
    }

    private void Run()
    {
        while (Next(out ulong value))
        {
            Result result = Wait(value);
            if (result == Result.Timeout && !_device.IsLost)
                continue;
            if (result == Result.Success)
                result = Finish(value);
            if (result != Result.Success)
                GiveUp(result == Result.Timeout ? Result.ErrorDeviceLost : result);
        }

        _pipelines.Dispose();
        _device.Dispatch.Destroy(_timeline);
        var free = new List<int>();
        lock (_gate)
        {
            Ended = true;
            for (int i = 0; i < _slots.Length; i++)
            {
                if (_ring.IsLent(i))
                    _parts++;
                else
                    free.Add(i);
            }
        }
        foreach (int slot in free)
            _slots[slot].Dispose();
        EndPart();
    }

    /// <summary>The next timeline value somebody is interested in; false when the capture has ended.</summary>
    private bool Next(out ulong value)
    {
        lock (_gate)
            while (true)
            {
                ulong next = ulong.MaxValue;
                if (_ring.NextValue() is > 0 and ulong frame)
                    next = frame;
                foreach ((_, ulong retired) in _retired)
                    next = Math.Min(next, retired);
                foreach ((_, ulong idle) in _idle)
                    next = Math.Min(next, idle);
                value = next;
                if (next != ulong.MaxValue)
                    return true;
                if (_stop)
                    return false;
                Monitor.Wait(_gate);
            }
    }

    private Result Wait(ulong value)
    {
        if (value <= _completed || _gaveUp)
            return Result.Success;
        Semaphore timeline = _timeline;
        var info = new SemaphoreWaitInfo { SType = StructureType.SemaphoreWaitInfo, SemaphoreCount = 1, PSemaphores = &timeline, PValues = &value };
        return _device.Dispatch.WaitSemaphores(&info, SliceNanoseconds);
    }

    private Result Finish(ulong value)
    {
        _completed = Math.Max(_completed, value);
        int slot;
        lock (_gate)
            slot = _ring.SlotAt(value);
        if (slot >= 0)
        {
            Result visible = _slots[slot].Invalidate();
            if (visible != Result.Success)
                return visible;
            lock (_gate)
                _ring.Complete(slot);
        }
        FreeRetired(value);
        return Result.Success;
    }

    private void FreeRetired(ulong value)
    {
        for (int i = _retired.Count - 1; i >= 0; i--)
        {
            CaptureBinding binding;
            lock (_gate)
            {
                if (_retired[i].Value > value)
                    continue;
                binding = _retired[i].Binding;
                _retired.RemoveAt(i);
            }
            binding.Dispose();
        }
        lock (_gate)
            for (int i = _idle.Count - 1; i >= 0; i--)
                if (_idle[i].Value <= value)
                {
                    _idle[i].Done.SetResult();
                    _idle.RemoveAt(i);
                }
    }

    /// <summary>
    /// The device is lost or a wait failed: nobody gets a frame any more. On a lost device work counts as ended; one more
    /// bounded wait covers a driver that reports a failure while the work still runs.
    /// </summary>
    private void GiveUp(Result result)
    {
        Fail(VulkanErrors.Create(result, "vkWaitSemaphores"));
        ulong last = 0;
        lock (_gate)
        {
            for (ulong next; (next = _ring.NextValue()) != 0;)
            {
                last = Math.Max(last, next);
                _ring.Complete(_ring.SlotAt(next));
            }
            foreach ((_, ulong retired) in _retired)
                last = Math.Max(last, retired);
            foreach ((_, ulong idle) in _idle)
                last = Math.Max(last, idle);
        }
        if (last > _completed)
            for (int i = 0; i < 10 && Wait(last) == Result.Timeout; i++) { }
        _gaveUp = true;
        FreeRetired(last);
    }

    private void EndPart()
    {
        if (Interlocked.Decrement(ref _parts) != 0)
            return;
        _device.Release();
        _closed.SetResult();
    }
}
