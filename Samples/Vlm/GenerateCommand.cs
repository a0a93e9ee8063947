using VlmSdk.Decoding;
using VlmSdk.Execution;

namespace VlmSdk.Samples.Vlm;

/// <summary>generate: continues a text with a decoder and no picture.</summary>
internal sealed record GenerateCommand(string Model, string Prompt, Backend Backend, float Temperature, int Seed, int Max, bool Json)
{
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        using IExecutor executor = Backends.Create(Backend);
        await using TextModel model = await TextModel.LoadAsync(Model, new TextModelOptions { Executor = executor }, cancellationToken);
        var options = new GenerationOptions
        {
            Sampling = new SamplingOptions { Temperature = Temperature, Seed = unchecked((ulong)Seed) },
            MaxTokens = Max,
        };
        if (!Json)
        {
            await foreach (string piece in model.GenerateAsync(Prompt, options, cancellationToken))
                Console.Write(piece);
            Console.WriteLine();
            return;
        }
        GenerationResult result = await model.CompleteAsync(Prompt, options, cancellationToken);
        Shell.WriteJson(new
        {
            Model,
            Prompt,
            result.PromptIds,
            result.Ids,
            result.Text,
            FirstBest = result.FirstBest.Select(t => new { t.Id, t.Logit }),
            StopReason = result.StopReason.ToString(),
        });
    }
}
