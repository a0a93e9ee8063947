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

    /// <summary>Refuses a text that no model would read before anything is loaded or drawn for it.</summary>
    internal static Option<T> Text<T>(Option<T> option)
    {
        option.Validators.Add(result => CheckText(result, option.Name));
        return option;
    }

    /// <inheritdoc cref="Text{T}(Option{T})"/>
    internal static Argument<T> Text<T>(Argument<T> argument)
    {
        argument.Validators.Add(result => CheckText(result, argument.Name));
        return argument;
    }

    /// <summary>
    /// Parses and runs. A text that begins with '@' is a text, no file of arguments; wrong arguments give one line that names
    /// them all, not the help.
    /// </summary>
    internal static async Task<int> InvokeAsync(RootCommand root, string[] args)
    {
        ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (result.Action is not ParseErrorAction)
            return await result.InvokeAsync();
        IEnumerable<string> faults = result.Errors.Select(e => e.Message.ReplaceLineEndings(" ").TrimEnd('.')).Distinct();
        await Console.Error.WriteLineAsync($"error: {string.Join("; ", faults)}. --help says what can be given.");
        return 1;
    }

    private static void CheckText(SymbolResult result, string name)
    {
        int limit = new VlmModelOptions().LongestText;
        foreach (Token token in result.Tokens)
            if (string.IsNullOrWhiteSpace(token.Value))
                result.AddError($"{name} is empty; give it at least one character.");
            else if (token.Value.Length > limit)
                result.AddError($"{name} has {token.Value.Length} characters, at most {limit} are read; shorten it.");
    }

    /// <summary>A value as JSON: names in snake case, two spaces deep, other than ASCII letters as they are.</summary>
    internal static string Json(object value) => JsonSerializer.Serialize(value, Indented);

    internal static void WriteJson(object value) => Console.WriteLine(Json(value));
}
