using System.Text;

namespace VlmSdk.Weights;

/// <summary>Writes a file whole or not at all: into a neighbour first, which then takes the name.</summary>
internal static class AtomicFile
{
    /// <summary>UTF-8 without mark that refuses lone surrogates.</summary>
    internal static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="CheckpointException">The file cannot be written there.</exception>
    internal static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            System.IO.File.Move(partial, path, overwrite: true);
        }
        catch (Exception e)
        {
            Remove(partial);
            if (e is IOException or UnauthorizedAccessException or NotSupportedException)
                throw new CheckpointException(path, null, "cannot be written. Check that the folder exists, is writable and has room.", e);
            throw;
        }
    }

    /// <summary>Writes so many zeros.</summary>
    internal static void Pad(Stream stream, long count)
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[64];
        for (; count > 0; count -= Math.Min(count, zeros.Length))
            stream.Write(zeros[..(int)Math.Min(count, zeros.Length)]);
    }

    private static void Remove(string partial)
    {
        try
        {
            System.IO.File.Delete(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report; a partial file is recognised by its name.
        }
    }
}
