using System.Collections.Concurrent;
using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>
/// Prepares batches on a thread of its own while the last one is trained on. Image n is decided by the seed and n alone, and
/// every seed has scenes of its own:
/// one of four images is new, the others come back after <see cref="ReuseDelay"/> scenes, every second time mirrored and
/// each time with other questions. So a resumed run sees what an uninterrupted one would.
/// </summary>
internal sealed class BatchFeed : IDisposable
{
    /// <summary>Scenes between two uses of a scene.</summary>
    internal const int ReuseDelay = 256;

    private const int Passes = 4;

    private const ulong ScenesOfASeed = 1 << 22, Seeds = 1 << 17;

    private readonly BlockingCollection<RawBatch> _ready = new(3);
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private Exception? _fault;

    /// <summary>Begins at an image number.</summary>
    internal BatchFeed(ScoutConfig config, int batch, int textLength, ulong seed, long firstImage, Func<long, LabelledPicture> scenes)
    {
        _thread = new Thread(() =>
        {
            try
            {
                for (long image = firstImage; !_stop.IsCancellationRequested; image += batch)
                    _ready.Add(Make(config, batch, textLength, seed, image, scenes), _stop.Token);
            }
            catch (OperationCanceledException)
            {
            }
            catch (Exception e)
            {
                _fault = e;
                _ready.CompleteAdding();
            }
        })
        { IsBackground = true, Name = "scenes" };
        _thread.Start();
    }

    /// <summary>The next batch; waits for it.</summary>
    /// <exception cref="VlmException">Drawing failed.</exception>
    internal RawBatch Next(CancellationToken cancellationToken)
    {
        try
        {
            return _ready.Take(cancellationToken);
        }
        catch (InvalidOperationException)
        {
            throw new VlmException($"Scenes could not be drawn: {_fault?.Message}", _fault);
        }
    }

    /// <summary>The batch that begins at an image number.</summary>
    internal static RawBatch Make(ScoutConfig config, int batch, int textLength, ulong seed, long firstImage, Func<long, LabelledPicture> scenes)
    {
        var result = new RawBatch(config, batch, textLength);
        for (int i = 0; i < batch; i++)
        {
            (long scene, bool mirrored) = Scene(firstImage + i);
            LabelledPicture picture = scenes(FirstSceneOf(seed) + scene);
            result.Set(i, mirrored ? SceneCache.Mirror(picture) : picture, RandomOf(seed, firstImage + i));
        }
        return result;
    }

    /// <summary>Which scene an image shows, and whether mirrored. Scenes before the first stand in for the uses it lacks.</summary>
    internal static (long Scene, bool Mirrored) Scene(long image)
    {
        long pass = image % Passes;
        return (image / Passes - pass * ReuseDelay, pass % 2 == 1);
    }

    /// <summary>Number of the first scene of a seed: all are below <see cref="Validation.FirstScene"/>.</summary>
    internal static long FirstSceneOf(ulong seed) => (long)((seed - 1) % Seeds * ScenesOfASeed);

    /// <summary>A generator of an image of a run.</summary>
    internal static Random RandomOf(ulong seed, long image)
    {
        ulong z = seed * 0x9E3779B97F4A7C15 + (ulong)image;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return new Random((int)(z >> 33));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _thread.Join();
        _ready.Dispose();
        _stop.Dispose();
    }
}
