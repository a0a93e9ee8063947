namespace VlmSdk.Graphs;

/// <summary>Elementwise functions of one argument.</summary>
public enum UnaryKind
{
    /// <summary>-x.</summary>
    Negate,
    /// <summary>Magnitude of x.</summary>
    Abs,
    /// <summary>e to the power x.</summary>
    Exp,
    /// <summary>Natural logarithm.</summary>
    Log,
    /// <summary>Square root.</summary>
    Sqrt,
    /// <summary>1 / sqrt(x).</summary>
    Rsqrt,
    /// <summary>x times x.</summary>
    Square,
    /// <summary>Hyperbolic tangent.</summary>
    Tanh,
    /// <summary>1 / (1 + e^-x).</summary>
    Sigmoid,
    /// <summary>x where it is above 0, else 0.</summary>
    Relu,
    /// <summary>Error function.</summary>
    Erf,
    /// <summary>log(1 + e^x).</summary>
    Softplus,
    /// <summary>Cosine of x in radians.</summary>
    Cos,
    /// <summary>Sine of x in radians.</summary>
    Sin,
}

/// <summary>Elementwise functions of two arguments, broadcasting.</summary>
public enum BinaryKind
{
    /// <summary>a + b.</summary>
    Add,
    /// <summary>a - b.</summary>
    Subtract,
    /// <summary>a times b.</summary>
    Multiply,
    /// <summary>a / b.</summary>
    Divide,
    /// <summary>The larger one; NaN if either is.</summary>
    Maximum,
    /// <summary>The smaller one; NaN if either is.</summary>
    Minimum,
}

/// <summary>Comparisons; the result is 1 or 0 as F32.</summary>
public enum CompareKind
{
    /// <summary>a = b.</summary>
    Equal,
    /// <summary>a &lt; b.</summary>
    Less,
    /// <summary>a &lt;= b.</summary>
    LessOrEqual,
}

/// <summary>Reductions along one axis.</summary>
public enum ReduceKind
{
    /// <summary>Sum; 0 of nothing.</summary>
    Sum,
    /// <summary>Arithmetic mean.</summary>
    Mean,
    /// <summary>Largest element.</summary>
    Max,
}

/// <summary>Activation functions of the published models.</summary>
public enum ActivationKind
{
    /// <summary>relu(x) squared.</summary>
    SquaredRelu,
    /// <summary>x * sigmoid(x).</summary>
    Silu,
    /// <summary>x / 2 * (1 + erf(x / sqrt 2)).</summary>
    Gelu,
    /// <summary>x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).</summary>
    GeluTanh,
    /// <summary>x * sigmoid(1.702 x).</summary>
    QuickGelu,
}

/// <summary>Order of the rotated pairs inside a head.</summary>
public enum RopeLayout
{
    /// <summary>Pairs (i, i + H/2), as Hugging Face checkpoints have them.</summary>
    HalfSplit,
    /// <summary>Pairs (2i, 2i + 1), as GGUF Llama files and Mistral's layout have them.</summary>
    Interleaved,
}
