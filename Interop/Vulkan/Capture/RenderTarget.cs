using Silk.NET.Vulkan;

namespace VlmSdk.Vulkan;

/// <summary>
/// What a capture must know of the caller's image: single-sampled, two-dimensional, optimal tiling; mip level 0 of
/// layer 0 is read. The image stays the caller's and is never written.
/// </summary>
/// <remarks>
/// Accepted formats, and how a texel becomes the byte 0..255 that a model sees (display-encoded sRGB):
/// R8G8B8A8 and B8G8R8A8 UNORM and SRGB: the stored byte. A2B10G10R10 and A2R10G10B10 UNORM, taken as
/// display-encoded: round(v * 255 / 1023). R16G16B16A16 SFLOAT, linear light:
/// round(255 * sRGB-encode(clamp(<see cref="Exposure"/> * v, 0, 1))), not-a-number is 0. Alpha is ignored.
/// </remarks>
public sealed record RenderTarget
{
    /// <summary>The image, from <see cref="VulkanDevice.Image"/>.</summary>
    public required VulkanImage Image { get; init; }

    /// <summary>The format it was created with.</summary>
    public required Format Format { get; init; }

    /// <summary>Columns, at least 1.</summary>
    public required int Width { get; init; }

    /// <summary>Rows, at least 1.</summary>
    public required int Height { get; init; }

    /// <summary>
    /// The layout the image is in whenever <see cref="FrameCapture.Submit"/> is called. SHADER_READ_ONLY_OPTIMAL and
    /// GENERAL are read as they are; every other layout costs two transitions.
    /// </summary>
    public required ImageLayout Layout { get; init; }

    /// <summary>The layout to leave it in; null for the same.</summary>
    public ImageLayout? LayoutAfter { get; init; }

    /// <summary>
    /// The usage it was created with. SAMPLED is enough and fastest; without it TRANSFER_SRC is needed and each capture
    /// copies the frame to an image of its own on the GPU first.
    /// </summary>
    public required ImageUsageFlags Usage { get; init; }

    /// <summary>
    /// True when the image was created with MUTABLE_FORMAT (and its format list, if any, names the UNORM format): an SRGB
    /// image is then read through a UNORM view. Otherwise the shader encodes it again, with the same bytes as the result.
    /// </summary>
    public bool MutableFormat { get; init; }

    /// <summary>Factor on the linear light of an R16G16B16A16 SFLOAT image; finite, not negative. Other formats ignore it.</summary>
    public float Exposure { get; init; } = 1;

    /// <summary>How the shaders read the image.</summary>
    /// <exception cref="CaptureException">The target cannot be captured as described.</exception>
    internal SourcePlan Plan(VulkanDevice device)
    {
        if (Width < 1 || Height < 1)
            throw new CaptureException($"A render target of {Width} x {Height} pixels holds nothing. Stop submitting while the window has no area and call Resize when it has.");
        uint limit = device.Limits.MaxImageDimension2D;
        if (Width > limit || Height > limit)
            throw new CaptureException($"A render target of {Width} x {Height} pixels exceeds the device's limit of {limit} a side.");
        if (Image.Handle == 0)
            throw new CaptureException("The render target names no image. Set RenderTarget.Image to VulkanDevice.Image(handle).");
        CheckLayout(Layout, nameof(Layout));
        CheckLayout(LayoutAfter ?? Layout, nameof(LayoutAfter));
        if (!float.IsFinite(Exposure) || Exposure < 0)
            throw new CaptureException($"The exposure {Exposure} of the render target is not a finite number from 0 on.");

        bool copy = !Usage.HasFlag(ImageUsageFlags.SampledBit);
        if (copy && !Usage.HasFlag(ImageUsageFlags.TransferSrcBit))
            throw new CaptureException($"The render target's usage ({Usage}) allows no reading. Create the image with VK_IMAGE_USAGE_SAMPLED_BIT, or at least VK_IMAGE_USAGE_TRANSFER_SRC_BIT.");
        bool raw = copy || MutableFormat;
        SourcePlan plan = Format switch
        {
            Format.R8G8B8A8Unorm or Format.B8G8R8A8Unorm or Format.A2B10G10R10UnormPack32 or Format.A2R10G10B10UnormPack32 => new(copy, Format, false, 1),
            Format.R8G8B8A8Srgb => new(copy, raw ? Format.R8G8B8A8Unorm : Format, !raw, 1),
            Format.B8G8R8A8Srgb => new(copy, raw ? Format.B8G8R8A8Unorm : Format, !raw, 1),
            Format.R16G16B16A16Sfloat => new(copy, Format, true, Exposure),
            _ => throw new CaptureException(
                $"The format {Format} cannot be captured. Accepted: R8G8B8A8 and B8G8R8A8 (UNORM, SRGB), A2B10G10R10 and A2R10G10B10 UNORM, " +
                "R16G16B16A16 SFLOAT. Resolve or blit the frame to one of these first."),
        };
        FormatFeatureFlags features = device.Dispatch.GetPhysicalDeviceFormatProperties(plan.ViewFormat).OptimalTilingFeatures;
        if (!features.HasFlag(FormatFeatureFlags.SampledImageBit))
            throw new CaptureException($"The device '{device.Name}' cannot sample {plan.ViewFormat} images. Render to R8G8B8A8 UNORM.");
        return plan;
    }

    private static void CheckLayout(ImageLayout layout, string property)
    {
        if (layout is ImageLayout.Undefined or ImageLayout.Preinitialized)
            throw new CaptureException($"RenderTarget.{property} is {layout}, which discards the frame. Name the layout the image is really in, such as ColorAttachmentOptimal.");
    }
}

/// <summary>How the first pass reads a target.</summary>
/// <param name="Copy">The target cannot be sampled: copy it first.</param>
/// <param name="ViewFormat">Format of the view (or of the copy) that is sampled.</param>
/// <param name="Encode">Texels arrive as linear light and must be sRGB-encoded.</param>
/// <param name="Exposure">Factor on linear light.</param>
internal readonly record struct SourcePlan(bool Copy, Format ViewFormat, bool Encode, float Exposure);
