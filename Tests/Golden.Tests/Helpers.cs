using TorchSharp;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Vision;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Pictures of the preprocessing cases.</summary>
internal static class Pixels
{
    /// <summary>Bytes [H, W, 3], or 4 with alpha, under a convention, as a batch of one.</summary>
    internal static HostTensor Of(HostTensor bytes, ImageConvention convention)
    {
        int height = bytes.Shape[0], width = bytes.Shape[1];
        var picture = new PixelBuffer(width, height, bytes.Shape[2] == 4 ? PixelFormat.Rgba8 : PixelFormat.Rgb8, bytes.Data);
        HostTensor values = convention.Process(picture).Values;
        return values.Reshape(new Shape([1, .. values.Shape.Axes]));
    }
}

/// <summary>Gradients of the Torch executor.</summary>
internal static class TrainingGradient
{
    internal static HostTensor Of(TorchParameters parameters, string name)
    {
        using torch.Tensor gradient = parameters.Gradient(name)!.detach().contiguous();
        return HostTensor.From(new Shape([.. gradient.shape.Select(a => (int)a)]), gradient.data<float>().ToArray());
    }
}
