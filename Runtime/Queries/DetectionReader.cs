using VlmSdk.Decoding;
using VlmSdk.Models.Scout;
using VlmSdk.Vision;

namespace VlmSdk.Queries;

/// <summary>Collects detections from the tokens of a grammar-bound answer, with boxes taken back to source pixels.</summary>
internal sealed class DetectionReader(AnswerTokens tokens, CoordinateMap map)
{
    private readonly List<Detection> _detections = [];
    private readonly List<int[]> _words = [];
    private readonly List<int> _phrase = [];
    private readonly double[] _box = new double[4];
    private double _phraseConfidence = 1, _confidence = 1, _boxConfidence;
    private int _corner, _boxes;
    private bool _inPhrase;

    /// <summary>The detections whose boxes are complete.</summary>
    internal IReadOnlyList<Detection> Detections => _detections;

    /// <summary>The tokens of each detection's phrase.</summary>
    internal IReadOnlyList<int[]> Words => _words;

    /// <summary>Reads one more token of the answer.</summary>
    internal void Read(ScoutGenerator.Step step)
    {
        if (step.Token == tokens.RefOpen)
        {
            _phrase.Clear();
            (_inPhrase, _boxes, _phraseConfidence) = (true, 0, step.Probability);
        }
        else if (step.Token == tokens.RefClose)
        {
            _inPhrase = false;
        }
        else if (step.Token == tokens.BoxOpen)
        {
            // The first box of a phrase is certain to follow; a further one is as likely as the model says.
            _confidence = _boxes++ == 0 ? _phraseConfidence : _phraseConfidence * step.Probability;
            (_corner, _boxConfidence) = (0, 1);
        }
        else if (step.Token == tokens.BoxClose)
        {
            _words.Add([.. _phrase]);
            _detections.Add(new Detection(ScoutSpeller.Spell(_phrase), SourceBox(), (float)_confidence, (float)_boxConfidence));
        }
        else if (_inPhrase)
        {
            _phrase.Add(step.Token);
            _phraseConfidence *= step.Probability;
        }
        else if (ScoutVocabulary.IsLocation(step.Token))
        {
            _box[_corner++] = step.Place;
            _boxConfidence *= step.Probability;
        }
    }

    private PixelBox SourceBox()
    {
        double left = map.SourceX(_box[0] * map.TargetWidth), right = map.SourceX(_box[2] * map.TargetWidth);
        double top = map.SourceY(_box[1] * map.TargetHeight), bottom = map.SourceY(_box[3] * map.TargetHeight);
        return new PixelBox(left, top, Math.Max(left, right), Math.Max(top, bottom));
    }
}
