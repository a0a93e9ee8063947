using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>What each row (a patch, or a slot of a picture token) should say of its object.</summary>
internal sealed class DenseLabels(int rows)
{
    /// <summary>1 an object, 0 background, 2 not to be judged.</summary>
    internal int[] Objectness { get; } = new int[rows];

    internal int[] Shape { get; } = new int[rows];

    internal int[] Colour { get; } = new int[rows];

    /// <summary>x0 y0 x1 y1 in picture units, four a row.</summary>
    internal float[] Box { get; } = new float[rows * 4];

    /// <summary>Metres.</summary>
    internal float[] Distance { get; } = [.. Enumerable.Repeat(1f, rows)];

    /// <summary>Weight of a row with an object: 1 / sqrt of its box's area in patches, so that big objects do not rule.</summary>
    internal static float Weight(ReadOnlySpan<float> box, int patchesPerSide) =>
        1 / MathF.Sqrt(MathF.Max(1, (box[2] - box[0]) * (box[3] - box[1]) * patchesPerSide * patchesPerSide));

    private void Set(int row, ObjectLabel? o)
    {
        if (o is null)
            return;
        Objectness[row] = o.IsClear ? 1 : 2;
        (Shape[row], Colour[row], Distance[row]) = ((int)o.Shape, (int)o.Colour, o.Distance);
        (Box[row * 4], Box[row * 4 + 1], Box[row * 4 + 2], Box[row * 4 + 3]) = (o.X0, o.Y0, o.X1, o.Y1);
    }

    /// <summary>The number of the object with most pixels in each patch, if it covers at least 8 %; 0 without.</summary>
    internal static int[] Grid(ReadOnlySpan<byte> ids, int imageSide, int patchesPerSide)
    {
        int size = imageSide / patchesPerSide;
        var grid = new int[patchesPerSide * patchesPerSide];
        Span<int> counts = stackalloc int[256];
        for (int cell = 0; cell < grid.Length; cell++)
        {
            counts.Clear();
            for (int y = 0; y < size; y++)
                foreach (byte id in ids.Slice((cell / patchesPerSide * size + y) * imageSide + cell % patchesPerSide * size, size))
                    counts[id]++;
            int best = 0;
            for (int id = 1; id < 256; id++)
                if (counts[id] > (best == 0 ? 0 : counts[best]))
                    best = id;
            grid[cell] = counts[best] >= 0.08 * size * size ? best : 0;
        }
        return grid;
    }

    /// <summary>One row a patch.</summary>
    internal void SetPatches(int first, ReadOnlySpan<int> grid, Dictionary<int, ObjectLabel> objects)
    {
        for (int i = 0; i < grid.Length; i++)
            Set(first + i, grid[i] == 0 ? null : objects.GetValueOrDefault(grid[i]));
    }

    /// <summary>Two rows a picture token of 2 x 2 patches: the object with most patches, then the second one.</summary>
    internal void SetTokens(int first, ReadOnlySpan<int> grid, int patchesPerSide, Dictionary<int, ObjectLabel> objects)
    {
        int half = patchesPerSide / 2;
        for (int token = 0; token < half * half; token++)
        {
            int corner = token / half * 2 * patchesPerSide + token % half * 2;
            int[] four = [grid[corner], grid[corner + 1], grid[corner + patchesPerSide], grid[corner + patchesPerSide + 1]];
            // Equal counts keep the reading order of the patches.
            int[] found = [.. four.Where(id => id != 0).GroupBy(id => id).OrderByDescending(g => g.Count()).Select(g => g.Key)];
            for (int slot = 0; slot < 2; slot++)
                Set(first + token * 2 + slot, slot < found.Length ? objects.GetValueOrDefault(found[slot]) : null);
        }
    }
}
