using System.Runtime.InteropServices;
using VlmSdk.Vision;

namespace VlmSdk.Vulkan;

/// <summary>The push constants of both passes; the layout is that of Parameters in capture_common.glsl.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CaptureParameters
{
    internal int WindowWidth, WindowHeight, PlaceX, PlaceY, GridWidth, GridHeight;
    internal int FirstRow, RowCount;
    internal int ColumnTable, ColumnTaps, RowTable, RowTaps, Lookup;
    internal int PatchSide;
    internal uint Fill;
    internal int Encode;
    internal float Exposure;
}

/// <summary>Numbers that depend only on the target's size and the grid: weights, look-up table, parameters.</summary>
internal sealed class CaptureGeometry
{
    internal CaptureGeometry(PatchGridSpec spec, CapturePrecision precision, int width, int height, SourcePlan plan)
    {
        Map = CoordinateMap.Create(spec, width, height);
        int windowWidth = Math.Min(Map.ResizedWidth, spec.Width), windowHeight = Math.Min(Map.ResizedHeight, spec.Height);
        ResizeTable columns = ResizeTable.Create(width, Map.ResizedWidth, spec.Filter, Math.Max(0, -Map.OffsetX), windowWidth);
        ResizeTable rows = ResizeTable.Create(height, Map.ResizedHeight, spec.Filter, Math.Max(0, -Map.OffsetY), windowHeight);

        int columnWords = checked(windowWidth * (2 + columns.Taps)), rowWords = checked(windowHeight * (2 + rows.Taps));
        Tables = new int[checked(columnWords + rowWords + 3 * 256 + DisplayLevels.Count)];
        Write(columns, precision, Tables.AsSpan(0, columnWords));
        Write(rows, precision, Tables.AsSpan(columnWords, rowWords));
        Span<float> lookup = MemoryMarshal.Cast<int, float>(Tables.AsSpan(columnWords + rowWords));
        spec.Lookup.Span.CopyTo(lookup);
        if (plan.Encode)
            DisplayLevels.Thresholds(plan.Exposure, lookup[(3 * 256)..]);

        int firstRow = int.MaxValue, endRow = 0;
        for (int i = 0; i < windowHeight; i++)
        {
            firstRow = Math.Min(firstRow, rows.Starts[i]);
            endRow = Math.Max(endRow, rows.Starts[i] + rows.Counts[i]);
        }
        Parameters = new CaptureParameters
        {
            WindowWidth = windowWidth,
            WindowHeight = windowHeight,
            PlaceX = Math.Max(0, Map.OffsetX),
            PlaceY = Math.Max(0, Map.OffsetY),
            GridWidth = spec.Width,
            GridHeight = spec.Height,
            FirstRow = firstRow,
            RowCount = endRow - firstRow,
            ColumnTable = 0,
            ColumnTaps = columns.Taps,
            RowTable = columnWords,
            RowTaps = rows.Taps,
            Lookup = columnWords + rowWords,
            PatchSide = spec.Layout == PatchLayout.Planar ? 0 : spec.PatchSize,
            Fill = spec.Fill.R | (uint)spec.Fill.G << 8 | (uint)spec.Fill.B << 16,
            Encode = plan.Encode ? 1 : 0,
            Exposure = plan.Exposure,
        };
        RowBytes = (ulong)windowWidth * (ulong)Parameters.RowCount * (precision == CapturePrecision.Exact ? 4ul : 12ul);
    }

    internal CoordinateMap Map { get; }

    internal CaptureParameters Parameters { get; }

    /// <summary>Content of the Tables buffer.</summary>
    internal int[] Tables { get; }

    /// <summary>Size of the buffer between the passes.</summary>
    internal ulong RowBytes { get; }

    private static void Write(ResizeTable table, CapturePrecision precision, Span<int> to)
    {
        table.Starts.CopyTo(to);
        table.Counts.CopyTo(to[table.Length..]);
        Span<int> weights = to[(2 * table.Length)..];
        table.Weights.CopyTo(weights);
        if (precision == CapturePrecision.Float)
            for (int i = 0; i < weights.Length; i++)
                weights[i] = BitConverter.SingleToInt32Bits(weights[i] * (1f / (1 << ResizeTable.FractionBits)));
    }
}
