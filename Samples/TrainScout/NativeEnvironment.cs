using System.Runtime.InteropServices;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Environment variables as native libraries see them; .NET keeps a copy of its own on Unix.</summary>
internal static partial class NativeEnvironment
{
    /// <summary>Sets a variable that the user has not set. Has an effect only on libraries not yet loaded, and only on Linux.</summary>
    internal static void SetDefault(string name, string value)
    {
        if (OperatingSystem.IsLinux())
            _ = SetEnv(name, value, overwrite: 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnv(string name, string value, int overwrite);
}
