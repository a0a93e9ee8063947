using VlmSdk.Models.Decoders;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Pixtral;
using VlmSdk.Models.Scout;
using VlmSdk.Models.Siglip;
using VlmSdk.Tensors;
using VlmSdk.Weights;

namespace VlmSdk.Models;

/// <summary>What models of a family can do.</summary>
[Flags]
public enum ModelAbilities
{
    /// <summary>Nothing yet.</summary>
    None = 0,
    /// <summary>Continues text.</summary>
    Text = 1,
    /// <summary>Describes a picture.</summary>
    Describe = 2,
    /// <summary>Answers questions about a picture.</summary>
    Answer = 4,
    /// <summary>Finds phrases in a picture and gives boxes.</summary>
    Ground = 8,
    /// <summary>Says how well pictures and texts fit.</summary>
    Compare = 16,
    /// <summary>Finds phrases in a picture and gives boxes with masks.</summary>
    Segment = 32,
    /// <summary>Lists all objects it sees, with boxes.</summary>
    List = 64,
}

/// <summary>One family of models.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Abilities">What its models can do.</param>
/// <param name="Files">The published files that are read.</param>
/// <param name="Recognises">Whether opened files are of this family; looks at the configuration only.</param>
/// <param name="Describe">What the files' configuration asks for; throws <see cref="CheckpointException"/> for a setting this library does not run.</param>
public sealed record ModelFamily(
    string Name, ModelAbilities Abilities, string Files, Func<ModelFiles, bool> Recognises, Func<ModelFiles, ModelDescription> Describe);

/// <summary>What a configuration asks of the weights.</summary>
/// <param name="Layout">Which of the published layouts the files have.</param>
/// <param name="Config">The family's configuration record.</param>
/// <param name="Rename">The graphs' name for a name in the files, null for buffers that hold no weights.</param>
/// <param name="Needed">Every weight the graphs use.</param>
/// <param name="Unused">Further weights that such files may hold.</param>
public sealed record ModelDescription(
    string Layout, object Config, Func<string, string?> Rename, IReadOnlyList<WeightSpec> Needed, IReadOnlyList<WeightSpec> Unused)
{
    /// <summary>The weights under published names, where the files have others throughout (big_vision); the files' own otherwise.</summary>
    public required IWeightSource Weights { get; init; }

    /// <summary>Compares the files with what the model needs, without reading weights.</summary>
    public CheckpointFit Compare() => CheckpointMapping.Compare(Weights, Rename, Needed, Unused);

    /// <summary>Reads the weights by the graphs' names.</summary>
    /// <inheritdoc cref="CheckpointMapping.Read"/>
    public IReadOnlyDictionary<string, HostTensor> Read(WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.Read(Weights, Rename, Needed, Unused, reading, cancellationToken);

    /// <summary>Reads the weights one by one.</summary>
    /// <inheritdoc cref="CheckpointMapping.ReadEach"/>
    public IEnumerable<(WeightSpec Weight, HostTensor Tensor)> ReadEach(WeightReading? reading = null, CancellationToken cancellationToken = default) =>
        CheckpointMapping.ReadEach(Weights, Rename, Needed, Unused, reading, cancellationToken);
}

/// <summary>The families of models that are known here: the one table that loading and inspecting use.</summary>
public static class ModelRegistry
{
    /// <summary>Every family, in the order in which they are tried.</summary>
    public static IReadOnlyList<ModelFamily> Families { get; } =
    [
        new("Scout", ModelAbilities.Describe | ModelAbilities.Answer | ModelAbilities.Ground | ModelAbilities.List, "GGUF; one is embedded", f => f.GgufArchitecture == "scout", Scout),
        new("Llama", ModelAbilities.Text, "GGUF", f => f.GgufArchitecture == "llama", Llama),
        new("LLaVA", ModelAbilities.Describe | ModelAbilities.Answer, "Hugging Face (three generations of names), original",
            f => f.ModelType() is "llava" or "llava_llama" && f.ModelType("vision_config") != "pixtral", Llava),
        new("PaliGemma", ModelAbilities.Describe | ModelAbilities.Answer | ModelAbilities.Ground | ModelAbilities.Segment,
            "PaliGemma 1 and 2: Hugging Face (three generations of names), big_vision npz", f => f.ModelType() == "paligemma", PaliGemma),
        new("Pixtral", ModelAbilities.Describe | ModelAbilities.Answer, "Hugging Face (two generations of names), Mistral",
            f => f.ModelType() == "pixtral" || f.ModelType("vision_config") == "pixtral" || (f.Config is null && f.Params?.Has("vision_encoder") == true), Pixtral),
        new("SigLIP", ModelAbilities.Compare, "Hugging Face, big_vision npz", f => f.ModelType() == "siglip", Siglip),
    ];

    /// <summary>The table of what is known here, in Markdown: a row a family, a column an ability.</summary>
    public static string ToMarkdown()
    {
        ModelAbilities[] abilities = [.. Enum.GetValues<ModelAbilities>().Where(a => a != ModelAbilities.None)];
        var table = new System.Text.StringBuilder();
        table.Append("| family | ").AppendJoin(" | ", abilities.Select(a => a.ToString().ToLowerInvariant())).Append(" | files |\n");
        table.Append('|').Append(string.Concat(Enumerable.Repeat("---|", abilities.Length + 2))).Append('\n');
        foreach (ModelFamily family in Families)
            table.Append($"| {family.Name} | ").AppendJoin(" | ", abilities.Select(a => family.Abilities.HasFlag(a) ? "yes" : "")).Append($" | {family.Files} |\n");
        return table.ToString();
    }

    /// <summary>The family of opened files.</summary>
    /// <exception cref="CheckpointException">They are of none; the message names what was found and the families.</exception>
    public static ModelFamily Find(ModelFiles files)
    {
        ArgumentNullException.ThrowIfNull(files);
        return Families.FirstOrDefault(f => f.Recognises(files)) ?? throw Unknown(files);
    }

    private static CheckpointException Unknown(ModelFiles files)
    {
        string known = string.Join(", ", Families.Select(f => f.Name));
        if (files.GgufArchitecture is { } architecture)
            return new CheckpointException(files.Path, "general.architecture", $"is '{architecture}'; known here: {known}. Name a model of one of these families.");
        return files.ModelType() is { } type
            ? new CheckpointException(files.Config!.Source, "model_type", $"is '{type}'; known here: {known}. Name a model of one of these families.")
            : new CheckpointException(files.Path, null, "no config.json with a model_type lies beside these weights. Name the folder of a whole published model.");
    }

    private static ModelDescription Scout(ModelFiles files)
    {
        ScoutConfig config = ScoutCheckpoint.ReadConfig((GgufFile)files.Weights);
        return new ModelDescription("GGUF", config, name => name, ScoutCheckpoint.StoredWeights(config), []) { Weights = files.Weights };
    }

    private static ModelDescription Llama(ModelFiles files)
    {
        LlamaConfig config = LlamaConfig.FromGguf((GgufFile)files.Weights);
        return new ModelDescription("GGUF", config, name => name, [.. LlamaMapping.Tensors(config)], []) { Weights = files.Weights };
    }

    private static ModelDescription Llava(ModelFiles files)
    {
        ConfigReader json = files.Config!;
        bool original = json.Has("mm_projector_type");
        LlavaConfig config = original ? LlavaConfig.ReadOriginal(json, files.OptionalConfig(Path.Combine(LlavaMapping.TowerFolder, "config.json"))) : LlavaConfig.Read(json);
        // The original layout takes its image half from CLIP's own release, unless it is among the weights.
        IWeightSource weights = original && !LlavaMapping.HoldsTower(files.Weights)
            ? LlavaMapping.WithTower(files.Weights, files.OpenFurther(LlavaMapping.TowerFolder))
            : files.Weights;
        return new ModelDescription(original ? "original" : "Hugging Face", config, LlavaMapping.Rename, LlavaMapping.Tensors(config), LlavaMapping.Unused(config)) { Weights = weights };
    }

    private static ModelDescription Siglip(ModelFiles files)
    {
        SiglipConfig config = SiglipConfig.Read(files.Config!);
        return new ModelDescription(Layout(files), config, SiglipMapping.Rename, SiglipMapping.Tensors(config), []) { Weights = SiglipMapping.Published(files.Weights) };
    }

    private static ModelDescription PaliGemma(ModelFiles files)
    {
        PaliGemmaConfig config = PaliGemmaMapping.Fit(files.Weights, PaliGemmaConfig.Read(files.Config!));
        IWeightSource published = PaliGemmaMapping.Published(files.Weights);
        PaliGemmaMapping.CheckTied(published);
        return new ModelDescription(Layout(files), config, PaliGemmaMapping.Rename, PaliGemmaMapping.Tensors(config), PaliGemmaMapping.Unused(config))
        {
            Weights = published,
        };
    }

    private static ModelDescription Pixtral(ModelFiles files)
    {
        PixtralConfig config = files.Config is { } json ? PixtralConfig.Read(json) : PixtralConfig.ReadParams(files.Params!);
        if (!config.IsMistralLayout && files.OptionalConfig("preprocessor_config.json") is { } preprocessor)
            config = config.WithPreprocessor(preprocessor);
        PixtralMapping.CheckLayout(files.Weights, config);
        return new ModelDescription(config.IsMistralLayout ? "Mistral" : "Hugging Face", config, name => PixtralMapping.Rename(config, name), PixtralMapping.Tensors(config), [])
        {
            Weights = files.Weights,
        };
    }

    private static string Layout(ModelFiles files) => FlaxWeights.Recognises(files.Weights) ? "big_vision" : "Hugging Face";
}
