namespace VlmSdk.Samples.Scenes;

/// <summary>The solids a scene may hold.</summary>
public enum ObjectShape
{
    Cube,
    Sphere,
    Cylinder,
    Cone,
    Pyramid,
    Ring,
    Capsule,
}

/// <summary>The named colours a solid may have.</summary>
public enum ObjectColour
{
    Red,
    Orange,
    Yellow,
    Green,
    Cyan,
    Blue,
    Purple,
    Pink,
    White,
    Black,
}

/// <summary>
/// What the ID buffer says of one object. Boxes are tight around the visible pixels, in units of the square network
/// picture (0..1 on both axes, letterbox bars included), so that they are ready for the location tokens.
/// </summary>
/// <param name="Id">1-based number of the object in the ID grid.</param>
/// <param name="Shape">Its solid.</param>
/// <param name="Colour">Its named colour.</param>
/// <param name="X0">Left edge of the visible box.</param>
/// <param name="Y0">Top edge.</param>
/// <param name="X1">Right edge.</param>
/// <param name="Y1">Bottom edge.</param>
/// <param name="VisiblePixels">Visible area in pixels of the 256 x 256 network picture.</param>
/// <param name="VisibleFraction">Visible area divided by the whole silhouette's, hidden and off-frame parts included.</param>
/// <param name="Distance">Metres from the camera to the object's centre.</param>
public sealed record ObjectLabel(
    int Id, ObjectShape Shape, ObjectColour Colour,
    float X0, float Y0, float X1, float Y1,
    float VisiblePixels, float VisibleFraction, float Distance)
{
    /// <summary>Objects under 80 visible pixels or 25 % visible are ambiguous: never asked about, never counted.</summary>
    public bool IsClear => VisiblePixels >= 80 && VisibleFraction >= 0.25f;

    /// <summary>Centre of the visible box, 0..1.</summary>
    public float CentreX => (X0 + X1) / 2;

    /// <summary>Centre of the visible box, 0..1.</summary>
    public float CentreY => (Y0 + Y1) / 2;
}

/// <summary>
/// A drawn frame reduced to what training and evaluation need: the letterboxed network picture and its labels.
/// Only objects with at least one visible pixel are listed.
/// </summary>
/// <param name="Rgb">[256, 256, 3] bytes, the network picture (letterbox bars are mid grey, 128).</param>
/// <param name="ObjectIds">[256, 256] bytes: the object seen at each network pixel, 0 where there is none.</param>
/// <param name="Objects">Labels of the visible objects, clear and ambiguous.</param>
public sealed record LabelledPicture(byte[] Rgb, byte[] ObjectIds, IReadOnlyList<ObjectLabel> Objects);
