namespace VlmSdk.Tensors;

/// <summary>Sizes of a tensor's axes, outermost first. Axes may be 0; rank 0 is a scalar.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    private readonly int[]? _axes;

    /// <summary>Creates a shape from its axes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An axis is negative.</exception>
    public Shape(params ReadOnlySpan<int> axes)
    {
        foreach (int axis in axes)
            ArgumentOutOfRangeException.ThrowIfNegative(axis);
        _axes = axes.ToArray();
    }

    /// <summary>Number of axes.</summary>
    public int Rank => Axes.Length;

    /// <summary>The axes, outermost first.</summary>
    public ReadOnlySpan<int> Axes => _axes;

    /// <summary>Number of elements: the product of the axes, 1 for a scalar.</summary>
    /// <exception cref="OverflowException">The product does not fit 64 bits.</exception>
    public long Count
    {
        get
        {
            long count = 1;
            foreach (int axis in Axes)
                count = checked(count * axis);
            return count;
        }
    }

    /// <summary>Size of one axis; <c>^1</c> is the last.</summary>
    public int this[Index index] => Axes[index];

    /// <summary>The axes of a range, as a shape.</summary>
    public Shape this[Range range] => new(Axes[range]);

    /// <summary>This shape with one axis replaced.</summary>
    public Shape With(Index index, int size)
    {
        int[] axes = Axes.ToArray();
        axes[index] = size;
        return new Shape(axes);
    }

    /// <summary>This shape followed by further axes.</summary>
    public Shape Append(params ReadOnlySpan<int> axes) => new([.. Axes, .. axes]);

    /// <summary>Resolves a possibly negative axis number (-1 is the last) to 0..Rank-1.</summary>
    /// <exception cref="ShapeMismatchException">The shape has no such axis.</exception>
    public int Axis(int axis)
    {
        int resolved = axis < 0 ? axis + Rank : axis;
        if (resolved < 0 || resolved >= Rank)
            throw new ShapeMismatchException($"Axis {axis} does not exist in shape {this} of rank {Rank}.");
        return resolved;
    }

    /// <summary>Row-major strides in elements.</summary>
    public int[] Strides()
    {
        var strides = new int[Rank];
        int stride = 1;
        for (int i = Rank - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Axes[i];
        }
        return strides;
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => Axes.SequenceEqual(other.Axes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (int axis in Axes)
            hash.Add(axis);
        return hash.ToHashCode();
    }

    /// <summary>Equality of all axes.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Inequality of any axis.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary>The axes in brackets, such as <c>[2, 64, 192]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", Axes.ToArray())}]";
}
