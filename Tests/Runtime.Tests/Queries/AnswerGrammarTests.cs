using VlmSdk.Decoding;
using VlmSdk.Models.Scout;

namespace VlmSdk.Tests.Queries;

/// <summary>Whatever the logits, an answer has the form its grammar promises.</summary>
public sealed class AnswerGrammarTests
{
    internal static readonly AnswerTokens Tokens = new(
        Id("<eos>"), Id("<ref>"), Id("</ref>"), Id("<box>"), Id("</box>"), Id("<InView>"), Id("<NotInView>"),
        ScoutVocabulary.LocationBase, ScoutVocabulary.LocationBins,
        id => !ScoutVocabulary.IsControl(id) && !ScoutVocabulary.IsLocation(id) && ScoutVocabulary.Words[id][0] != '<');

    [TestCase(AnswerForm.Grounding)]
    [TestCase(AnswerForm.Detections)]
    public void Ten_thousand_random_logit_streams_give_only_valid_boxes(AnswerForm form)
    {
        var random = new Random(7);
        int boxes = 0;
        for (int stream = 0; stream < 10_000; stream++)
        {
            List<int> answer = RandomAnswer(random, form, maxTokens: random.Next(16, 64));
            boxes += CheckBoxes(answer);
        }
        Assert.That(boxes, Is.GreaterThan(5_000), "random streams must reach boxes for the test to mean anything");
    }

    [Test]
    public void A_text_holds_words_only_and_ends_inside_its_budget()
    {
        var random = new Random(8);
        for (int stream = 0; stream < 1_000; stream++)
        {
            List<int> answer = RandomAnswer(random, AnswerForm.Text, maxTokens: 20);
            Assert.That(answer[..^1].All(Tokens.IsWord) && answer[^1] == Tokens.End && answer.Count <= 20);
        }
    }

    [Test]
    public void A_token_out_of_place_is_refused()
    {
        var grammar = new AnswerGrammar(Tokens, AnswerForm.Grounding, ScoutVocabulary.Words.Count, 32);
        Assert.That(() => grammar.Accept(Tokens.BoxOpen), Throws.ArgumentException.With.Message.Contains("cannot follow"));
        grammar.Accept(Tokens.InView);
        grammar.Accept(Tokens.RefOpen);
        foreach (int outside in new[] { -1, ScoutVocabulary.Words.Count, int.MaxValue })
            Assert.That(() => grammar.Accept(outside), Throws.ArgumentException.With.Message.Contains("cannot follow"));
        grammar = new AnswerGrammar(Tokens, AnswerForm.Grounding, ScoutVocabulary.Words.Count, 32);
        grammar.Accept(Tokens.InView);
        Assert.That(grammar.Allows(Tokens.RefOpen) && !grammar.Allows(Tokens.End));
    }

    [Test]
    public void Right_and_bottom_lie_beyond_left_and_top()
    {
        var grammar = new AnswerGrammar(Tokens, AnswerForm.Grounding, ScoutVocabulary.Words.Count, 32);
        foreach (int token in new[] { Tokens.InView, Tokens.RefOpen, Id("cube"), Tokens.RefClose, Tokens.BoxOpen, Loc(126), Loc(3) })
            grammar.Accept(token);
        Assert.Multiple(() =>
        {
            Assert.That(grammar.Allows(Loc(126)), Is.False);
            Assert.That(grammar.Allows(Loc(127)), Is.True);
        });
    }

    private static List<int> RandomAnswer(Random random, AnswerForm form, int maxTokens)
    {
        var grammar = new AnswerGrammar(Tokens, form, ScoutVocabulary.Words.Count, maxTokens);
        var answer = new List<int>();
        var logits = new float[ScoutVocabulary.Words.Count];
        while (!grammar.IsDone)
        {
            for (int i = 0; i < logits.Length; i++)
                logits[i] = random.NextSingle();
            // Structure tokens are pushed now and then, else random words would rarely close a phrase.
            if (random.Next(3) == 0)
                foreach (int token in new[] { Tokens.InView, Tokens.RefOpen, Tokens.RefClose, Tokens.BoxOpen, Tokens.End })
                    logits[token] += random.NextSingle() * 2;
            grammar.Process(logits);
            int chosen = Logits.ArgMax(logits);
            answer.Add(chosen);
            grammar.Accept(chosen);
            Assert.That(answer, Has.Count.LessThanOrEqualTo(maxTokens));
        }
        return answer;
    }

    private static int CheckBoxes(List<int> answer)
    {
        int boxes = 0;
        for (int i = 0; i < answer.Count; i++)
        {
            if (answer[i] == Tokens.BoxOpen)
            {
                int[] box = answer.GetRange(i + 1, 4).Select(t => t - Tokens.LocationBase).ToArray();
                Assert.That(box.All(b => b is >= 0 and < 128) && box[2] > box[0] && box[3] > box[1] && answer[i + 5] == Tokens.BoxClose);
                boxes++;
                i += 5;
            }
            else
            {
                Assert.That(ScoutVocabulary.IsLocation(answer[i]), Is.False, "a location outside a box");
            }
        }
        int opened = answer.Count(t => t == Tokens.RefOpen), closed = answer.Count(t => t == Tokens.RefClose);
        Assert.That(opened, Is.EqualTo(closed));
        return boxes;
    }

    private static int Id(string word) => ScoutVocabulary.Id(word);

    private static int Loc(int bin) => ScoutVocabulary.LocationBase + bin;
}
