using System.Diagnostics;

namespace VlmSdk.Tests.Samples;

/// <summary>Runs a sample as its user would: as a process, with arguments, reading what it prints.</summary>
internal sealed record Sample(int ExitCode, string Output, string Error)
{
    // artifacts/bin/Samples.Tests/<configuration>/ lies beside artifacts/bin/<project>/<configuration>/.
    private static readonly string Bin = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", ".."));
    private static readonly string Configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;

    internal static Sample SceneQuery(params string[] arguments) => Run("SceneQuery", "SceneQuery.dll", arguments);

    internal static Sample Vlm(params string[] arguments) => Run("Vlm", "vlm.dll", arguments);

    internal static Sample TrainScout(params string[] arguments) => Run("VlmSdk.Samples.TrainScout", "trainscout.dll", arguments);

    private static Sample Run(string project, string program, string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(Bin, project, Configuration, program));
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        process.WaitForExit();
        return new Sample(process.ExitCode, output.Result, error.Result);
    }
}
