using System.Diagnostics.CodeAnalysis;

namespace VlmSdk.Scheduling;

/// <summary>
/// Runs the calls of one model on the thread pool, one at a time in the order in which they came, and ends what is waiting
/// or running when the model closes. Thread-safe.
/// </summary>
/// <param name="owner">The model's type, for messages.</param>
[SuppressMessage("Design", "CA1001", Justification = "CloseAsync disposes what has to be; the gate stays closed for those who still wait.")]
internal sealed class ModelGate(Type owner)
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _disposed;

    /// <summary>Refuses calls on a closed model.</summary>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, owner);

    /// <summary>Runs work alone, until it is done, cancelled, or the model closes.</summary>
    /// <exception cref="OperationCanceledException">The caller's token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was closed.</exception>
    internal async Task<T> RunAsync<T>(Func<CancellationToken, T> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CancellationTokenSource linked;
        try
        {
            linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        }
        catch (ObjectDisposedException)
        {
            throw new ObjectDisposedException(owner.Name);
        }
        using (linked)
        {
            try
            {
                await _gate.WaitAsync(linked.Token).ConfigureAwait(false);
                try
                {
                    return await Task.Run(() => work(linked.Token), CancellationToken.None).ConfigureAwait(false);
                }
                finally
                {
                    _gate.Release();
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
            catch (OperationCanceledException) when (_disposed != 0)
            {
                throw new ObjectDisposedException(owner.Name, "The model was disposed while the call was waiting or running.");
            }
        }
    }

    /// <summary>Ends all calls, then releases the model, once; every caller waits until that is done.</summary>
    internal async ValueTask CloseAsync(Action release)
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            await _closed.Task.ConfigureAwait(false);
            return;
        }
        await _closing.CancelAsync().ConfigureAwait(false);
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            release();
        }
        finally
        {
            _closing.Dispose();
            // The gate stays closed; whoever waits for it was cancelled by the closing token.
            _closed.SetResult();
        }
    }
}
