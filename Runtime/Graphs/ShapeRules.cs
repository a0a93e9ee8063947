using VlmSdk.Tensors;

namespace VlmSdk.Graphs;

/// <summary>Shape arithmetic shared by the operations and the executors.</summary>
public static class ShapeRules
{
    /// <summary>The common shape of two broadcasting operands (right-aligned, 1 stretches), or null when there is none.</summary>
    public static Shape? Broadcast(Shape a, Shape b)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        var axes = new int[rank];
        for (int i = 1; i <= rank; i++)
        {
            int x = i <= a.Rank ? a[^i] : 1, y = i <= b.Rank ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
                return null;
            axes[^i] = x == 1 ? y : x;
        }
        return new Shape(axes);
    }

    /// <summary>Element strides with which an operand of shape <paramref name="from"/> walks the broadcast shape <paramref name="to"/>: 0 on stretched axes.</summary>
    public static int[] BroadcastStrides(Shape from, Shape to)
    {
        int[] own = from.Strides();
        var strides = new int[to.Rank];
        for (int i = 1; i <= from.Rank; i++)
            strides[^i] = from[^i] == 1 ? 0 : own[^i];
        return strides;
    }
}
