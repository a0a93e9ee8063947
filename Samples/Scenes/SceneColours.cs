using System.Numerics;

namespace VlmSdk.Samples.Scenes;

/// <summary>What the ten colour names mean: boxes in hue, saturation and value, hues in turns.</summary>
public static class SceneColours
{
    /// <summary>Hue, saturation and value ranges of a name; hues may run below 0 (red lies around it).</summary>
    public static (float HueLow, float HueHigh, float SaturationLow, float SaturationHigh, float ValueLow, float ValueHigh) Box(ObjectColour colour)
        => colour switch
        {
            ObjectColour.Red => (-0.02f, 0.015f, 0.75f, 1, 0.7f, 0.95f),
            ObjectColour.Orange => (0.065f, 0.09f, 0.8f, 1, 0.85f, 1),
            ObjectColour.Yellow => (0.145f, 0.17f, 0.75f, 1, 0.85f, 1),
            ObjectColour.Green => (0.30f, 0.40f, 0.65f, 1, 0.5f, 0.85f),
            ObjectColour.Cyan => (0.48f, 0.52f, 0.65f, 1, 0.75f, 0.95f),
            ObjectColour.Blue => (0.60f, 0.655f, 0.7f, 0.97f, 0.68f, 1),
            ObjectColour.Purple => (0.745f, 0.79f, 0.55f, 0.85f, 0.6f, 0.88f),
            ObjectColour.Pink => (0.89f, 0.94f, 0.35f, 0.6f, 0.9f, 1),
            ObjectColour.White => (0, 1, 0, 0.05f, 0.9f, 1),
            ObjectColour.Black => (0, 1, 0, 0.3f, 0.03f, 0.1f),
            _ => throw new ArgumentOutOfRangeException(nameof(colour), colour, "Not one of the ten colour names."),
        };

    /// <summary>Display RGB (0..1) of a hue in turns (any real), saturation and value.</summary>
    public static Vector3 FromHsv(float hue, float saturation, float value)
    {
        float Channel(float shift)
        {
            float k = (shift + hue * 6) % 6;
            k = k < 0 ? k + 6 : k;
            return value - value * saturation * Math.Clamp(MathF.Min(k, 4 - k), 0, 1);
        }
        return new Vector3(Channel(5), Channel(3), Channel(1));
    }

    internal static Vector3 Draw(SceneRandom random, ObjectColour colour)
    {
        var box = Box(colour);
        return FromHsv(
            random.Range(box.HueLow, box.HueHigh), random.Range(box.SaturationLow, box.SaturationHigh),
            random.Range(box.ValueLow, box.ValueHigh));
    }
}
