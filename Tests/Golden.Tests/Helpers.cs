using TorchSharp;
using VlmSdk.Tensors;
using VlmSdk.Torch;
using VlmSdk.Vision;

namespace VlmSdk.Tests.GoldenModels;

/// <summary>Pictures of the preprocessing cases.</summary>
internal static class Pixels
{
    /// <summary>Bytes [H, W, 3] or, with alpha, [H, W, 4] under a convention, as a batch of one.</summary>
    internal static HostTensor Of(HostTensor bytes, ImageConvention convention)
    {
        int height = bytes.Shape[0], width = bytes.Shape[1];
        var picture = new PixelBuffer(width, height, bytes.Shape[2] == 3 ? PixelFormat.Rgb8 : PixelFormat.Rgba8, bytes.Data);
        HostTensor values = convention.Process(picture).Values;
        return values.Reshape(new Shape([1, .. values.Shape.Axes]));
    }
}

/// <summary>Batches of prompts padded on the left, by masks I32 [B, T] whose zeros are padding.</summary>
internal static class Padding
{
    /// <summary>Padding tokens at the beginning of each row, I32 [B].</summary>
    internal static HostTensor Of(HostTensor mask)
    {
        int length = mask.Shape[1];
        return HostTensor.From(new Shape(mask.Shape[0]), Enumerable.Range(0, mask.Shape[0])
            .Select(row => mask.Ints.Slice(row * length, length).IndexOfAnyExcept(0) is var first && first < 0 ? length : first).ToArray());
    }

    /// <summary>Rows [B, T] with further columns [B, n] behind them.</summary>
    internal static HostTensor Behind(HostTensor rows, int[] columns)
    {
        int batch = rows.Shape[0], length = rows.Shape[1], added = columns.Length / batch;
        int[] rest = rows.Ints.ToArray();
        return HostTensor.From(new Shape(batch, length + added), Enumerable.Range(0, batch)
            .SelectMany(row => rest[(row * length)..((row + 1) * length)].Concat(columns[(row * added)..((row + 1) * added)])).ToArray());
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
