using System.Text;

namespace VlmSdk.Tokenization;

/// <summary>Makes text from outside well-formed before anything looks at its characters.</summary>
internal static class TextRepair
{
    /// <summary>The text with every lone surrogate replaced by U+FFFD; the same object when there is none.</summary>
    internal static string ReplaceLoneSurrogates(string text)
    {
        int at = FirstLone(text, 0);
        if (at < 0)
            return text;
        var repaired = new StringBuilder(text);
        for (; at >= 0; at = FirstLone(text, at + 1))
            repaired[at] = '\uFFFD';
        return repaired.ToString();
    }

    private static int FirstLone(string text, int from)
    {
        for (int i = from; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                i++;
            else
                return i;
        }
        return -1;
    }

    /// <summary>The code point at an index of well-formed text.</summary>
    internal static Rune RuneAt(ReadOnlySpan<char> text, int at)
    {
        Rune.DecodeFromUtf16(text[at..], out Rune rune, out _);
        return rune;
    }
}
