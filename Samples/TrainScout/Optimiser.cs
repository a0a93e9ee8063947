using TorchSharp;
using VlmSdk.Torch;
using static TorchSharp.torch;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Rates of one step.</summary>
/// <param name="Muon">Rate of matrices and convolution kernels.</param>
/// <param name="Adam">Rate of everything else.</param>
internal readonly record struct Rates(float Muon, float Adam);

/// <summary>
/// Muon for matrices and flattened convolution kernels, AdamW for embeddings, positions, heads, norms and biases, and a
/// running average of the weights. Matrices of equal shape are orthogonalised in one batch, because many small products
/// cost more than their arithmetic. State is a set of named tensors, so that checkpoints hold all of it.
/// </summary>
internal sealed class Optimiser : IDisposable
{
    private const double Momentum = 0.95, Decay = 0.02, Beta1 = 0.9, Beta2 = 0.98, Epsilon = 1e-8;

    private readonly record struct Part(string Name, Tensor Weight);

    private readonly List<Part[]> _muon;
    private readonly Part[] _adam;
    private readonly Dictionary<string, Tensor> _weights, _average, _first = [], _second = [];

    /// <summary>Takes hold of the weights, whose <c>grad</c> is read by <see cref="Step"/>, and of the tensors that follow as their average.</summary>
    internal Optimiser(IReadOnlyDictionary<string, Tensor> weights, IReadOnlyDictionary<string, Tensor> average)
    {
        (_weights, _average) = (weights.ToDictionary(), average.ToDictionary());
        _muon = [.. weights.Where(p => IsMatrix(p.Key, p.Value)).Select(p => new Part(p.Key, p.Value)).GroupBy(p => Flat(p)).Select(g => g.ToArray())];
        _adam = [.. weights.Where(p => !IsMatrix(p.Key, p.Value)).Select(p => new Part(p.Key, p.Value))];
        foreach (Part part in _muon.SelectMany(g => g).Concat(_adam))
            _first[part.Name] = zeros_like(part.Weight).DetachFromDisposeScope();
        foreach (Part part in _adam)
            _second[part.Name] = zeros_like(part.Weight).DetachFromDisposeScope();

        static (long Pieces, long Rows, long Columns) Flat(Part p)
        {
            long pieces = p.Name.EndsWith("qkv.weight", StringComparison.Ordinal) ? 3 : 1;
            return (pieces, p.Weight.shape[0] / pieces, p.Weight.numel() / p.Weight.shape[0]);
        }
    }

    /// <summary>Steps done; Adam's bias corrections count them.</summary>
    internal int Steps { get; set; }

    /// <summary>First moments by weight name.</summary>
    internal IReadOnlyDictionary<string, Tensor> First => _first;

    /// <summary>Second moments by weight name, where AdamW keeps them.</summary>
    internal IReadOnlyDictionary<string, Tensor> Second => _second;

    /// <summary>Matrices inside the network learn by Muon; tables and heads do not.</summary>
    private static bool IsMatrix(string name, Tensor weight) =>
        weight.dim() >= 2 && name is not ("pos" or "emb.weight" or "lh.weight" or "aux.weight" or "aux2.weight");

    /// <summary>Clips, steps and averages. Returns the gradient's norm before clipping; weights without gradient stay.</summary>
    internal float Step(Rates rates, float clip, double averageKeep)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Steps++;
        Tensor[] gradients = [.. _weights.Values.Select(w => w.grad).Where(g => g is not null).Select(g => g!)];
        float norm = stack([.. gradients.Select(g => g.norm())]).norm().ToSingle();
        if (!float.IsFinite(norm))
            throw new VlmException($"The gradient is not finite at step {Steps}. Resume from the last checkpoint with a lower rate.");
        float scale = MathF.Min(1, clip / (norm + 1e-6f));

        foreach (Part[] group in _muon)
            StepMuon(group, rates.Muon, scale);
        foreach (Part part in _adam)
            StepAdam(part, rates.Adam, scale);
        foreach ((string name, Tensor average) in _average)
            average.TimesInPlace(averageKeep).PlusInPlace(_weights[name], 1 - averageKeep);
        return norm;
    }

    private void StepMuon(Part[] group, float rate, float scale)
    {
        Part[] live = [.. group.Where(p => p.Weight.grad is not null)];
        if (live.Length == 0)
            return;
        using var scope = NewDisposeScope();
        Part first = live[0];
        int pieces = first.Name.EndsWith("qkv.weight", StringComparison.Ordinal) ? 3 : 1;
        long rows = first.Weight.shape[0] / pieces, columns = first.Weight.numel() / first.Weight.shape[0];
        Tensor[] updates = [.. live.Select(p =>
        {
            Tensor gradient = p.Weight.grad!.Times(scale), momentum = _first[p.Name];
            momentum.TimesInPlace(Momentum).PlusInPlace(gradient, 1 - Momentum);
            return gradient.TimesInPlace(1 - Momentum).PlusInPlace(momentum, Momentum).reshape(pieces, rows, columns);
        })];
        Tensor all = Orthogonalise(cat(updates, 0));
        double size = 0.2 * Math.Sqrt(Math.Max(rows, columns)) * rate;
        for (int i = 0; i < live.Length; i++)
        {
            Tensor weight = live[i].Weight;
            weight.TimesInPlace(1 - rate * Decay).PlusInPlace(all.narrow(0, i * pieces, pieces).reshape(weight.shape), -size);
        }
    }

    /// <summary>Matrices [K, R, C] to near-orthogonal ones with the same row and column spaces, by five Newton-Schulz steps.</summary>
    internal static Tensor Orthogonalise(Tensor matrices)
    {
        using var scope = NewDisposeScope();
        bool tall = matrices.shape[1] > matrices.shape[2];
        Tensor x = tall ? matrices.transpose(1, 2) : matrices;
        x /= x.square().sum(new long[] { 1, 2 }, keepdim: true).sqrt().Plus(1e-7);
        for (int i = 0; i < 5; i++)
        {
            Tensor a = bmm(x, x.transpose(1, 2));
            Tensor b = a.Times(-4.7750).PlusInPlace(bmm(a, a), 2.0315);
            x = bmm(b, x).PlusInPlace(x, 3.4445);
        }
        return (tall ? x.transpose(1, 2) : x).MoveToOuterDisposeScope();
    }

    private void StepAdam(Part part, float rate, float scale)
    {
        if (part.Weight.grad is not { } raw)
            return;
        using var scope = NewDisposeScope();
        Tensor gradient = raw.Times(scale), m = _first[part.Name], v = _second[part.Name];
        m.TimesInPlace(Beta1).PlusInPlace(gradient, 1 - Beta1);
        v.TimesInPlace(Beta2).PlusProductInPlace(gradient, gradient, 1 - Beta2);
        if (part.Weight.dim() >= 2)
            part.Weight.TimesInPlace(1 - rate * Decay);
        Tensor root = v.Times(1 / (1 - Math.Pow(Beta2, Steps))).sqrt_().Plus(Epsilon);
        part.Weight.PlusQuotientInPlace(m, root, -rate / (1 - Math.Pow(Beta1, Steps)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in _first.Values.Concat(_second.Values))
            tensor.Dispose();
    }
}
