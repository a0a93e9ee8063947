using VlmSdk.Tensors;

namespace VlmSdk.Graphs;

/// <summary>
/// One operation of the closed set. Core operations are the sealed records of <c>CoreOps.cs</c>; fused ones
/// (<c>FusedOps.cs</c>) also own a <see cref="Decompose"/> into core operations, which executors without the kernel use.
/// Records are immutable: two operations with equal settings are equal.
/// </summary>
public abstract record Op
{
    /// <summary>Name used in messages and prints.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>True when the operation is defined by its <see cref="Decompose"/>.</summary>
    public virtual bool IsFused => false;

    /// <summary>Shape and element type of the result, from the inputs' shapes.</summary>
    /// <exception cref="ShapeMismatchException">The inputs do not fit together.</exception>
    public abstract (Shape Shape, DType Type) Infer(IReadOnlyList<Value> inputs);

    /// <summary>The operation spelled out in core operations on the same builder.</summary>
    /// <exception cref="UnsupportedOpException">The operation is a core one, or keeps state and has no stateless form.</exception>
    public virtual Value Decompose(GraphBuilder g, IReadOnlyList<Value> inputs) =>
        throw new UnsupportedOpException("decomposing", Name, "it has no stateless form");

    private protected ShapeMismatchException Mismatch(IReadOnlyList<Value> inputs, string rule) =>
        new($"{Name} of {string.Join(" and ", inputs.Select(v => v.Shape.ToString()))}: {rule}");

    private protected void Require(bool holds, IReadOnlyList<Value> inputs, string rule)
    {
        if (!holds)
            throw Mismatch(inputs, rule);
    }

    /// <summary>Refuses integers among the first inputs.</summary>
    private protected void RequireFloats(IReadOnlyList<Value> inputs, int count = int.MaxValue) =>
        Require(inputs.Take(count).All(v => v.Type == DType.F32), inputs, "works on F32; cast integers first.");

    private protected static int Axis(int axis, IReadOnlyList<Value> inputs) => inputs[0].Shape.Axis(axis);
}
