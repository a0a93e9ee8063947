using Microsoft.Win32.SafeHandles;

namespace VlmSdk.Weights;

/// <summary>
/// The bytes of one model file, read at positions: a file on disk, or memory. Safe to read from several threads.
/// </summary>
internal abstract class ByteSource(string name, long length) : IDisposable
{
    /// <summary>Path or name, for messages.</summary>
    internal string Name => name;

    /// <summary>Bytes when it was opened.</summary>
    internal long Length => length;

    /// <summary>Fills the buffer from a position that the caller has checked against <see cref="Length"/>.</summary>
    /// <exception cref="CheckpointException">The file was cut, grew, or cannot be read.</exception>
    internal abstract void Read(long position, Span<byte> buffer);

    public abstract void Dispose();

    internal static ByteSource FromMemory(string name, ReadOnlyMemory<byte> bytes) => new Memory(name, bytes);

    /// <exception cref="CheckpointException">There is no such file, or it may not be read.</exception>
    internal static ByteSource FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle? handle = null;
        try
        {
            // Others may replace or even cut the file meanwhile: each read looks at the length again.
            handle = System.IO.File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.RandomAccess);
            return new OnDisk(path, handle, RandomAccess.GetLength(handle));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            handle?.Dispose();
            string fault = e switch
            {
                FileNotFoundException or DirectoryNotFoundException => "there is no such file. Check the path, or download the model again.",
                _ when Directory.Exists(path) => "is a folder, not a file. Name the model file inside it.",
                UnauthorizedAccessException => "may not be read by this user. Change its permissions.",
                _ => "cannot be opened for reading as a regular file.",
            };
            throw new CheckpointException(path, null, fault, e);
        }
    }

    private sealed class Memory(string name, ReadOnlyMemory<byte> bytes) : ByteSource(name, bytes.Length)
    {
        internal override void Read(long position, Span<byte> buffer) => bytes.Span.Slice((int)position, buffer.Length).CopyTo(buffer);

        public override void Dispose() { }
    }

    private sealed class OnDisk(string name, SafeFileHandle handle, long length) : ByteSource(name, length)
    {
        internal override void Read(long position, Span<byte> buffer)
        {
            ObjectDisposedException.ThrowIf(handle.IsClosed, this);
            try
            {
                long now = RandomAccess.GetLength(handle);
                if (now != Length)
                    throw Changed(now);
                while (buffer.Length > 0)
                {
                    int count = RandomAccess.Read(handle, buffer, position);
                    if (count == 0)
                        throw Changed(RandomAccess.GetLength(handle));
                    buffer = buffer[count..];
                    position += count;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointException(Name, null, $"reading at byte {position} failed. Check the disk, or copy the file again.", e);
            }
        }

        public override void Dispose() => handle.Dispose();

        private CheckpointException Changed(long now) =>
            new(Name, null, $"had {Length} bytes when it was opened and has {now} now. Leave a model file alone while it is in use; open it again.");
    }
}
