namespace VlmSdk.Samples.TrainScout;

/// <summary>What a training run is made of. Kept in its checkpoints: a resumed run goes on with the same values.</summary>
internal sealed record TrainOptions
{
    /// <summary>Folder of the run: checkpoints, progress, charts.</summary>
    public required string Out { get; init; }

    /// <summary>Folder of drawn scenes; may be shared by runs.</summary>
    public required string Scenes { get; init; }

    /// <summary>Weights to start from; null starts from nothing, the encoder first.</summary>
    public string? Init { get; init; }

    /// <summary>Minutes of training the schedule spans.</summary>
    public double Minutes { get; init; } = 120;

    /// <summary>Steps the schedule spans instead of minutes; 0 for minutes.</summary>
    public int Steps { get; init; }

    /// <summary>Pictures of a step.</summary>
    public int Batch { get; init; } = 28;

    /// <summary>Text tokens behind each picture.</summary>
    public int TextLength { get; init; } = 176;

    /// <summary>Threads of an operation.</summary>
    public int Threads { get; init; } = 2;

    /// <summary>Whether heavy products run in bfloat16.</summary>
    public bool Half { get; init; }

    /// <summary>Highest rate of matrices.</summary>
    public float MuonRate { get; init; } = 2.5e-3f;

    /// <summary>Highest rate of everything else.</summary>
    public float AdamRate { get; init; } = 8e-4f;

    /// <summary>Share of the run in which the encoder learns alone, when starting from nothing.</summary>
    public double EncoderShare { get; init; } = 0.2;

    /// <summary>How much of the average stays at each step.</summary>
    public double AverageKeep { get; init; } = 0.997;

    /// <summary>Decides the scenes, the questions, and which weights a run from nothing starts with.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Scenes of the validation during training.</summary>
    public int ValidationScenes { get; init; } = 128;

    /// <summary>Minutes between validations and between checkpoints.</summary>
    public double SaveMinutes { get; init; } = 4;
}

/// <summary>Learning rates over a run.</summary>
internal static class Schedule
{
    private const float EncoderMuon = 6e-3f, EncoderAdam = 1.5e-3f;

    private const int WarmUp = 40;

    /// <summary>Whether the encoder learns alone.</summary>
    internal static bool EncoderAlone(TrainOptions o, double progress) => o.Init is null && progress < o.EncoderShare;

    /// <summary>Rates at a point of the run (0..1): a short warm-up, then a cosine to 1 %; the encoder's own phase ends at 10 %.</summary>
    internal static Rates At(TrainOptions o, double progress, int step, int phaseStart)
    {
        float warm = Math.Min(1, (step - phaseStart + 1f) / WarmUp);
        if (EncoderAlone(o, progress))
        {
            float alone = warm * Cosine(progress / o.EncoderShare, 0.1f);
            return new Rates(EncoderMuon * alone, EncoderAdam * alone);
        }
        double begin = o.Init is null ? o.EncoderShare : 0;
        float factor = warm * Cosine((progress - begin) / (1 - begin), 0.01f);
        return new Rates(o.MuonRate * factor, o.AdamRate * factor);
    }

    private static float Cosine(double at, float end) => end + (1 - end) * 0.5f * (1 + MathF.Cos(MathF.PI * (float)Math.Clamp(at, 0, 1)));
}
