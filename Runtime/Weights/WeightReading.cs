using VlmSdk.Tensors;

namespace VlmSdk.Weights;

/// <summary>How the weights of a checkpoint are read.</summary>
public sealed record WeightReading
{
    /// <summary>
    /// Type the matrices are brought into while they are read; null leaves every tensor as it is stored. A matrix stays as
    /// it is stored when the file holds it in blocks already, or when its rows are no whole number of the type's blocks
    /// (32 values). Weights that are no matrices (<see cref="WeightSpec.Packs"/>) always stay as they are stored.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to a type that <see cref="Quantizer.Writes"/> denies.</exception>
    public DType? Matrices
    {
        get;
        init => field = value is not { } type || Quantizer.Writes(type)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Matrices), value, "Matrices are read as Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16, BF16 or F32.");
    }

    /// <summary>Told after every piece that was read, on the reading thread; bytes never decrease, and the last report is complete.</summary>
    public IProgress<LoadProgress>? Progress { get; init; }

    /// <summary>The type a stored tensor has once it is read.</summary>
    public DType TypeOf(WeightSpec weight, DType stored) =>
        Matrices is { } type && weight.Packs && !stored.IsQuantized() && weight.Shape[^1] % type.BlockLength() == 0 ? type : stored;
}

/// <summary>How far reading has come.</summary>
/// <param name="Tensor">The tensor last read from, by the graphs' name.</param>
/// <param name="Bytes">Bytes read, as stored.</param>
/// <param name="Total">Bytes to be read, as stored.</param>
public readonly record struct LoadProgress(string Tensor, long Bytes, long Total);

/// <summary>Reads tensors one after the other, converting piece by piece so that no tensor is ever held twice.</summary>
internal sealed class WeightReader(IWeightSource file, WeightReading reading, long total, CancellationToken cancellationToken)
{
    private const int PieceBytes = 4 << 20;

    private long _read;
    private byte[] _stored = [];
    private float[] _floats = [];

    internal HostTensor Read(WeightSpec weight, TensorInfo info)
    {
        DType type = reading.TypeOf(weight, info.Type);
        long bytes = type.ByteCount(info.Shape);
        if (bytes > Array.MaxLength)
            throw new CheckpointException(file.Source, TensorReading.Shown(info.Name),
                $"has {bytes} bytes as {type}; one tensor in memory holds at most {Array.MaxLength}. Read the matrices in a smaller type.");
        byte[] data = GC.AllocateUninitializedArray<byte>((int)bytes);
        try
        {
            if (type == info.Type)
                Copy(weight.Name, info, data);
            else
                Convert(weight.Name, info, type, data);
        }
        catch (QuantizationException e)
        {
            throw new CheckpointException(file.Source, TensorReading.Shown(info.Name), $"cannot be read as {type}. {e.Message}", e);
        }
        return new HostTensor(type, info.Shape, data);
    }

    private void Copy(string name, TensorInfo info, Span<byte> data)
    {
        for (int left = data.Length; left > 0; left -= Math.Min(left, PieceBytes))
            Next(name, info, data.Length - left, data.Slice(data.Length - left, Math.Min(left, PieceBytes)));
    }

    private void Convert(string name, TensorInfo info, DType type, Span<byte> data)
    {
        int width = info.Shape[^1], size = info.Type.BlockBytes();
        int most = Math.Max(1, PieceBytes / size / Math.Max(width, 1));
        long rows = info.Shape.Count / Math.Max(width, 1);
        for (long row = 0; row < rows; row += most)
        {
            int count = (int)Math.Min(most, rows - row) * width;
            if (_floats.Length < count)
                (_stored, _floats) = (new byte[count * size], new float[count]);
            Span<byte> stored = _stored.AsSpan(0, count * size);
            Span<float> floats = _floats.AsSpan(0, count);
            Next(name, info, row * width * size, stored);
            Dequantizer.ToFloats(info.Type, stored, floats);
            long at = row * width / type.BlockLength() * type.BlockBytes();
            Quantizer.Quantize(type, floats, width, data.Slice((int)at, count / type.BlockLength() * type.BlockBytes()), row);
        }
    }

    private void Next(string name, TensorInfo info, long from, Span<byte> piece)
    {
        cancellationToken.ThrowIfCancellationRequested();
        file.Read(info.Name, from, piece);
        _read += piece.Length;
        reading.Progress?.Report(new LoadProgress(name, _read, total));
    }
}
