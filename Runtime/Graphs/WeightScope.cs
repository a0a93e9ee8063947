namespace VlmSdk.Graphs;

/// <summary>
/// A path into the checkpoint's names: <c>w["dec"][i]["n1"].Weight("weight", width)</c> declares the weight
/// <c>dec.3.n1.weight</c>, so that a model file shows the published names unchanged.
/// </summary>
public readonly struct WeightScope
{
    private readonly GraphBuilder _graph;
    private readonly string _path;

    /// <summary>A scope at the root of the names, or below a prefix.</summary>
    public WeightScope(GraphBuilder graph, string path = "") => (_graph, _path) = (graph, path);

    /// <summary>The scope one name further down.</summary>
    public WeightScope this[string name] => new(_graph, _path.Length == 0 ? name : $"{_path}.{name}");

    /// <summary>The scope of a numbered child.</summary>
    public WeightScope this[int number] => this[number.ToString(System.Globalization.CultureInfo.InvariantCulture)];

    /// <summary>Declares the weight of this name and shape.</summary>
    public Value Weight(string name, params ReadOnlySpan<int> shape) => _graph.Weight(this[name]._path, shape);

    /// <summary>x times <c>weight</c> [outputs, inputs] without bias.</summary>
    public Value Linear(Value x, int outputs) => _graph.Linear(x, Weight("weight", outputs, x.Shape[^1]));

    /// <summary>x times <c>weight</c> [outputs, inputs] plus <c>bias</c>.</summary>
    public Value LinearBias(Value x, int outputs) => _graph.Linear(x, Weight("weight", outputs, x.Shape[^1]), Weight("bias", outputs));

    /// <summary>Convolution with <c>weight</c> [outputs, C, kernel, kernel] and <c>bias</c>.</summary>
    public Value Conv2d(Value x, int outputs, int kernel, int stride, int padding) =>
        _graph.Conv2d(x, Weight("weight", outputs, x.Shape[1], kernel, kernel), Weight("bias", outputs), stride, padding);

    /// <summary>Layer normalisation with <c>weight</c> and <c>bias</c>.</summary>
    public Value LayerNorm(Value x, float epsilon) =>
        _graph.LayerNorm(x, Weight("weight", x.Shape[^1]), Weight("bias", x.Shape[^1]), epsilon);

    /// <summary>Root-mean-square normalisation with <c>weight</c>, to which Gemma adds an <paramref name="offset"/> of 1.</summary>
    public Value RmsNorm(Value x, float epsilon, float offset = 0) => _graph.RmsNorm(x, Weight("weight", x.Shape[^1]), epsilon, offset);
}
