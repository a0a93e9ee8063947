using VlmSdk.Decoding;

namespace VlmSdk.Tests.Decoding;

/// <summary>When an answer ends and what of its text may be shown.</summary>
internal sealed class StoppingRuleTests
{
    [Test]
    public void End_tokens_and_the_token_limit_stop()
    {
        StoppingState state = new StoppingRule { EndIds = [2, 7], MaxTokens = 3 }.Begin();
        Assert.That(state.AcceptToken(1), Is.EqualTo(StopReason.None));
        Assert.That(state.AcceptToken(1), Is.EqualTo(StopReason.None));
        Assert.That(state.AcceptToken(1), Is.EqualTo(StopReason.MaxTokens));
        Assert.That(new StoppingRule { EndIds = [2, 7] }.Begin().AcceptToken(7), Is.EqualTo(StopReason.EndToken));
    }

    [Test]
    public void Text_before_a_stop_string_is_shown_however_it_is_cut()
    {
        const string Text = "one two###three";
        for (int a = 0; a <= Text.Length; a++)
            for (int b = a; b <= Text.Length; b++)
            {
                StoppingState state = new StoppingRule { StopStrings = ["###", "zzz"] }.Begin();
                string shown = "";
                foreach (string piece in new[] { Text[..a], Text[a..b], Text[b..] })
                    if (state.Reason == StopReason.None)
                        shown += state.AcceptText(piece);
                Assert.That(shown + state.Flush(), Is.EqualTo("one two"));
                Assert.That(state.Reason, Is.EqualTo(StopReason.StopString));
            }
    }

    [Test]
    public void A_beginning_that_does_not_go_on_is_shown_later()
    {
        StoppingState state = new StoppingRule { StopStrings = ["abab!"] }.Begin();
        Assert.That(state.AcceptText("xabab"), Is.EqualTo("x"));
        Assert.That(state.AcceptText("ab"), Is.EqualTo("ab"));
        Assert.That(state.Flush(), Is.EqualTo("abab"));
        Assert.That(state.Reason, Is.EqualTo(StopReason.None));
    }

    [Test]
    public void Wrong_settings_name_the_argument()
    {
        Assert.That(() => new StoppingRule { MaxTokens = 0 }, Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("MaxTokens"));
        Assert.That(() => new StoppingRule { StopStrings = ["a", ""] }, Throws.ArgumentException.With.Property("ParamName").EqualTo("StopStrings"));
    }
}
