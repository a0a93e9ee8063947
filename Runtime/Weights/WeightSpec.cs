using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>One weight a model's graphs use.</summary>
/// <param name="Name">Name the graphs use.</param>
/// <param name="Shape">Shape the configuration needs.</param>
/// <param name="Packs">
/// It is a matrix that is only multiplied or looked up by rows, which executors do in any storage type. All other weights
/// (vectors, norms, convolutions, position tables that are added) are kept as floats.
/// </param>
public readonly record struct WeightSpec(string Name, Shape Shape, bool Packs)
{
    /// <summary>A weight of a decoder whose every matrix is multiplied or looked up by rows.</summary>
    public static implicit operator WeightSpec((string Name, Shape Shape) weight) => new(weight.Name, weight.Shape, weight.Shape.Rank == 2);

    /// <summary>Name and shape.</summary>
    public void Deconstruct(out string name, out Shape shape) => (name, shape) = (Name, Shape);
}
