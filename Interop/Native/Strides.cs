using VlmSdk.Graphs;
using VlmSdk.Tensors;

namespace VlmSdk.Native;

/// <summary>Walks over a shape by strides, brought to the fewest axes: what is contiguous becomes one long axis.</summary>
internal static class Strides
{
    /// <summary>
    /// Writes the shape and each operand's strides, right-aligned to <see cref="NativeOp.Rank"/> axes, into the numbers of
    /// an operation from <paramref name="start"/> on.
    /// </summary>
    /// <exception cref="UnsupportedOpException">More axes are left than the kernels walk.</exception>
    internal static unsafe void Write(ref NativeOp op, int start, Op source, Shape shape, params int[][] operands)
    {
        var axes = new List<(long Size, long[] Strides)>();
        for (int axis = shape.Rank - 1; axis >= 0; axis--)
        {
            if (shape[axis] == 1)
                continue;
            long[] strides = [.. operands.Select(o => (long)o[axis])];
            // Axes are taken from the last one up; one continues its neighbour when every operand steps over exactly that.
            if (axes.Count > 0 && axes[^1] is var (size, inner) && strides.Zip(inner).All(p => p.First == p.Second * size))
                axes[^1] = (size * shape[axis], inner);
            else
                axes.Add((shape[axis], strides));
        }
        if (axes.Count > NativeOp.Rank)
            throw new UnsupportedOpException("native", source.Name, $"shape {shape} needs more than {NativeOp.Rank} axes");
        for (int i = 0; i < NativeOp.Rank; i++)
        {
            int at = start + NativeOp.Rank - 1 - i;
            op.Dim[at] = i < axes.Count ? axes[i].Size : 1;
            for (int o = 0; o < operands.Length; o++)
                op.Dim[at + (o + 1) * NativeOp.Rank] = i < axes.Count ? axes[i].Strides[o] : 0;
        }
    }
}
