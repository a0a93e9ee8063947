using VlmSdk.Models.Scout;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>Pictures with their packed questions and dense labels, before any weighting.</summary>
internal sealed class RawBatch
{
    internal RawBatch(ScoutConfig config, int count, int textLength)
    {
        (Config, Count, TextLength) = (config, count, textLength);
        Rgb = new byte[count * config.ImageSide * config.ImageSide * 3];
        Grid = new int[count * config.Patches];
        Patches = new DenseLabels(count * config.Patches);
        Tokens = new DenseLabels(count * config.PictureTokens * 2);
        Texts = [.. Enumerable.Range(0, count).Select(_ => new PackedText(textLength))];
    }

    internal ScoutConfig Config { get; }

    internal int Count { get; }

    internal int TextLength { get; }

    /// <summary>[B, S, S, 3] bytes.</summary>
    internal byte[] Rgb { get; }

    /// <summary>[B, P] object number of each patch, 0 for none.</summary>
    internal int[] Grid { get; }

    /// <summary>Labels of [B, P] patches.</summary>
    internal DenseLabels Patches { get; }

    /// <summary>Labels of [B, I, 2] slots.</summary>
    internal DenseLabels Tokens { get; }

    /// <summary>One packed row a picture.</summary>
    internal PackedText[] Texts { get; }

    /// <summary>Puts a scene with questions drawn from <paramref name="random"/> into place <paramref name="index"/>.</summary>
    internal void Set(int index, LabelledPicture picture, Random random)
    {
        int side = Config.ImageSide;
        if (picture.Rgb.Length != side * side * 3)
            throw new ShapeMismatchException($"A picture of {picture.Rgb.Length} bytes does not fill the model's {side} x {side} x 3. Use the configuration the scenes were drawn for.");
        picture.Rgb.CopyTo(Rgb, index * picture.Rgb.Length);
        int[] grid = DenseLabels.Grid(picture.ObjectIds, side, Config.PatchSide);
        grid.CopyTo(Grid, index * grid.Length);
        var objects = picture.Objects.ToDictionary(o => o.Id);
        Patches.SetPatches(index * Config.Patches, grid, objects);
        Tokens.SetTokens(index * Config.PictureTokens * 2, grid, Config.PatchSide, objects);
        Texts[index] = PackedText.Pack(picture.Objects, random, TextLength);
    }
}
