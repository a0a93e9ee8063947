namespace VlmSdk.Vision;

/// <summary>A picture in the middle of a square of one colour, as rows made on demand: the square is never held.</summary>
internal readonly struct PaddedRows : ImageResize.IRowSource
{
    private readonly PixelBuffer _picture;
    private readonly int _left, _top;
    private readonly byte[] _fill, _row;

    internal PaddedRows(PixelBuffer picture, (byte R, byte G, byte B) fill)
    {
        int side = Math.Max(picture.Width, picture.Height);
        (_picture, _left, _top) = (picture, (side - picture.Width) / 2, (side - picture.Height) / 2);
        _fill = new byte[side * picture.Channels];
        bool blueFirst = picture.Format == PixelFormat.Bgra8;
        for (int i = 0; i < _fill.Length; i += picture.Channels)
        {
            (_fill[i], _fill[i + 1], _fill[i + 2]) = blueFirst ? (fill.B, fill.G, fill.R) : fill;
            if (picture.Channels == 4)
                _fill[i + 3] = 255;
        }
        _row = [.. _fill];
    }

    /// <inheritdoc/>
    public PixelFormat Format => _picture.Format;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Row(int y)
    {
        if (y < _top || y >= _top + _picture.Height)
            return _fill;
        _picture.Row(y - _top).CopyTo(_row.AsSpan(_left * _picture.Channels));
        return _row;
    }

    /// <inheritdoc/>
    public bool Repeats(int y) => y > 0 && (y < _top || y > _top + _picture.Height);
}
