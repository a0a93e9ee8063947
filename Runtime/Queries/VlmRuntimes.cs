using VlmSdk.Execution;
using VlmSdk.Models;
using VlmSdk.Models.Llava;
using VlmSdk.Models.PaliGemma;
using VlmSdk.Models.Pixtral;
using VlmSdk.Models.Scout;
using VlmSdk.Tensors;
using VlmSdk.Tokenization;
using VlmSdk.Vision;
using VlmSdk.Weights;

namespace VlmSdk.Queries;

/// <summary>Opens a model of any family for <see cref="VlmModel"/>.</summary>
internal static class VlmRuntimes
{
    /// <summary>Reads the model and prepares it on an executor, which stays the caller's.</summary>
    internal static IVlmRuntime Load(string path, IExecutor executor, VlmModelOptions options, CancellationToken cancellationToken)
    {
        using ModelFiles files = ModelFiles.Open(path);
        if (files.Weights is GgufFile gguf)
            return new ScoutRuntime(path, ScoutCheckpoint.Read(gguf), executor);
        ModelFamily family = ModelRegistry.Find(files);
        ModelDescription description = family.Describe(files);
        IPrefixModel model = description.Config switch
        {
            LlavaConfig c => new Llava(c, LlavaPrompt.Picture(c, files.OptionalConfig("preprocessor_config.json"))),
            PaliGemmaConfig c => new PaliGemma(c, SiglipPicture(files, c.Vision.ImageSide)),
            PixtralConfig c => new Pixtral(c),
            _ => throw new CheckpointException(path, null, $"is a {family.Name} model, which does not write text about pictures; it can: {family.Abilities}."),
        };
        ITokenizer tokenizer = TokenizerFile.Load(files.Folder);
        CheckTokenizer(path, tokenizer, model);
        cancellationToken.ThrowIfCancellationRequested();
        PaliGemmaGrounding? grounding = description.Config is PaliGemmaConfig config ? new(config, tokenizer, ReadMaskCodec(files), executor) : null;
        ModelAbilities abilities = grounding is { Segments: false } ? family.Abilities & ~ModelAbilities.Segment : family.Abilities;
        return new PrefixRuntime(new VlmCapabilities(path, abilities, null), model, tokenizer, Read(path, description, executor, options, cancellationToken), executor, grounding);
    }

    /// <summary>Reads a model's weights for the one executor that will run them, which takes each matrix over before the next is read.</summary>
    internal static WeightBinding Read(string path, ModelDescription description, IExecutor executor, VlmModelOptions options, CancellationToken cancellationToken)
    {
        var weights = new WeightBinding(path, new Dictionary<string, HostTensor>(), CheckpointMapping.Matrices(description.Needed));
        foreach ((WeightSpec weight, HostTensor tensor) in description.ReadEach(options.Reading, cancellationToken))
        {
            weights.Add(weight.Name, tensor);
            executor.Take(weights, weight);
        }
        return weights;
    }

    // Masks are given where it lies in the model's folder.
    private static MaskCodec? ReadMaskCodec(ModelFiles files)
    {
        if (files.OptionalFile(MaskCodec.FileName) is not { } path)
            return null;
        using IWeightSource file = WeightSource.Open(path);
        return MaskCodec.Read(file);
    }

    /// <summary>How SigLIP's image half is given pictures by the library whose files these are.</summary>
    internal static ImageConvention SiglipPicture(ModelFiles files, int side) =>
        FlaxWeights.Recognises(files.Weights) ? ImageConventions.SiglipJax(side) : ImageConventions.Siglip(side);

    private static void CheckTokenizer(string path, ITokenizer tokenizer, IPrefixModel model)
    {
        const string Remedy = "Use the tokenizer that belongs to the model.";
        if (tokenizer.VocabularySize > model.Decoder.VocabularySize)
            throw new CheckpointException(path, null, $"the tokenizer has {tokenizer.VocabularySize} tokens and the decoder reads {model.Decoder.VocabularySize}. {Remedy}");
        IEnumerable<string> control = model.Prompt(PromptTask.Answer, "").OfType<PromptPart.Control>().Select(c => c.Spelling);
        foreach (string token in control.Concat(model.EndTokens))
            if (tokenizer.FindId(token) is null)
                throw new CheckpointException(path, null, $"the tokenizer has no token '{token}', which the model's prompts need. {Remedy}");
        if (tokenizer.FindId(model.RowSpelling) is { } id && id != model.RowToken)
            throw new CheckpointException(path, null, $"the tokenizer gives '{model.RowSpelling}' the id {id}, and the configuration {model.RowToken}. {Remedy}");
    }
}
