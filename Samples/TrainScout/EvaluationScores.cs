using System.Text.Json.Nodes;
using VlmSdk.Samples.Scenes;

namespace VlmSdk.Samples.TrainScout;

/// <summary>
/// Counts behind the figures of an evaluation. Ambiguous objects count neither for nor against: no question depends on
/// one, and naming one is not an error.
/// </summary>
internal sealed class EvaluationScores
{
    private const int CalibrationBins = 15;

    private readonly Share _plain = new(), _relation = new(), _hardRelation = new(), _superlative = new(), _count = new(), _listCount = new(), _recall = new(), _falsePresent = new();
    private readonly Share _wholeList = new(), _one = new(), _two = new(), _more = new(), _zero = new();
    private readonly (double Sum, int Right, int Count)[] _bins = new (double, int, int)[CalibrationBins];
    private readonly Detection _description = new(), _list = new();
    private double _iou;

    /// <summary>Scenes shown so far.</summary>
    internal int Scenes { get; set; }

    /// <summary>A grounded phrase: its probability of being in view and the boxes given (x0 y0 x1 y1 in picture units), none for not in view.</summary>
    internal void AddGrounding(SceneQuery query, float presence, IReadOnlyList<float[]> boxes)
    {
        bool there = query.Targets.Length > 0, said = boxes.Count > 0;
        ref (double Sum, int Right, int Count) bin = ref _bins[Math.Clamp((int)(presence * CalibrationBins), 0, CalibrationBins - 1)];
        bin = (bin.Sum + presence, bin.Right + (there ? 1 : 0), bin.Count + 1);

        Phrase phrase = query.Phrase!;
        if (phrase is { Relation: null, Most: null })
            (there ? _recall : _falsePresent).Add(said);
        if (query.Targets.Length != 1)
            return;
        ObjectLabel target = query.Targets[0];
        float iou = said ? Validation.IoU(boxes[0], [target.X0, target.Y0, target.X1, target.Y1]) : 0;
        if (phrase.Relation is not null)
        {
            _relation.Add(iou >= 0.5f);
            if (query.Candidates > 1)
                _hardRelation.Add(iou >= 0.5f);
        }
        else if (phrase.Most is not null)
            _superlative.Add(iou >= 0.5f);
        else if (phrase is { Colour: not null, Shape: not null })
        {
            _plain.Add(iou >= 0.5f);
            _iou += iou;
        }
    }

    /// <summary>The answer to a counting question, and the count through the detect list if that was asked for.</summary>
    internal void AddCount(SceneQuery query, string answer, int? listed)
    {
        int truth = query.Targets.Length;
        bool right = string.Equals(answer.Trim(), Answers.Number(truth), StringComparison.OrdinalIgnoreCase);
        _count.Add(right);
        (truth switch { 0 => _zero, 1 => _one, 2 => _two, _ => _more }).Add(right);
        if (listed is { } count)
            _listCount.Add(count == truth);
    }

    /// <summary>The objects a description names.</summary>
    internal void AddDescription(IEnumerable<(ObjectColour Colour, ObjectShape Shape)> named, IReadOnlyList<ObjectLabel> objects) =>
        _wholeList.Add(_description.Add(named, objects));

    /// <summary>The objects the detect list names.</summary>
    internal void AddList(IEnumerable<(ObjectColour Colour, ObjectShape Shape)> named, IReadOnlyList<ObjectLabel> objects) => _list.Add(named, objects);

    /// <summary>The figures under the names of the model card.</summary>
    internal JsonObject ToJson()
    {
        int grounded = _bins.Sum(b => b.Count);
        double error = _bins.Where(b => b.Count > 0).Sum(b => Math.Abs(b.Sum - b.Right)) / Math.Max(1, grounded);
        return new JsonObject
        {
            ["scenes"] = Scenes,
            ["acc_at_50"] = _plain.Value,
            ["mean_iou"] = Round(_iou / Math.Max(1, _plain.Count)),
            ["relational_acc_at_50"] = _relation.Value,
            ["object_f1"] = _description.F1,
            ["count_accuracy"] = _count.Value,
            ["false_present"] = _falsePresent.Value,
            ["presence_recall"] = _recall.Value,
            ["calibration_error"] = Round(error),
            ["details"] = new JsonObject
            {
                ["acc_at_50_queries"] = _plain.Count,
                ["relational_queries"] = _relation.Count,
                ["relational_acc_two_or_more_candidates"] = _hardRelation.Value,
                ["relational_two_or_more_candidates_queries"] = _hardRelation.Count,
                ["superlative_acc_at_50"] = _superlative.Value,
                ["count_queries"] = _count.Count,
                ["count_zero"] = _zero.Value,
                ["count_one"] = _one.Value,
                ["count_two"] = _two.Value,
                ["count_three_or_more"] = _more.Value,
                ["count_by_list_accuracy"] = _listCount.Count > 0 ? _listCount.Value : null,
                ["list_f1"] = _listCount.Count > 0 ? _list.F1 : null,
                ["whole_description_right"] = _wholeList.Value,
                ["false_present_queries"] = _falsePresent.Count,
                ["grounding_queries"] = grounded,
            },
        };
    }

    private static double Round(double value) => Math.Round(value, 4);

    private sealed class Share
    {
        private int _right;

        internal int Count { get; private set; }

        internal double Value => Round(_right / (double)Math.Max(1, Count));

        internal void Add(bool right)
        {
            Count++;
            _right += right ? 1 : 0;
        }
    }

    private sealed class Detection
    {
        private int _right, _wrong, _missed;

        internal double F1 => Round(2.0 * _right / Math.Max(1, 2 * _right + _wrong + _missed));

        /// <summary>Adds a scene; true when nothing was wrong or missed.</summary>
        internal bool Add(IEnumerable<(ObjectColour Colour, ObjectShape Shape)> named, IReadOnlyList<ObjectLabel> objects)
        {
            List<(ObjectColour, ObjectShape)> clear = [.. objects.Where(o => o.IsClear).Select(o => (o.Colour, o.Shape))];
            List<(ObjectColour, ObjectShape)> ambiguous = [.. objects.Where(o => !o.IsClear).Select(o => (o.Colour, o.Shape))];
            int wrong = 0;
            foreach ((ObjectColour, ObjectShape) one in named)
                if (clear.Remove(one))
                    _right++;
                else if (!ambiguous.Remove(one))
                    wrong++;
            _wrong += wrong;
            _missed += clear.Count;
            return wrong == 0 && clear.Count == 0;
        }
    }
}
