using System.Buffers.Binary;
using VlmSdk.Imaging;
using VlmSdk.Vision;

namespace VlmSdk.Tests.Interop.Imaging;

/// <summary>Orientation in the eXIf chunk of PNG files, as in JPEG and WebP files.</summary>
public sealed class PngExifTests
{
    [TestCase(1, "012/345")]
    [TestCase(2, "210/543")]
    [TestCase(3, "543/210")]
    [TestCase(4, "345/012")]
    [TestCase(5, "03/14/25")]
    [TestCase(6, "30/41/52")]
    [TestCase(7, "52/41/30")]
    [TestCase(8, "25/14/03")]
    [TestCase(0, "012/345")]
    [TestCase(9, "012/345")]
    public void Pictures_are_turned_upright(int orientation, string expected) => Assert.Multiple(() =>
    {
        foreach (bool little in new[] { false, true })
            Assert.That(Rows(ImageFile.Decode(Png(Tiff(orientation, little)))), Is.EqualTo(expected), $"little-endian {little}");
    });

    [Test]
    public void Damaged_directories_say_nothing()
    {
        byte[] tiff = Tiff(6, little: true);
        for (int length = 0; length < tiff.Length; length++)
            Assert.That(Rows(ImageFile.Decode(Png(tiff[..length]))), Is.EqualTo("012/345"));
        foreach (uint directory in new[] { 9u, 25u, 26u, uint.MaxValue })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(tiff.AsSpan(4), directory);
            Assert.That(Rows(ImageFile.Decode(Png(tiff))), Is.EqualTo("012/345"), $"directory at {directory}");
        }
    }

    private static string Rows(PixelBuffer picture) =>
        string.Join('/', Enumerable.Range(0, picture.Height).Select(y => string.Concat(Enumerable.Range(0, picture.Width).Select(x => picture.Row(y)[4 * x]))));

    // Three by two pixels, red from 0 to 5, with an eXIf chunk behind the header.
    private static byte[] Png(byte[] tiff)
    {
        byte[] pixels = new byte[3 * 6];
        for (int i = 0; i < 6; i++)
            pixels[3 * i] = (byte)i;
        byte[] plain = ImageFile.EncodePng(new PixelBuffer(3, 2, PixelFormat.Rgb8, pixels));
        const int BehindHeader = 8 + 25;
        return [.. plain[..BehindHeader], .. BadImageTests.Chunk("eXIf", tiff), .. plain[BehindHeader..]];
    }

    private static byte[] Tiff(int orientation, bool little) => little
        ? [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0]
        : [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0];
}
