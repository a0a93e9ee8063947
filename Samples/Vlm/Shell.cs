using System.Text.Encodings.Web;
using System.Text.Json;

namespace VlmSdk.Samples.Vlm;

/// <summary>What every command does alike: errors to standard error with an exit code, JSON to standard output.</summary>
internal static class Shell
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Exit code 0 when the command ran, 1 when it failed for a reason it could name, 130 when interrupted.</summary>
    internal static async Task<int> RunAsync(Func<Task> command)
    {
        try
        {
            await command();
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("cancelled");
            return 130;
        }
        catch (Exception e) when (e is VlmException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"error: {e.Message}");
            return 1;
        }
    }

    internal static void WriteJson(object value) => Console.WriteLine(JsonSerializer.Serialize(value, Indented));
}
