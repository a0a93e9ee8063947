using System.Text;
using VlmSdk.Tokenization;

namespace VlmSdk.Models.Siglip;

/// <summary>How SigLIP reads text (spec sheet, B6).</summary>
public static class SiglipText
{
    /// <summary>The end of a text, and its padding, in SigLIP's vocabulary.</summary>
    public const string End = "</s>";

    /// <summary>The prompt that labels are put into by default.</summary>
    public const string Template = "This is a photo of {label}.";

    /// <summary>Lower case without ASCII punctuation, white space drawn together to single spaces.</summary>
    public static string Canonical(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var kept = new StringBuilder(text.Length);
        foreach (char c in text.ToLowerInvariant())
            if (!char.IsAscii(c) || !(char.IsPunctuation(c) || char.IsSymbol(c)))
                kept.Append(c);
        return string.Join(' ', kept.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>The ids of texts, each ended, padded with the end token and cut to the text length with the end kept: I32 [T, L] row by row.</summary>
    /// <exception cref="ArgumentException">The vocabulary has no end token.</exception>
    public static int[] Ids(SiglipConfig config, ITokenizer tokenizer, IReadOnlyList<string> texts)
    {
        int end = tokenizer.FindId(End) ?? throw new ArgumentException($"The vocabulary has no token '{End}'; use the tokenizer that belongs to the model.", nameof(tokenizer));
        var ids = new int[texts.Count * config.TextLength];
        Array.Fill(ids, end);
        for (int i = 0; i < texts.Count; i++)
        {
            int[] own = tokenizer.Encode(Canonical(texts[i]));
            own.AsSpan(0, Math.Min(own.Length, config.TextLength - 1)).CopyTo(ids.AsSpan(i * config.TextLength));
        }
        return ids;
    }
}
