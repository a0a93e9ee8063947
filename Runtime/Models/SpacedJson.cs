using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VlmSdk.Models;

/// <summary>
/// JSON as the prompts of published models hold it: ", " and ": " between the parts, characters beyond ASCII as they are,
/// keys in their order, numbers as they are spelt.
/// </summary>
internal static class SpacedJson
{
    /// <summary>Any JSON in this form.</summary>
    /// <exception cref="ArgumentException">It is no JSON; the message names <paramref name="what"/>.</exception>
    internal static string Write(string json, string what)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            var text = new StringBuilder();
            Write(text, document.RootElement);
            return text.ToString();
        }
        // A string with half a surrogate pair is found only when it is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ArgumentException($"The {what} are not JSON: {e.Message}", what, e);
        }
    }

    /// <summary>A string in this form, with its quotes.</summary>
    internal static string Quote(string value)
    {
        var text = new StringBuilder("\"");
        foreach (char c in value)
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => c.ToString(),
            });
        return text.Append('"').ToString();
    }

    private static void Write(StringBuilder text, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach ((int i, JsonProperty property) in element.EnumerateObject().Index())
                {
                    text.Append(i > 0 ? ", " : "").Append(Quote(property.Name)).Append(": ");
                    Write(text, property.Value);
                }
                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach ((int i, JsonElement item) in element.EnumerateArray().Index())
                {
                    text.Append(i > 0 ? ", " : "");
                    Write(text, item);
                }
                text.Append(']');
                break;
            case JsonValueKind.String:
                text.Append(Quote(element.GetString()!));
                break;
            default:
                text.Append(element.GetRawText());
                break;
        }
    }
}
