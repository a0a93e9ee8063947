using VlmSdk.Execution;
using VlmSdk.Models.Scout;

namespace VlmSdk.Queries;

/// <summary>Opens a model of any family for <see cref="VlmModel"/>.</summary>
internal static class VlmRuntimes
{
    /// <summary>Reads the model and prepares it on an executor, which stays the caller's.</summary>
    internal static IVlmRuntime Load(string model, IExecutor executor, VlmModelOptions options, CancellationToken cancellationToken)
    {
        ScoutCheckpoint checkpoint = ScoutCheckpoint.Load(model);
        cancellationToken.ThrowIfCancellationRequested();
        return new ScoutRuntime(model, checkpoint, executor);
    }
}
