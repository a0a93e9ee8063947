using VlmSdk.Tensors;

namespace VlmSdk.Vision;

/// <summary>
/// Turns pictures into patch grids on the CPU: resize, letterbox or crop, look-up, layout. It gives the same numbers as
/// the capture shaders. Stateless; safe to call from several threads. Working memory is one row and a ring of rows as
/// tall as the kernel, never a second picture.
/// </summary>
public static class ImageProcessor
{
    /// <summary>Makes a patch grid in memory of its own.</summary>
    /// <param name="picture">The source; alpha is dropped.</param>
    /// <param name="spec">Size, fit, kernel, layout and normalisation.</param>
    /// <returns>F32 of <see cref="PatchGridSpec.Shape"/> with the way back to source pixels.</returns>
    /// <exception cref="ImageException">The specification is not usable; the message says which part.</exception>
    public static PatchGrid Process(PixelBuffer picture, PatchGridSpec spec)
    {
        spec.Check();
        var values = new HostTensor(DType.F32, spec.Shape);
        CoordinateMap map = Process(picture, spec, values.Floats);
        return new PatchGrid(spec, map, values);
    }

    /// <summary>Makes a patch grid in the caller's memory.</summary>
    /// <param name="picture">The source; alpha is dropped.</param>
    /// <param name="spec">Size, fit, kernel, layout and normalisation.</param>
    /// <param name="destination">Receives <see cref="PatchGridSpec.Count"/> numbers; every one is written.</param>
    /// <returns>The way back to source pixels.</returns>
    /// <exception cref="ImageException">The specification is not usable, or the destination has another length.</exception>
    public static CoordinateMap Process(PixelBuffer picture, PatchGridSpec spec, Span<float> destination)
    {
        spec.Check();
        if (destination.Length != spec.Count)
            throw new ImageException($"A patch grid of {spec.Width} x {spec.Height} has {spec.Count} numbers, but the destination holds {destination.Length}.");

        CoordinateMap map = CoordinateMap.Create(spec, picture.Width, picture.Height);
        Process(new ImageResize.BufferSource(picture), spec, map, destination);
        return map;
    }

    /// <summary>Writes a grid whose place for the resized picture is already decided.</summary>
    internal static void Process<TSource>(TSource source, PatchGridSpec spec, CoordinateMap map, Span<float> destination)
        where TSource : struct, ImageResize.IRowSource
    {
        // The part of the resized picture that is seen: all of it, or a window when it is cropped.
        (int left, int top) = (Math.Max(0, -map.OffsetX), Math.Max(0, -map.OffsetY));
        (int x, int y) = (Math.Max(0, map.OffsetX), Math.Max(0, map.OffsetY));
        int width = Math.Min(map.ResizedWidth - left, spec.Width - x), height = Math.Min(map.ResizedHeight - top, spec.Height - y);

        if (width < spec.Width || height < spec.Height)
            FillAll(spec, destination);
        ResizeTable across = ResizeTable.Create(map.SourceWidth, map.ResizedWidth, spec.Filter, left, width);
        ResizeTable down = ResizeTable.Create(map.SourceHeight, map.ResizedHeight, spec.Filter, top, height);
        unsafe
        {
            fixed (float* target = destination)
            {
                var sink = new GridSink(spec, target, x, y);
                ImageResize.Run(source, across, down, ref sink);
            }
        }
    }

    private static void FillAll(PatchGridSpec spec, Span<float> destination)
    {
        ReadOnlySpan<float> lookup = spec.Lookup.Span;
        int run = spec.Layout == PatchLayout.Planar ? spec.Width * spec.Height : spec.PatchSize * spec.PatchSize;
        for (int at = 0, channel = 0; at < destination.Length; at += run, channel = (channel + 1) % 3)
        {
            byte value = channel switch { 0 => spec.Fill.R, 1 => spec.Fill.G, _ => spec.Fill.B };
            destination.Slice(at, run).Fill(lookup[channel * 256 + value]);
        }
    }

    // A pointer, because a ref struct with a span cannot be a type argument that the resizer stores by reference; the
    // caller pins the destination and has checked its length against the specification.
    private readonly unsafe struct GridSink(PatchGridSpec spec, float* target, int x, int y) : ImageResize.IRowSink
    {
        public void Write(int line, ReadOnlySpan<byte> rgb)
        {
            ReadOnlySpan<float> lookup = spec.Lookup.Span;
            ReadOnlySpan<float> red = lookup[..256], green = lookup.Slice(256, 256), blue = lookup.Slice(512, 256);
            int row = y + line, count = rgb.Length / 3;
            if (spec.Layout == PatchLayout.Planar)
            {
                int plane = spec.Width * spec.Height;
                Store(rgb, red, green, blue, target + row * spec.Width + x, plane);
                return;
            }
            int side = spec.PatchSize, area = side * side;
            for (int from = 0; from < count;)
            {
                int column = x + from, inside = column % side, run = Math.Min(side - inside, count - from);
                long patch = (long)(row / side) * (spec.Width / side) + column / side;
                Store(rgb.Slice(3 * from, 3 * run), red, green, blue, target + patch * 3 * area + row % side * side + inside, area);
                from += run;
            }
        }

        private static void Store(
            ReadOnlySpan<byte> rgb, ReadOnlySpan<float> red, ReadOnlySpan<float> green, ReadOnlySpan<float> blue, float* to, int plane)
        {
            float* second = to + plane, third = second + plane;
            for (int i = 0, j = 0; j + 2 < rgb.Length; i++, j += 3)
            {
                to[i] = red[rgb[j]];
                second[i] = green[rgb[j + 1]];
                third[i] = blue[rgb[j + 2]];
            }
        }
    }
}
