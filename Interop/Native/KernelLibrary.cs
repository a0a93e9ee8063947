using System.Reflection;
using System.Runtime.InteropServices;

namespace VlmSdk.Native;

/// <summary>The kernel library cannot be loaded, or belongs to another version of VlmSdk.</summary>
public sealed class KernelLibraryException : VlmException
{
    /// <summary>Creates the exception; the message names the file tried and the remedy.</summary>
    public KernelLibraryException(string message, Exception? inner = null) : base(message, inner) { }
}

/// <summary>Finds and loads libvlm_kernels once per process.</summary>
internal static unsafe class KernelLibrary
{
    private static readonly Lock Gate = new();
    private static nint _handle;

    // The first call of the process goes through Load, so the resolver stands before it.
    static KernelLibrary() => NativeLibrary.SetDllImportResolver(typeof(KernelLibrary).Assembly, Resolve);

    /// <summary>Loads the library and checks its version. A path counts only for the first load of the process.</summary>
    internal static void Load(string? path)
    {
        lock (Gate)
        {
            nint handle = _handle;
            if (path is not null && (handle == 0 || !File.Exists(path)))
                handle = Open(path);
            else if (handle == 0 && !NativeLibrary.TryLoad(NativeMethods.Library, typeof(KernelLibrary).Assembly, DllImportSearchPath.AssemblyDirectory, out handle))
                handle = Open(Path.Combine(AppContext.BaseDirectory, FileName));
            _handle = handle;
            int abi = NativeMethods.AbiVersion();
            if (abi != NativeMethods.Abi || NativeMethods.OpBytes() != sizeof(NativeOp))
                throw new KernelLibraryException(
                    $"The kernel library {path ?? FileName} has interface version {abi}, this VlmSdk needs {NativeMethods.Abi}. Build native/ of the same version.");
        }
    }

    private static string FileName =>
        OperatingSystem.IsWindows() ? "vlm_kernels.dll" : OperatingSystem.IsMacOS() ? "libvlm_kernels.dylib" : "libvlm_kernels.so";

    private static nint Open(string path)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new KernelLibraryException(
                $"The CPU kernels {path} cannot be loaded: {e.Message.ReplaceLineEndings(" ")} Build them (dotnet build of Interop/Native needs g++ and cmake), " +
                $"put {FileName} beside the program or name it in NativeExecutorOptions.LibraryPath, or choose another backend.", e);
        }
    }

    // 0 lets the runtime go on with its own search.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) => name == NativeMethods.Library ? _handle : 0;
}
