namespace VlmSdk;

/// <summary>Base of every failure VlmSdk reports on purpose. The message says what was tried and what to do.</summary>
public class VlmException : Exception
{
    /// <summary>Creates the exception with a message that names both sides and the remedy.</summary>
    public VlmException(string message, Exception? inner = null) : base(message, inner) { }
}

/// <summary>Two shapes that must agree do not.</summary>
public sealed class ShapeMismatchException : VlmException
{
    /// <summary>Creates the exception; the message names the operation or tensor and both shapes.</summary>
    public ShapeMismatchException(string message) : base(message) { }
}

/// <summary>A model file is malformed, incomplete, or not of a kind this library reads.</summary>
public sealed class CheckpointException : VlmException
{
    /// <summary>Path of the file at fault.</summary>
    public string File { get; }

    /// <summary>Name of the tensor or metadata key at fault, when the fault belongs to one.</summary>
    public string? Entry { get; }

    /// <summary>Creates the exception from the file, the tensor or key (if any) and the fault with its remedy.</summary>
    public CheckpointException(string file, string? entry, string fault, Exception? inner = null)
        : base(entry is null ? $"{file}: {fault}" : $"{file}: '{entry}': {fault}", inner)
    {
        File = file;
        Entry = entry;
    }
}

/// <summary>An executor was asked to run an operation it has no kernel for.</summary>
public sealed class UnsupportedOpException : VlmException
{
    /// <summary>Name of the operation.</summary>
    public string Op { get; }

    /// <summary>Name of the executor.</summary>
    public string Executor { get; }

    /// <summary>Creates the exception from the executor, the operation and an optional detail such as the element type.</summary>
    public UnsupportedOpException(string executor, string op, string? detail = null)
        : base($"The {executor} executor cannot run {op}{(detail is null ? "" : $" ({detail})")}. " +
               "Choose another backend, or name a fallback executor in the options.")
    {
        Executor = executor;
        Op = op;
    }
}

/// <summary>A model was asked for something its family cannot do.</summary>
public sealed class UnsupportedQueryException : VlmException
{
    /// <summary>Creates the exception; the message names the model, the query and what the model can do.</summary>
    public UnsupportedQueryException(string message) : base(message) { }
}

/// <summary>An image could not be decoded or is outside the accepted limits.</summary>
public sealed class ImageException : VlmException
{
    /// <summary>Creates the exception; the message names the source, the fault and the limit.</summary>
    public ImageException(string message, Exception? inner = null) : base(message, inner) { }
}

/// <summary>A GPU device or driver needed for the call is not available.</summary>
public sealed class DeviceUnavailableException : VlmException
{
    /// <summary>Creates the exception; the message names what is missing and how to install it.</summary>
    public DeviceUnavailableException(string message, Exception? inner = null) : base(message, inner) { }
}

/// <summary>A GPU device was lost while work was pending; the objects on it must be rebuilt.</summary>
public sealed class DeviceLostException : VlmException
{
    /// <summary>Creates the exception; the message names the call that found the loss.</summary>
    public DeviceLostException(string message, Exception? inner = null) : base(message, inner) { }
}

/// <summary>A render target cannot be captured as described, or a capture can no longer be delivered.</summary>
public sealed class CaptureException : VlmException
{
    /// <summary>Creates the exception; the message names the target's property at fault and the accepted values.</summary>
    public CaptureException(string message, Exception? inner = null) : base(message, inner) { }
}
