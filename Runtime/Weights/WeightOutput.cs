using System.Text;

namespace VlmSdk.Weights;

/// <summary>What the writers of weights do alike.</summary>
internal static class WeightOutput
{
    /// <summary>UTF-8 without mark that refuses lone surrogates.</summary>
    internal static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="CheckpointException">The file cannot be written there.</exception>
    internal static void Write(string path, Action<Stream> write)
    {
        try
        {
            AtomicFile.Write(path, write);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, null, "cannot be written. Check that the folder exists, is writable and has room.", e);
        }
    }

    /// <summary>Writes so many zeros.</summary>
    internal static void Pad(Stream stream, long count)
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[64];
        for (; count > 0; count -= Math.Min(count, zeros.Length))
            stream.Write(zeros[..(int)Math.Min(count, zeros.Length)]);
    }
}
