using Silk.NET.Vulkan;
using VlmSdk.Scheduling;
using VlmSdk.Tensors;
using VlmSdk.Vision;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace VlmSdk.Vulkan;

/// <summary>
/// Turns the frames of a live render target into patch grids on the caller's own device: one submit a frame, no copy of
/// the frame to the host, no waiting on the thread that renders. A ring of three slots lets one frame be made while one is
/// ready and one is being read; the newest frame wins, and a frame that finds no slot is dropped and counted.
/// </summary>
/// <remarks>
/// <see cref="Attach"/>, <see cref="Resize"/> and <see cref="Submit"/> belong to the thread that renders, one call at a
/// time. <see cref="TakeAsync"/> and the disposal of grids may happen on any thread. A steady frame allocates nothing.
/// docs/capture.md describes the hand-over.
/// </remarks>
public sealed class FrameCapture : IFrameSource, IDisposable, IAsyncDisposable
{
    private readonly object _gate = new(), _renderGate = new();
    private readonly VulkanDevice _device;
    private readonly VulkanDispatch _vk;
    private readonly FrameCaptureOptions _options;
    private readonly CapturePipelines _pipelines;
    private readonly GpuBuffer[] _slots = new GpuBuffer[CaptureRing.Slots];
    private readonly HostTensor[] _tensors = new HostTensor[CaptureRing.Slots];
    private readonly Action[] _releases = new Action[CaptureRing.Slots];
    private readonly CaptureBinding[] _slotBindings = new CaptureBinding[CaptureRing.Slots];
    private readonly CaptureRing _ring;
    private readonly CaptureWorker _worker;
    private readonly Semaphore _timeline;
    private CaptureBinding _binding;
    private ulong _lastValue;
    private long _frame;
    private bool _detached;

    private unsafe FrameCapture(VulkanDevice device, RenderTarget target, FrameCaptureOptions options)
    {
        (_device, _vk, _options) = (device, device.Dispatch, options);
        CapturePipelines? pipelines = null;
        try
        {
            _ = target.Plan(device);
            _pipelines = pipelines = new CapturePipelines(_vk, options.Precision);
            int bytes = checked(options.Grid.Count * sizeof(float));
            for (int i = 0; i < _slots.Length; i++)
            {
                int slot = i;
                _slots[i] = new GpuBuffer(_vk, (ulong)bytes, BufferUsageFlags.StorageBufferBit, readback: true);
                _tensors[i] = new HostTensor(DType.F32, options.Grid.Shape, new MappedMemory(_vk, _slots[i].Mapped, bytes).Memory);
                _releases[i] = () => Release(slot);
            }
            _binding = NewBinding(target);
            var kind = new SemaphoreTypeCreateInfo { SType = StructureType.SemaphoreTypeCreateInfo, SemaphoreType = SemaphoreType.Timeline };
            var info = new SemaphoreCreateInfo { SType = StructureType.SemaphoreCreateInfo, PNext = &kind };
            Semaphore timeline;
            VulkanErrors.Check(_vk.CreateSemaphore(&info, &timeline), "vkCreateSemaphore");
            _timeline = timeline;
        }
        catch
        {
            _binding?.Dispose();
            foreach (GpuBuffer? slot in _slots)
                slot?.Dispose();
            pipelines?.Dispose();
            throw;
        }
        _ring = new CaptureRing(_gate, slot => _slotBindings[slot].NextGrid(slot));
        _worker = new CaptureWorker(device, _gate, _ring, _slots, _timeline, _pipelines);
    }

    /// <summary>Starts to capture a render target. Compiles the shaders; call it while loading, not in mid-game.</summary>
    /// <param name="device">The device the image lives on.</param>
    /// <param name="target">The image and how it is handed over.</param>
    /// <param name="options">What to make of a frame; null for the grid of the embedded model.</param>
    /// <exception cref="CaptureException">The target cannot be captured as described, or the device has no memory left.</exception>
    /// <exception cref="ImageException">The grid's specification is not usable.</exception>
    /// <exception cref="DeviceLostException">The device is lost.</exception>
    public static FrameCapture Attach(VulkanDevice device, RenderTarget target, FrameCaptureOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(target);
        options ??= new();
        options.Grid.Check();
        device.AddReference();
        try
        {
            return device.IsLost ? throw VulkanErrors.Lost("An earlier call") : new FrameCapture(device, target, options);
        }
        catch
        {
            device.Release();
            throw;
        }
    }

    /// <summary>How the grids are made.</summary>
    public PatchGridSpec Grid => _options.Grid;

    /// <summary>What became of the frames so far.</summary>
    public FrameCaptureCounters Counters
    {
        get
        {
            lock (_gate)
                return new(_ring.Captured, _ring.Dropped, _ring.Superseded, _ring.Delivered);
        }
    }

    /// <summary>
    /// Captures the target as it is now, after everything submitted to the queue before. Returns at once: records nothing,
    /// waits for nothing, allocates nothing.
    /// </summary>
    /// <param name="waitFor">A semaphore the GPU waits for before it reads the target; none when the queue's order is enough.</param>
    /// <param name="signalTo">A semaphore the GPU signals when it has read the target and left it in its layout.</param>
    /// <returns>The receipt to take the grid with. A dropped frame is marked; its semaphores and layout are served all the same.</returns>
    /// <exception cref="DeviceLostException">The device is lost.</exception>
    /// <exception cref="CaptureException">The submit failed, for instance for want of memory; the semaphores are untouched.</exception>
    /// <exception cref="ObjectDisposedException">The capture was detached.</exception>
    public FrameTicket Submit(SemaphorePoint? waitFor = null, SemaphorePoint? signalTo = null)
    {
        lock (_renderGate)
        {
            ThrowIfUnusable();
            long frame = ++_frame;
            int slot;
            lock (_gate)
                slot = _ring.Claim();
            if (slot < 0)
            {
                if (waitFor is not null || signalTo is not null || _binding.ChangesLayout)
                    Send(_binding.Skip, default, waitFor, signalTo);
                return new FrameTicket(this, frame, Dropped: true);
            }
            try
            {
                Send(_binding.Capture(slot), _binding.Uploaded ? default : _binding.Upload, waitFor, signalTo);
            }
            catch
            {
                lock (_gate)
                    _ring.Abandon(slot);
                throw;
            }
            _binding.Uploaded = true;
            lock (_gate)
            {
                _slotBindings[slot] = _binding;
                _ring.Submitted(slot, frame, _lastValue);
                Monitor.PulseAll(_gate);
            }
            return new FrameTicket(this, frame);
        }
    }

    /// <summary>
    /// Captures another image from now on, such as the one a resized window has. Returns at once; frames already submitted
    /// are still delivered. Destroy the old image when <see cref="IdleAsync"/> or a device wait says that it is not read any more.
    /// </summary>
    /// <exception cref="CaptureException">The new target cannot be captured; the old one stays.</exception>
    /// <exception cref="DeviceLostException">The device is lost.</exception>
    /// <exception cref="ObjectDisposedException">The capture was detached.</exception>
    public void Resize(RenderTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        lock (_renderGate)
        {
            ThrowIfUnusable();
            CaptureBinding next = NewBinding(target);
            _worker.Retire(_binding, _lastValue);
            _binding = next;
        }
    }

    /// <summary>Ends when the GPU has finished everything submitted so far and retired targets are no longer referred to.</summary>
    public Task IdleAsync()
    {
        lock (_renderGate)
            return _worker.IdleAsync(_lastValue);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The ticket is of another source.</exception>
    public ValueTask<PatchGrid> TakeAsync(FrameTicket ticket, CancellationToken cancellationToken = default) =>
        ReferenceEquals(ticket.Source, this)
            ? _ring.Take(ticket.Frame, cancellationToken)
            : throw new ArgumentException("The ticket was issued by another frame source.", nameof(ticket));

    /// <summary>
    /// Ends the capture without waiting: whoever waits for a frame gets a <see cref="CaptureException"/>, and what the GPU
    /// still uses is freed in the background. Grids already handed out stay readable until they are disposed.
    /// </summary>
    public void Detach()
    {
        lock (_renderGate)
        {
            if (_detached)
                return;
            _detached = true;
            lock (_gate)
                _ring.Close(new CaptureException("The capture was detached before the frame was delivered. Attach a new one."));
            _worker.Retire(_binding, _lastValue);
            _worker.Stop();
        }
    }

    /// <summary>
    /// Detaches and blocks until the GPU no longer uses the target, so that it may be destroyed. Not for the middle of a
    /// frame. Grids still held keep their own memory; dispose them before the device is destroyed.
    /// </summary>
    public void Dispose()
    {
        Detach();
        _worker.Join();
    }

    /// <summary>Detaches and ends when the GPU no longer uses the target and every grid has been given back.</summary>
    public async ValueTask DisposeAsync()
    {
        Detach();
        await _worker.Closed.ConfigureAwait(false);
    }

    private CaptureBinding NewBinding(RenderTarget target)
    {
        CaptureBinding? made = null;
        return made = new CaptureBinding(
            _device, _pipelines, _options, target, _slots, slot => new PatchGrid(_options.Grid, made!.Map, _tensors[slot], _releases[slot]));
    }

    private void Release(int slot)
    {
        bool free;
        lock (_gate)
        {
            _ring.Release(slot);
            free = _worker.Ended;
        }
        if (free)
            _worker.Free(slot);
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_detached, this);
        if (_device.IsLost)
            throw VulkanErrors.Lost("An earlier call");
        if (_worker.Failure is { } failure)
            throw failure;
    }

    private unsafe void Send(CommandBuffer commands, CommandBuffer first, SemaphorePoint? waitFor, SemaphorePoint? signalTo)
    {
        CommandBuffer* buffers = stackalloc CommandBuffer[2] { first, commands };
        bool both = first.Handle != 0;
        SemaphorePoint wait = waitFor.GetValueOrDefault(), signal = signalTo.GetValueOrDefault();
        if (wait.Handle == 0 && waitFor is not null || signal.Handle == 0 && signalTo is not null)
            throw new ArgumentException("A semaphore handed to Submit is null; make it with VulkanDevice.BinarySemaphore or TimelineSemaphore.");
        ulong waitValue = wait.Value, value = _lastValue + 1;
        var waitHandle = new Semaphore(wait.Handle);
        Semaphore* signals = stackalloc Semaphore[2] { _timeline, new Semaphore(signal.Handle) };
        ulong* signalValues = stackalloc ulong[2] { value, signal.Value };
        PipelineStageFlags stage = PipelineStageFlags.AllCommandsBit;
        uint waits = waitFor is null ? 0u : 1u, signalCount = signalTo is null ? 1u : 2u;
        var timeline = new TimelineSemaphoreSubmitInfo
        {
            SType = StructureType.TimelineSemaphoreSubmitInfo,
            WaitSemaphoreValueCount = waits,
            PWaitSemaphoreValues = &waitValue,
            SignalSemaphoreValueCount = signalCount,
            PSignalSemaphoreValues = signalValues,
        };
        var info = new SubmitInfo
        {
            SType = StructureType.SubmitInfo,
            PNext = &timeline,
            WaitSemaphoreCount = waits,
            PWaitSemaphores = &waitHandle,
            PWaitDstStageMask = &stage,
            CommandBufferCount = both ? 2u : 1u,
            PCommandBuffers = both ? buffers : buffers + 1,
            SignalSemaphoreCount = signalCount,
            PSignalSemaphores = signals,
        };
        Result result;
        lock (_device.SubmitLock)
            result = _vk.QueueSubmit(&info);
        if (result != Result.Success)
        {
            VlmException failure = VulkanErrors.Create(result, "vkQueueSubmit");
            if (failure is DeviceLostException)
                _worker.Fail(failure);
            throw failure;
        }
        _lastValue = value;
    }
}
