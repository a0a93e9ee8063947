using VlmSdk.Models.PaliGemma;
using VlmSdk.Tensors;
using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>Brings the objects of a PaliGemma answer into source pixels.</summary>
public static class PaliGemmaDetections
{
    /// <summary>
    /// Detections of the objects whose boxes have an area, in order. Boxes follow the public demo: 1024ths of either side,
    /// rounded to whole pixels.
    /// </summary>
    /// <param name="objects">The objects of <see cref="PaliGemmaAnswer"/>.</param>
    /// <param name="width">Columns of the source picture.</param>
    /// <param name="height">Rows of the source picture.</param>
    /// <param name="masks">
    /// F32 [m, 64, 64] of <see cref="MaskCodec.Decode"/>, one for each object that has mask indices, valid or not, in order; or null.
    /// </param>
    /// <exception cref="ArgumentException">The masks are not so many, or not of that size.</exception>
    /// <exception cref="ImageException">A side of the picture is not positive.</exception>
    public static IReadOnlyList<Detection> From(IReadOnlyList<PaliGemmaObject> objects, int width, int height, HostTensor? masks = null)
    {
        ArgumentNullException.ThrowIfNull(objects);
        int wanted = objects.Count(o => o.MaskIndices is not null);
        var shape = new Shape(wanted, MaskCodec.Side, MaskCodec.Side);
        if (masks is not null && masks.Shape != shape)
            throw new ArgumentException($"The masks have shape {masks.Shape}; {wanted} of the objects have one, which needs {shape}.", nameof(masks));
        var detections = new List<Detection>();
        int mask = 0;
        foreach (PaliGemmaObject found in objects)
        {
            int own = found.MaskIndices is null || masks is null ? -1 : mask++;
            if (!found.IsValid)
                continue;
            (double left, double top, double right, double bottom) = BoxRules.PaliGemma1024.Apply([.. found.Locations.Select(l => (double)l)], width, height);
            detections.Add(new Detection(found.Label, new PixelBox(left, top, right, bottom), found.LabelProbability, found.BoxProbability)
            {
                Mask = own < 0 || right <= left || bottom <= top ? null : new DetectionMask((int)left, (int)top, (int)(right - left), (int)(bottom - top), Row(masks!, own)),
            });
        }
        return detections;
    }

    private static HostTensor Row(HostTensor masks, int index)
    {
        const int Count = MaskCodec.Side * MaskCodec.Side;
        return HostTensor.From(new Shape(MaskCodec.Side, MaskCodec.Side), masks.Floats.Slice(index * Count, Count));
    }
}
