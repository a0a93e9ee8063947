using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Scout;
using VlmSdk.Weights;

namespace VlmSdk.Models;

/// <summary>
/// The files of one model, opened and checked but not read: the weights, and the configuration that was published with
/// them in the same folder. Not thread-safe; dispose it when the weights needed are loaded.
/// </summary>
public sealed class ModelFiles : IDisposable
{
    private readonly List<IWeightSource> _further = [];

    private ModelFiles(string path, string folder, IWeightSource weights)
    {
        (Path, Folder, Weights) = (path, folder, weights);
        Config = OptionalConfig("config.json");
        Params = OptionalConfig("params.json");
    }

    /// <summary>The file or folder that was opened.</summary>
    public string Path { get; }

    /// <summary>The folder the files lie in.</summary>
    public string Folder { get; }

    /// <summary>The weights.</summary>
    public IWeightSource Weights { get; }

    /// <summary>Hugging Face's <c>config.json</c>; null if there is none, as with GGUF files, which describe themselves.</summary>
    public ConfigReader? Config { get; }

    /// <summary>Mistral's <c>params.json</c>; null if there is none.</summary>
    public ConfigReader? Params { get; }

    /// <summary>The architecture a GGUF file names; null for other files.</summary>
    public string? GgufArchitecture => Weights is GgufFile gguf && gguf.Metadata.TryGetString("general.architecture", out string? name) ? name : null;

    /// <summary>Opens a model.</summary>
    /// <param name="path">A folder of one model, its weights as <see cref="WeightSource.Open"/> takes them, or "scout" for the embedded model.</param>
    /// <exception cref="CheckpointException">A file is missing or not sound.</exception>
    public static ModelFiles Open(string path)
    {
        IWeightSource weights = path == ScoutCheckpoint.EmbeddedName ? ScoutCheckpoint.OpenEmbedded() : WeightSource.Open(path, beside: MaskCodec.FileName);
        try
        {
            return new ModelFiles(path, Directory.Exists(path) ? path : System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>A value of <c>model_type</c> in <c>config.json</c>, at the top or in a group of settings; null if there is none.</summary>
    public string? ModelType(string? group = null)
    {
        ConfigReader? json = group is null || Config is null ? Config : Config.Has(group) ? Config.Child(group) : null;
        return json is not null && json.Has("model_type") ? json.Text("model_type") : null;
    }

    /// <summary>A further configuration of the folder.</summary>
    /// <exception cref="CheckpointException">It is missing or not sound.</exception>
    public ConfigReader ReadConfig(params ReadOnlySpan<string> name) => ConfigReader.Open(System.IO.Path.Combine([Folder, .. name]));

    /// <summary>A further configuration of the folder, null if there is none. A GGUF file says everything itself; what happens to lie beside it is not its own.</summary>
    /// <exception cref="CheckpointException">It is not sound.</exception>
    public ConfigReader? OptionalConfig(string name) =>
        Weights is not GgufFile && File.Exists(System.IO.Path.Combine(Folder, name)) ? ReadConfig(name) : null;

    /// <summary>The path of a further file of the folder, null if there is none.</summary>
    public string? OptionalFile(string name) => System.IO.Path.Combine(Folder, name) is var path && File.Exists(path) ? path : null;

    /// <summary>Opens the weights of a folder inside this one, a part that is published by itself; they are closed with the others.</summary>
    /// <exception cref="CheckpointException">The folder is missing, holds none, or they are not sound.</exception>
    public IWeightSource OpenFurther(string name)
    {
        string path = System.IO.Path.Combine(Folder, name);
        if (!Directory.Exists(path))
            throw new CheckpointException(path, null, "there is no such folder. This part of the model is published by itself: download its weights and config.json into it.");
        IWeightSource weights = WeightSource.Open(path);
        _further.Add(weights);
        return weights;
    }

    /// <summary>Closes the weights. Tensors already read stay valid.</summary>
    public void Dispose()
    {
        Weights.Dispose();
        foreach (IWeightSource weights in _further)
            weights.Dispose();
    }
}
