using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;

namespace VlmSdk.Queries;

/// <summary>Which pixels of a box belong to the object. It holds the model's small mask and is brought to the box's size when asked for.</summary>
/// <param name="Left">First column in the source picture.</param>
/// <param name="Top">First row in the source picture.</param>
/// <param name="Width">Columns of the box, at least 1.</param>
/// <param name="Height">Rows of the box, at least 1.</param>
/// <param name="Model">The model's mask, F32 [H, W]; above 0 is foreground.</param>
public sealed record DetectionMask(int Left, int Top, int Width, int Height, HostTensor Model)
{
    /// <summary>The mask at source resolution inside the box, F32 [Height, Width]; above 0 is foreground, v * 0.5 + 0.5 held to 0..1 its probability.</summary>
    public HostTensor Values() => MaskCodec.Resize(Model, Width, Height);

    /// <summary>A map of the whole source picture, packed rows of one byte a pixel: 255 on the object, else 0.</summary>
    /// <param name="width">Columns of the source picture.</param>
    /// <param name="height">Rows of the source picture.</param>
    /// <exception cref="ArgumentException">The box does not lie in a picture of that size.</exception>
    public byte[] ToBytes(int width, int height)
    {
        if (Left < 0 || Top < 0 || (long)Left + Width > width || (long)Top + Height > height)
            throw new ArgumentException($"A box of {Width} x {Height} pixels at ({Left}, {Top}) does not lie in a picture of {width} x {height}; pass the size of the source picture.", nameof(width));
        var map = new byte[checked(width * height)];
        Span<float> values = Values().Floats;
        for (int i = 0; i < values.Length; i++)
            if (values[i] > 0)
                map[(Top + i / Width) * width + Left + i % Width] = 255;
        return map;
    }
}
