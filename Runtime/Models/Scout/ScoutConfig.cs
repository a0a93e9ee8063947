namespace VlmSdk.Models.Scout;

/// <summary>
/// Sizes of a Scout model. Letters: P patches, I picture tokens, D decoder width, V vocabulary, L location bins.
/// </summary>
public sealed record ScoutConfig
{
    /// <summary>Side of the square network picture in pixels; a multiple of 32.</summary>
    public int ImageSide { get; init; } = 256;

    /// <summary>Channels of the three stem stages; the last is the encoder's width.</summary>
    public IReadOnlyList<int> StemChannels { get; init; } = [32, 96, 192];

    /// <summary>Transformer layers of the encoder.</summary>
    public int EncoderLayers { get; init; } = 4;

    /// <summary>Width of an attention head, in encoder and decoder.</summary>
    public int HeadWidth { get; init; } = 64;

    /// <summary>Hidden width of the encoder's MLP over its own width.</summary>
    public int EncoderMlpRatio { get; init; } = 4;

    /// <summary>Hidden width of the projector.</summary>
    public int ProjectorWidth { get; init; } = 384;

    /// <summary>Layers of the decoder.</summary>
    public int DecoderLayers { get; init; } = 5;

    /// <summary>Width of the decoder.</summary>
    public int DecoderWidth { get; init; } = 192;

    /// <summary>Hidden width of the decoder's gated MLP.</summary>
    public int DecoderMlpWidth { get; init; } = 512;

    /// <summary>Base of the rotary frequencies.</summary>
    public float RopeTheta { get; init; } = 10_000;

    /// <summary>Words of the vocabulary, location tokens included.</summary>
    public int VocabularySize { get; init; } = 232;

    /// <summary>Location tokens at the end of the vocabulary.</summary>
    public int LocationBins { get; init; } = 128;

    /// <summary>Epsilon of all normalisations.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Patches along a side of the encoder's grid: the stem shrinks 16 times.</summary>
    public int PatchSide => ImageSide / 16;

    /// <summary>Patches of a picture.</summary>
    public int Patches => PatchSide * PatchSide;

    /// <summary>Tokens of a picture after the 2 x 2 pixel shuffle.</summary>
    public int PictureTokens => Patches / 4;

    /// <summary>Width of the encoder.</summary>
    public int EncoderWidth => StemChannels[^1];

    /// <summary>Id of the first location token.</summary>
    public int LocationBase => VocabularySize - LocationBins;

    /// <summary>The sizes of the shipped model.</summary>
    public static ScoutConfig Default { get; } = new();

    /// <summary>A few thousand parameters, for tests.</summary>
    public static ScoutConfig Tiny { get; } = new()
    {
        ImageSide = 64,
        StemChannels = [4, 8, 16],
        EncoderLayers = 2,
        HeadWidth = 8,
        ProjectorWidth = 24,
        DecoderLayers = 3,
        DecoderWidth = 16,
        DecoderMlpWidth = 32,
    };
}
