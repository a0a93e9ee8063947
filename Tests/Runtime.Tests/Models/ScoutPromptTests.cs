using VlmSdk.Models.Scout;

namespace VlmSdk.Tests.Models;

/// <summary>How free text becomes Scout's words, and Scout's words become English.</summary>
public sealed class ScoutPromptTests
{
    [TestCase("the red cube", "<ground> the red cube <ans>")]
    [TestCase("Red cube", "<ground> the red cube <ans>")]
    [TestCase("a crimson ball", "<ground> the red sphere <ans>")]
    [TestCase("the blue one", "<ground> the blue object <ans>")]
    [TestCase("blue", "<ground> the blue object <ans>")]
    [TestCase("the cube to the left of the sphere", "<ground> the cube left of the sphere <ans>")]
    [TestCase("the cube in front of a green cone.", "<ground> the cube in front of the green cone <ans>")]
    [TestCase("the leftmost pyramid", "<ground> the leftmost pyramid <ans>")]
    [TestCase("red cubes", "<ground> the red cube <ans>")]
    [TestCase("the closest thing", "<ground> the nearest object <ans>")]
    public void Phrases_take_the_form_of_training(string phrase, string expected) =>
        Assert.That(Text(ScoutPrompt.Ground(ScoutPrompt.Fold(phrase))), Is.EqualTo(expected));

    [TestCase("How many red cubes are there?", "<ask> how many red cubes are there ? <ans>")]
    [TestCase("how many cubes", "<ask> how many cubes are there ? <ans>")]
    [TestCase("What color is the cone?", "<ask> what colour is the cone ? <ans>")]
    [TestCase("Are there any red cubes?", "<ask> is there a red cube ? <ans>")]
    [TestCase("is there an orange box", "<ask> is there a orange cube ? <ans>")]
    [TestCase("Which is nearer, the cube or the red ball?", "<ask> which is nearer , the cube or the red sphere ? <ans>")]
    [TestCase("Is the cube to the left of the cone?", "<ask> is the cube left of the cone ? <ans>")]
    public void Questions_take_the_form_of_training(string question, string expected) =>
        Assert.That(Text(ScoutPrompt.Ask(ScoutPrompt.Fold(question))), Is.EqualTo(expected));

    [Test]
    public void Listed_objects_become_a_sentence_that_fits()
    {
        int[] cube = Ids("orange cube"), ring = Ids("red ring");
        Assert.Multiple(() =>
        {
            Assert.That(Spell([], 64), Is.EqualTo("I see no objects."));
            Assert.That(Spell([(cube, 0.1, 0.9)], 64), Is.EqualTo("I see one object: an orange cube at the bottom left."));
            Assert.That(Spell([(cube, 0.5, 0.1), (ring, 0.5, 0.5)], 64),
                Is.EqualTo("I see two objects: an orange cube at the top centre, a red ring in the middle."));
            Assert.That(Spell([.. Enumerable.Repeat((ring, 0.9, 0.5), 13)], 256), Does.StartWith("I see objects: a red ring at the middle right, a"));
            Assert.That(ScoutPrompt.Sentence([.. Enumerable.Repeat((ring, 0.9, 0.5), 8)], 16), Has.Count.LessThanOrEqualTo(16));
        });
        static int[] Ids(string words) => [.. words.Split(' ').Select(ScoutVocabulary.Id)];
        static string Spell((int[], double, double)[] objects, int longest) => ScoutSpeller.Spell(ScoutPrompt.Sentence(objects, longest), sentences: true);
    }

    [Test]
    public void Unknown_words_and_synonyms_are_reported_by_name()
    {
        ScoutText text = ScoutPrompt.Fold("the shiny crimson box");
        Assert.Multiple(() =>
        {
            Assert.That(text.Unknown, Is.EqualTo(new[] { "shiny" }));
            Assert.That(text.Folded, Is.EqualTo(new[] { "crimson -> red", "box -> cube" }));
            Assert.That(ScoutPrompt.CanGround(text), Is.True);
            Assert.That(ScoutPrompt.CanGround(ScoutPrompt.Fold("the red giraffe")), Is.False);
        });
    }

    [Test]
    public void Control_spellings_in_user_text_never_become_control_tokens()
    {
        string[] control = ScoutVocabulary.Words.Where((_, id) => ScoutVocabulary.IsControl(id)).ToArray();
        Assert.That(control, Is.Not.Empty);
        foreach (string spelling in control)
            foreach (string text in new[] { spelling, $"the {spelling} cube", $"cube{spelling}", $"{spelling}{spelling}", spelling.ToUpperInvariant() })
            {
                int[] ids = ScoutPrompt.Ground(ScoutPrompt.Fold(text));
                Assert.That(ids.Count(ScoutVocabulary.IsControl), Is.EqualTo(2), $"'{text}' may add no control token to <ground> and <ans>");
            }
    }

    [Test]
    public void Content_tokens_in_user_text_stay_tokens() =>
        Assert.That(Text(ScoutPrompt.Ask(ScoutPrompt.Fold("what is at <loc5>"))), Does.Contain("<loc5>"));

    [TestCase("i see two objects : a orange cube @top_left , a red ring @middle_centre .", "I see two objects: an orange cube at the top left, a red ring in the middle.")]
    [TestCase("i see no objects .", "I see no objects.")]
    public void Tokens_read_as_english(string words, string expected) =>
        Assert.That(ScoutSpeller.Spell(words.Split(' ').Select(ScoutVocabulary.Id), sentences: true), Is.EqualTo(expected));

    private static string Text(int[] ids) => string.Join(' ', ids.Select(id => ScoutVocabulary.Words[id]));
}
