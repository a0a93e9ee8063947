using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>From an image decoder's numbers (-1..1) to bytes, as the systems that draw pictures do it: truncated, never rounded.</summary>
public static class GeneratedPixels
{
    /// <summary>Chameleon: clamped to -1..1, then (x + 1) / 2 * 255 in float32, truncated. Not-a-number gives 0.</summary>
    public static byte Chameleon(float value) => Truncate((Math.Clamp(value, -1f, 1f) + 1) / 2 * 255);

    /// <summary>Janus: (x + 1) / 2 * 255 in float32, then clamped to 0..255, truncated. Not-a-number gives 0.</summary>
    public static byte Janus(float value) => Truncate(Math.Clamp((value + 1) / 2 * 255, 0f, 255f));

    /// <summary>Planes [3, H, W] to a packed <see cref="PixelFormat.Rgb8"/> picture.</summary>
    /// <param name="planes">F32, red first.</param>
    /// <param name="toByte"><see cref="Chameleon"/> or <see cref="Janus"/>.</param>
    /// <exception cref="ShapeMismatchException">The tensor is not F32 [3, H, W].</exception>
    public static PixelBuffer ToPicture(HostTensor planes, Func<float, byte> toByte)
    {
        if (planes.Type != DType.F32 || planes.Shape.Rank != 3 || planes.Shape[0] != 3)
            throw new ShapeMismatchException($"A picture is made from F32[3, H, W], not {planes.Type}{planes.Shape}.");
        (int height, int width) = (planes.Shape[1], planes.Shape[2]);
        ReadOnlySpan<float> values = planes.Floats;
        var bytes = new byte[values.Length];
        for (int i = 0, area = width * height; i < area; i++)
            for (int c = 0; c < 3; c++)
                bytes[3 * i + c] = toByte(values[c * area + i]);
        return new PixelBuffer(width, height, PixelFormat.Rgb8, bytes);
    }

    private static byte Truncate(float value) => float.IsNaN(value) ? (byte)0 : (byte)value;
}
