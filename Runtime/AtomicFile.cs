namespace VlmSdk;

/// <summary>
/// The one way files are replaced here: written under another name beside their place, then moved there, so that a reader
/// finds the old file, the new one or none, but never a part. Stateless; several writers of one file do not meet, the last wins.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes a file whole or not at all.</summary>
    /// <param name="path">Where to, in a folder that exists; an existing file is replaced at the end.</param>
    /// <param name="write">Writes the content. Whatever it throws passes through, and nothing is left behind.</param>
    /// <param name="durable">
    /// True waits until the content is on the disk before the file is moved, so that not even a loss of power leaves a part.
    /// False spares that wait where a part would be noticed on reading.
    /// </param>
    /// <exception cref="ArgumentException">The path is empty or no path.</exception>
    /// <exception cref="IOException">The file cannot be written there.</exception>
    /// <exception cref="UnauthorizedAccessException">Writing there is not allowed.</exception>
    public static void Write(string path, Action<Stream> write, bool durable = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: durable);
            }
            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            Remove(partial);
            throw;
        }
    }

    private static void Remove(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report; a partial file is recognised by its name.
        }
    }
}
