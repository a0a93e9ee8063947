using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace VlmSdk.Samples;

/// <summary>What the command-line samples do alike: errors to standard error with an exit code, JSON to standard output.</summary>
internal static class Shell
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Most memory the process held at once.</summary>
    internal static long PeakBytes
    {
        get
        {
            using var process = System.Diagnostics.Process.GetCurrentProcess();
            return process.PeakWorkingSet64;
        }
    }

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
        catch (Exception e) when (e is VlmException or ArgumentException or IOException or UnauthorizedAccessException or OutOfMemoryException)
        {
            // Argument errors of the class library span two lines; scripts read one.
            await Console.Error.WriteLineAsync($"error: {e.Message.ReplaceLineEndings(" ")}");
            return 1;
        }
    }

    /// <summary>The option that names an executor: only the words of its help, never an enum's number.</summary>
    internal static Option<Backend> BackendOption()
    {
        var option = new Option<Backend>("--backend") { Description = "auto, native, torch or reference.", DefaultValueFactory = _ => Backend.Auto };
        option.Validators.Add(result =>
        {
            string[] names = Enum.GetNames<Backend>();
            foreach (Token token in result.Tokens)
                if (!names.Contains(token.Value, StringComparer.OrdinalIgnoreCase))
                    result.AddError($"There is no backend '{token.Value}'; choose {option.Description}");
        });
        return option;
    }

    /// <summary>Parses and runs. A text that begins with '@' is a text, no file of arguments, and a wrong argument gives its own line, not the help.</summary>
    internal static Task<int> InvokeAsync(RootCommand root, string[] args)
    {
        ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (result.Action is ParseErrorAction error)
            error.ShowHelp = false;
        return result.InvokeAsync();
    }

    /// <summary>A value as JSON: names in snake case, two spaces deep, other than ASCII letters as they are.</summary>
    internal static string Json(object value) => JsonSerializer.Serialize(value, Indented);

    internal static void WriteJson(object value) => Console.WriteLine(Json(value));
}
