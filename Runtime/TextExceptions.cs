namespace VlmSdk;

/// <summary>A model produced logits that cannot be read: not a number, plus infinity, or no token left to choose.</summary>
public sealed class ModelOutputException : VlmException
{
    /// <summary>Creates the exception; the message names what was found, where, and what to check.</summary>
    public ModelOutputException(string message) : base(message) { }
}

/// <summary>A prompt without any text was given to a model that needs some.</summary>
public sealed class EmptyPromptException : VlmException
{
    /// <summary>Creates the exception.</summary>
    public EmptyPromptException() : base("The prompt is empty. Pass at least one character.") { }
}

/// <summary>A prompt is longer than the limit set in the options or than the model's context.</summary>
public sealed class PromptTooLongException : VlmException
{
    /// <summary>Length of the prompt, in the unit the message names.</summary>
    public int Length { get; }

    /// <summary>The most that is allowed.</summary>
    public int Limit { get; }

    /// <summary>Creates the exception from the length, the limit, their unit and the remedy.</summary>
    public PromptTooLongException(int length, int limit, string unit, string remedy)
        : base($"The prompt has {length} {unit}, at most {limit} are allowed. {remedy}")
    {
        Length = length;
        Limit = limit;
    }
}
