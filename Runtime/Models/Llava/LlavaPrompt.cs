namespace VlmSdk.Models.Llava;

/// <summary>Where the pictures of a prompt go.</summary>
public static class LlavaPrompt
{
    /// <summary>
    /// Ids as the decoder takes them: every place of a picture row holds id 0, which is looked up and replaced, and the
    /// places are listed in order. The original layout's single token per picture grows to one per row.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="ids">Ids of one sequence, or of several of equal length one after the other.</param>
    /// <param name="pictures">Pictures that come with them.</param>
    /// <exception cref="ArgumentException">The prompt asks for more or fewer pictures than there are.</exception>
    public static (int[] Ids, int[] Places) Expand(LlavaConfig config, ReadOnlySpan<int> ids, int pictures)
    {
        var expanded = new List<int>(ids.Length);
        var places = new List<int>();
        foreach (int id in ids)
        {
            int rows = id != config.ImageToken ? 0 : config.OneTokenPerImage ? config.ImageRows : 1;
            for (int r = 0; r < rows; r++)
            {
                places.Add(expanded.Count);
                expanded.Add(0);
            }
            if (rows == 0)
                expanded.Add(id);
        }
        return places.Count == pictures * config.ImageRows
            ? ([.. expanded], [.. places])
            : throw new ArgumentException($"The prompt has room for {places.Count} picture rows and {pictures} pictures bring {pictures * config.ImageRows}; " +
                $"use one placeholder of {config.ImageRows} rows per picture.", nameof(pictures));
    }
}
