using VlmSdk.Tensors;

namespace VlmSdk.Graphs;

/// <summary>
/// A node of a <see cref="Graph"/> and its single result. Immutable; belongs to the builder that made it.
/// Arithmetic operators record broadcasting elementwise operations.
/// </summary>
public sealed class Value
{
    internal Value(GraphBuilder builder, int id, Op op, Value[] inputs, Shape shape, DType type)
    {
        Builder = builder;
        Id = id;
        Op = op;
        Inputs = inputs;
        Shape = shape;
        Type = type;
    }

    internal GraphBuilder Builder { get; }

    /// <summary>Position in the graph; inputs always have smaller ones.</summary>
    public int Id { get; }

    /// <summary>The operation that makes this value.</summary>
    public Op Op { get; }

    /// <summary>The operation's inputs in order.</summary>
    public IReadOnlyList<Value> Inputs { get; }

    /// <summary>Shape of the result.</summary>
    public Shape Shape { get; }

    /// <summary>Element type of the result: F32 or I32.</summary>
    public DType Type { get; }

    /// <summary>Elementwise sum with broadcasting.</summary>
    public static Value operator +(Value a, Value b) => a.Builder.Binary(BinaryKind.Add, a, b);

    /// <summary>Elementwise difference with broadcasting.</summary>
    public static Value operator -(Value a, Value b) => a.Builder.Binary(BinaryKind.Subtract, a, b);

    /// <summary>Elementwise product with broadcasting.</summary>
    public static Value operator *(Value a, Value b) => a.Builder.Binary(BinaryKind.Multiply, a, b);

    /// <summary>Elementwise quotient with broadcasting.</summary>
    public static Value operator /(Value a, Value b) => a.Builder.Binary(BinaryKind.Divide, a, b);

    /// <summary>Every element plus a number.</summary>
    public static Value operator +(Value a, float b) => a + a.Builder.Scalar(b);

    /// <summary>Every element minus a number.</summary>
    public static Value operator -(Value a, float b) => a - a.Builder.Scalar(b);

    /// <summary>Every element times a number.</summary>
    public static Value operator *(Value a, float b) => a * a.Builder.Scalar(b);

    /// <summary>Every element divided by a number.</summary>
    public static Value operator /(Value a, float b) => a / a.Builder.Scalar(b);

    /// <summary>Every element negated.</summary>
    public static Value operator -(Value a) => a.Builder.Unary(UnaryKind.Negate, a);

    /// <inheritdoc/>
    public override string ToString() => $"%{Id} = {Op.Name}({string.Join(", ", Inputs.Select(i => $"%{i.Id}"))}) {Type}{Shape}";
}
