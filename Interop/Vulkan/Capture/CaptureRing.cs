using System.Threading.Tasks.Sources;
using VlmSdk.Vision;

namespace VlmSdk.Vulkan;

/// <summary>
/// Which slot holds which frame, and who waits for one: newest frame wins. Knows nothing of Vulkan. Every member but
/// <see cref="Take"/> is called with the gate held; nothing allocates once the pools are warm.
/// </summary>
internal sealed class CaptureRing(object gate, Func<int, PatchGrid> lend)
{
    /// <summary>One frame being made, one ready, one lent to the encoder.</summary>
    internal const int Slots = 3;

    private enum State { Free, Claimed, InFlight, Ready, Lent }

    private readonly State[] _states = new State[Slots];
    private readonly long[] _frames = new long[Slots];
    private readonly ulong[] _values = new ulong[Slots];
    private readonly List<Waiter> _waiters = [];
    private readonly Stack<Waiter> _idle = new();
    private Exception? _closed;

    internal long Captured { get; private set; }

    internal long Dropped { get; private set; }

    internal long Superseded { get; private set; }

    internal long Delivered { get; private set; }

    internal bool IsLent(int slot) => _states[slot] == State.Lent;

    /// <summary>A slot for a new frame: a free one, else the one of a ready frame nobody took; -1 (and a drop) when there is neither.</summary>
    internal int Claim()
    {
        int slot = Array.IndexOf(_states, State.Free);
        if (slot < 0 && (slot = Array.IndexOf(_states, State.Ready)) >= 0)
            Superseded++;
        if (slot >= 0)
            _states[slot] = State.Claimed;
        else
            Dropped++;
        return slot;
    }

    /// <summary>The claimed slot's work was handed to the GPU and is done when the timeline reaches the value.</summary>
    internal void Submitted(int slot, long frame, ulong value)
    {
        (_states[slot], _frames[slot], _values[slot]) = (State.InFlight, frame, value);
        Captured++;
    }

    /// <summary>The claimed slot was not used after all.</summary>
    internal void Abandon(int slot) => _states[slot] = State.Free;

    /// <summary>The smallest timeline value that work in flight reaches; 0 when there is none.</summary>
    internal ulong NextValue()
    {
        ulong next = 0;
        for (int i = 0; i < Slots; i++)
            if (_states[i] == State.InFlight && (next == 0 || _values[i] < next))
                next = _values[i];
        return next;
    }

    /// <summary>The slot whose work ends at exactly this value, -1 when none.</summary>
    internal int SlotAt(ulong value)
    {
        for (int i = 0; i < Slots; i++)
            if (_states[i] == State.InFlight && _values[i] == value)
                return i;
        return -1;
    }

    /// <summary>The slot's frame is in host memory: gives it to who waits for it, or keeps it as the newest.</summary>
    internal void Complete(int slot)
    {
        if (_closed is not null)
        {
            _states[slot] = State.Free;
            return;
        }
        int chosen = -1;
        for (int i = 0; i < _waiters.Count; i++)
            if (_waiters[i].Frame == _frames[slot] || (_waiters[i].Frame < _frames[slot] && chosen < 0))
                chosen = i;
        if (chosen >= 0)
        {
            Waiter waiter = _waiters[chosen];
            _waiters.RemoveAt(chosen);
            waiter.Succeed(Lend(slot));
        }
        else
        {
            int old = Array.IndexOf(_states, State.Ready);
            if (old >= 0)
            {
                _states[old] = State.Free;
                Superseded++;
            }
            _states[slot] = State.Ready;
        }
        FailHopeless();
    }

    /// <summary>A lent slot came back.</summary>
    internal void Release(int slot) => _states[slot] = State.Free;

    /// <summary>No frame will be delivered any more. Slots in flight stay so until the work ends.</summary>
    internal void Close(Exception reason)
    {
        _closed ??= reason;
        for (int i = 0; i < Slots; i++)
            if (_states[i] == State.Ready)
                _states[i] = State.Free;
        foreach (Waiter waiter in _waiters)
            waiter.Fail(_closed);
        _waiters.Clear();
    }

    /// <summary>A grid of this frame or of a newer one.</summary>
    internal ValueTask<PatchGrid> Take(long frame, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<PatchGrid>(cancellationToken);
        Waiter waiter;
        lock (gate)
        {
            if (_closed is not null)
                return ValueTask.FromException<PatchGrid>(_closed);
            int ready = Array.IndexOf(_states, State.Ready);
            if (ready >= 0 && _frames[ready] >= frame)
                return new(Lend(ready));
            if (!IsComing(frame))
                return ValueTask.FromException<PatchGrid>(Hopeless(frame));
            waiter = _idle.Count > 0 ? _idle.Pop() : new Waiter(this);
            waiter.Frame = frame;
            _waiters.Add(waiter);
        }
        // Outside the gate: a token cancelled meanwhile calls back at once.
        waiter.Watch(cancellationToken);
        return new(waiter, waiter.Version);
    }

    private PatchGrid Lend(int slot)
    {
        _states[slot] = State.Lent;
        Delivered++;
        return lend(slot);
    }

    private bool IsComing(long frame)
    {
        for (int i = 0; i < Slots; i++)
            if (_states[i] == State.InFlight && _frames[i] >= frame)
                return true;
        return false;
    }

    private void FailHopeless()
    {
        for (int i = _waiters.Count - 1; i >= 0; i--)
        {
            Waiter waiter = _waiters[i];
            if (IsComing(waiter.Frame))
                continue;
            _waiters.RemoveAt(i);
            waiter.Fail(Hopeless(waiter.Frame));
        }
    }

    private static CaptureException Hopeless(long frame) => new(
        $"Frame {frame} was dropped or already taken, and no newer one is on its way. Submit another frame and take that one.");

    /// <summary>One call of Take that has to wait. Pooled: it goes back when its result is read.</summary>
    private sealed class Waiter(CaptureRing ring) : IValueTaskSource<PatchGrid>
    {
        private ManualResetValueTaskSourceCore<PatchGrid> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _registration;

        internal long Frame { get; set; }

        internal short Version => _core.Version;

        internal void Watch(CancellationToken token) => _registration = token.UnsafeRegister(
            static (self, cancelled) => ((Waiter)self!).Cancel(cancelled), this);

        internal void Succeed(PatchGrid grid) => _core.SetResult(grid);

        internal void Fail(Exception reason) => _core.SetException(reason);

        private void Cancel(CancellationToken token)
        {
            lock (ring.Gate)
                if (!ring._waiters.Remove(this))
                    return;
            _core.SetException(new OperationCanceledException(token));
        }

        PatchGrid IValueTaskSource<PatchGrid>.GetResult(short token)
        {
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                // Waits for a callback that is running, so that it cannot meet the next user of this object.
                _registration.Dispose();
                _core.Reset();
                lock (ring.Gate)
                    ring._idle.Push(this);
            }
        }

        ValueTaskSourceStatus IValueTaskSource<PatchGrid>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<PatchGrid>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }

    private object Gate => gate;
}
