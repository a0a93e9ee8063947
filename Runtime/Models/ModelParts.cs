namespace VlmSdk.Models;

/// <summary>
/// Which weights of a vision-language model belong to which of its three parts, so that training can freeze whole parts. A
/// part is a list of scopes: <c>vision_tower</c> holds every weight <c>vision_tower.*</c>, and one of just that name.
/// Immutable and thread-safe.
/// </summary>
/// <param name="vision">Scopes of the vision encoder.</param>
/// <param name="projector">Scopes of the projector.</param>
/// <param name="decoder">Scopes of the decoder: embedding, layers, final norm and output layer.</param>
/// <param name="constants">Scopes of tables that no training changes, such as factors of rotary frequencies.</param>
public sealed class ModelParts(IReadOnlyList<string> vision, IReadOnlyList<string> projector, IReadOnlyList<string> decoder, params IReadOnlyList<string> constants)
{
    /// <summary>The name of the part that turns pixels into features.</summary>
    public const string Vision = "vision";

    /// <summary>The name of the part that brings features to the decoder's width.</summary>
    public const string Projector = "projector";

    /// <summary>The name of the part that reads picture rows and words and writes words.</summary>
    public const string Decoder = "decoder";

    private readonly (string Part, IReadOnlyList<string> Scopes)[] _parts = [(Vision, vision), (Projector, projector), (Decoder, decoder)];

    /// <summary>The names of all parts.</summary>
    public static IReadOnlyList<string> Names { get; } = [Vision, Projector, Decoder];

    /// <summary>The part a weight belongs to; null for a constant.</summary>
    /// <exception cref="ArgumentException">No part of the model has such a weight.</exception>
    public string? Of(string weight)
    {
        foreach ((string part, IReadOnlyList<string> scopes) in _parts)
            if (scopes.Any(s => Holds(s, weight)))
                return part;
        return constants.Any(s => Holds(s, weight))
            ? null
            : throw new ArgumentException(
                $"The weight '{weight}' belongs to no part of this model: {string.Join("; ", _parts.Select(p => $"{p.Part} has {string.Join(", ", p.Scopes)}"))}. " +
                "Use the parts of the family that the weights are of.", nameof(weight));
    }

    /// <summary>
    /// The rule by which the weights of these parts learn and all others are frozen. The usual recipe (Liu et al. 2023, 4.2)
    /// is the projector alone first, then projector and decoder.
    /// </summary>
    /// <param name="parts">One or more of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">There is no part of such a name, or none is named. The rule throws it for a weight of no part.</exception>
    public Func<string, bool> Learning(params IReadOnlyList<string> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.FirstOrDefault(p => !Names.Contains(p)) is { } unknown)
            throw new ArgumentException($"There is no part '{unknown}'; a model has the parts {string.Join(", ", Names)}.", nameof(parts));
        if (parts.Count == 0)
            throw new ArgumentException($"No part would learn; name one or more of {string.Join(", ", Names)}.", nameof(parts));
        return weight => Of(weight) is { } part && parts.Contains(part);
    }

    private static bool Holds(string scope, string weight) =>
        weight.StartsWith(scope, StringComparison.Ordinal) && (weight.Length == scope.Length || weight[scope.Length] == '.');
}
