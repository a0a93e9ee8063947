using VlmSdk.Tokenization;
using VlmSdk.Vision;

namespace VlmSdk.Models.Llava;

/// <summary>The form of LLaVA-1.5's conversations, and where the pictures of a prompt go (spec sheet, A4 and A5).</summary>
public static class LlavaPrompt
{
    private const string System = "A chat between a curious user and an artificial intelligence assistant. " +
        "The assistant gives helpful, detailed, and polite answers to the user's questions.";

    /// <summary>
    /// A conversation in the "vicuna v1" form. The pictures open the first user turn; every text is taken as it is.
    /// </summary>
    /// <param name="turns">Each user's text with the assistant's answer, null for the answer to come.</param>
    /// <param name="pictures">Pictures in front of the first text.</param>
    public static IReadOnlyList<PromptPart> Conversation(IReadOnlyList<(string User, string? Assistant)> turns, int pictures)
    {
        var parts = new List<PromptPart> { new PromptPart.Control("<s>") };
        string open = System + " ";
        for (int i = 0; i < turns.Count; i++)
        {
            (string user, string? assistant) = turns[i];
            open += "USER: ";
            if (i == 0)
                for (int p = 0; p < pictures; p++)
                {
                    parts.AddRange([new PromptPart.Text(open), new PromptPart.Picture()]);
                    open = "\n";
                }
            open += user + " ASSISTANT:" + (assistant is null ? "" : " " + assistant);
            parts.Add(new PromptPart.Text(open));
            if (assistant is not null)
                parts.Add(new PromptPart.Control("</s>"));
            open = "";
        }
        return parts;
    }

    /// <summary>
    /// How pictures are made: padded to a square where the folder asks for it, as the original code does; else the
    /// middle square, as Hugging Face does by default.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="preprocessor"><c>preprocessor_config.json</c>, null if the folder has none.</param>
    /// <exception cref="CheckpointException">The file asks for another size or another step than the model was trained with.</exception>
    public static ImageConvention Picture(LlavaConfig config, ConfigReader? preprocessor)
    {
        int side = config.Vision.ImageSide;
        if (config.OneTokenPerImage || preprocessor is null)
            return config.OneTokenPerImage ? ImageConventions.LlavaPad(side) : ImageConventions.ClipCrop(side);
        preprocessor.Require("do_resize", true);
        preprocessor.Require("do_normalize", true);
        preprocessor.RequireNumbers("image_mean", 0.48145466f, 0.4578275f, 0.40821073f);
        preprocessor.RequireNumbers("image_std", 0.26862954f, 0.26130258f, 0.27577711f);
        if (preprocessor.Has("crop_size") && preprocessor.Child("crop_size") is var crop && crop.Int("height", 1, 1 << 14, side) != side)
            throw preprocessor.Fault("crop_size", $"differs from the picture's side {side} in config.json. Use the files of one model.");
        return preprocessor.Flag("do_pad", false) ? ImageConventions.LlavaPad(side) : ImageConventions.ClipCrop(side);
    }

    /// <summary>
    /// Ids as the decoder takes them: every place of a picture row holds id 0, which is looked up and replaced, and the
    /// places are listed in order. The original layout's single token per picture grows to one per row.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="ids">Ids of one sequence, or of several of equal length one after the other.</param>
    /// <param name="pictures">Pictures that come with them.</param>
    /// <exception cref="ArgumentException">The prompt asks for more or fewer pictures than there are.</exception>
    public static (int[] Ids, int[] Places) Expand(LlavaConfig config, ReadOnlySpan<int> ids, int pictures)
    {
        var expanded = new List<int>(ids.Length);
        var places = new List<int>();
        foreach (int id in ids)
        {
            int rows = id != config.ImageToken ? 0 : config.OneTokenPerImage ? config.ImageRows : 1;
            for (int r = 0; r < rows; r++)
            {
                places.Add(expanded.Count);
                expanded.Add(0);
            }
            if (rows == 0)
                expanded.Add(id);
        }
        return places.Count == pictures * config.ImageRows
            ? ([.. expanded], [.. places])
            : throw new ArgumentException($"The prompt has room for {places.Count} picture rows and {pictures} pictures bring {pictures * config.ImageRows}; " +
                $"use one placeholder of {config.ImageRows} rows per picture.", nameof(pictures));
    }
}
