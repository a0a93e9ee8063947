using System.Text;

namespace VlmSdk.Models.Scout;

/// <summary>
/// Writes Scout's tokens as English, piece by piece: spaces, punctuation and capitals set, <c>@top_left</c> as "at the
/// top left", "a" as "an" before a vowel. Joined pieces are the text. Not thread-safe.
/// </summary>
public sealed class ScoutSpeller
{
    private readonly bool _sentences;
    private bool _begun, _heldArticle, _capital;

    /// <summary>Begins a text.</summary>
    /// <param name="sentences">Whether the first word and the one after a full stop are capitalised.</param>
    public ScoutSpeller(bool sentences) => _sentences = _capital = sentences;

    /// <summary>The piece of a further token; empty when the token has to wait for its successor.</summary>
    public string Append(int token)
    {
        string word = ScoutVocabulary.Words[token];
        var piece = new StringBuilder();
        if (_heldArticle)
        {
            Write(piece, word[0] is 'a' or 'e' or 'i' or 'o' or 'u' ? "an" : "a");
            _heldArticle = false;
        }
        if (word == "a")
        {
            _heldArticle = true;
            return piece.ToString();
        }
        Write(piece, word switch
        {
            "i" => "I",
            "@middle_centre" => "in the middle",
            ['@', ..] => "at the " + word[1..].Replace('_', ' '),
            _ => word,
        });
        return piece.ToString();
    }

    /// <summary>What is still held back at the end.</summary>
    public string Finish()
    {
        var piece = new StringBuilder();
        if (_heldArticle)
            Write(piece, "a");
        _heldArticle = false;
        return piece.ToString();
    }

    /// <summary>A whole text.</summary>
    public static string Spell(IEnumerable<int> tokens, bool sentences = false)
    {
        var speller = new ScoutSpeller(sentences);
        return string.Concat(tokens.Select(speller.Append)) + speller.Finish();
    }

    private void Write(StringBuilder piece, string word)
    {
        bool punctuation = word is "," or "." or "?" or ":";
        if (_begun && !punctuation)
            piece.Append(' ');
        piece.Append(_capital && !punctuation ? char.ToUpperInvariant(word[0]) + word[1..] : word);
        _capital = _sentences && word is "." or "?";
        _begun = true;
    }
}
