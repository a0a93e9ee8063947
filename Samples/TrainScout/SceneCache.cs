using System.IO.Compression;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>
/// Drawn scenes on disk by number, so that a scene is drawn once however often it is used, also across runs. A file holds
/// the raw picture, the packed object grid and the labels. One user at a time.
/// </summary>
internal sealed class SceneCache(string folder, Func<long, LabelledPicture> draw)
{
    private const uint Magic = 0x31_4E_43_53;

    /// <summary>Scenes drawn because the folder did not hold them.</summary>
    internal long Drawn { get; private set; }

    /// <summary>The scene of a number; negative numbers are scenes like all others.</summary>
    internal LabelledPicture Get(long number)
    {
        string path = Path.Combine(folder, $"{Math.Abs(number) / 1000:d6}{(number < 0 ? "n" : "")}", $"{number}.scene");
        if (File.Exists(path) && TryRead(path) is { } known)
            return known;
        LabelledPicture picture = draw(number);
        Drawn++;
        Write(path, picture);
        return picture;
    }

    /// <summary>The picture as a mirror shows it: pixels, object grid and boxes.</summary>
    internal static LabelledPicture Mirror(LabelledPicture picture)
    {
        int side = (int)Math.Sqrt(picture.ObjectIds.Length);
        byte[] rgb = new byte[picture.Rgb.Length], ids = new byte[picture.ObjectIds.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            int from = i / side * side + side - 1 - i % side;
            ids[i] = picture.ObjectIds[from];
            picture.Rgb.AsSpan(from * 3, 3).CopyTo(rgb.AsSpan(i * 3));
        }
        return new LabelledPicture(rgb, ids, [.. picture.Objects.Select(o => o with { X0 = 1 - o.X1, X1 = 1 - o.X0 })]);
    }

    /// <summary>Writes a scene whole or not at all. A part after a loss of power is noticed on reading, which spares a disk's wait for each scene.</summary>
    internal static void Write(string path, LabelledPicture picture)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, stream =>
        {
            using var file = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            file.Write(Magic);
            file.Write(picture.Rgb.Length);
            file.Write(picture.Rgb);
            byte[] ids = Pack(picture.ObjectIds);
            file.Write(picture.ObjectIds.Length);
            file.Write(ids.Length);
            file.Write(ids);
            file.Write(picture.Objects.Count);
            foreach (ObjectLabel o in picture.Objects)
            {
                file.Write(o.Id);
                file.Write((int)o.Shape);
                file.Write((int)o.Colour);
                foreach (float v in (ReadOnlySpan<float>)[o.X0, o.Y0, o.X1, o.Y1, o.VisiblePixels, o.VisibleFraction, o.Distance])
                    file.Write(v);
            }
            file.Write(Magic);
        }, durable: false);
    }

    /// <summary>Reads a scene; null when the file is not whole, so that it is drawn again.</summary>
    internal static LabelledPicture? TryRead(string path)
    {
        try
        {
            using var file = new BinaryReader(new MemoryStream(File.ReadAllBytes(path)));
            if (file.ReadUInt32() != Magic)
                return null;
            byte[] rgb = file.ReadBytes(file.ReadInt32());
            int area = file.ReadInt32();
            byte[] ids = Unpack(file.ReadBytes(file.ReadInt32()), area);
            var objects = new ObjectLabel[file.ReadInt32()];
            for (int i = 0; i < objects.Length; i++)
                objects[i] = new ObjectLabel(file.ReadInt32(), (ObjectShape)file.ReadInt32(), (ObjectColour)file.ReadInt32(),
                    file.ReadSingle(), file.ReadSingle(), file.ReadSingle(), file.ReadSingle(), file.ReadSingle(), file.ReadSingle(), file.ReadSingle());
            return file.ReadUInt32() == Magic ? new LabelledPicture(rgb, ids, objects) : null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or OverflowException or ArgumentException)
        {
            return null;
        }
    }

    private static byte[] Pack(byte[] ids)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Fastest))
            deflate.Write(ids);
        return packed.ToArray();
    }

    private static byte[] Unpack(byte[] packed, int length)
    {
        var ids = new byte[length];
        using var deflate = new DeflateStream(new MemoryStream(packed), CompressionMode.Decompress);
        deflate.ReadExactly(ids);
        return ids;
    }
}
