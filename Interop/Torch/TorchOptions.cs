namespace VlmSdk.Torch;

/// <summary>Settings of the torch executor and of training plans.</summary>
public sealed record TorchOptions
{
    /// <summary>
    /// Threads of one operation, for the whole process (libtorch has one setting); null leaves libtorch's choice, the
    /// number of cores.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Computes the heavy products (Linear, MatMul, Conv2d, the products of attention) in bfloat16 with results and all
    /// else in float32. Weights stay float32; they are rounded once a run. Off by default.
    /// </summary>
    public bool BFloat16Products { get; init; }
}
