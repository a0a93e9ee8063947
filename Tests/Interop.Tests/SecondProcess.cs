using System.Diagnostics;

namespace VlmSdk.Tests.Interop;

/// <summary>These tests once more in a process of their own, for what a process only reads or decides once.</summary>
internal static class SecondProcess
{
    internal static async Task<(int ExitCode, string Output)> RunAsync(string filter, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(SecondProcess).Assembly.Location, "--filter", filter, "--no-progress", "--no-ansi"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await errors);
    }
}
