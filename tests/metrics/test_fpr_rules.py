"""FPR95 by each rule against scikit-learn and plain loops over thresholds."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from oddscape.errors import OddscapeError
from oddscape.metrics import FPR_RULES, count_operating_points, fpr

ANY_SCORES = st.integers(-5, 5) | st.floats(-2, 2, width=16)
RECALLS = st.sampled_from([0.0, 0.25, 0.5, 0.8, 0.95])


@st.composite
def pixels(draw, scores=ANY_SCORES):
    """Scores with many ties and truths of one picture, both kinds present: float32 [1, n], uint8 [1, n]."""
    pairs = draw(st.lists(st.tuples(scores, st.sampled_from([0, 0, 1, 255])), min_size=2, max_size=60))
    score, truth = np.array(pairs).T
    truth = truth.astype(np.uint8)
    assume({0, 1} <= set(truth.tolist()))
    return score.astype(np.float32)[None], truth[None]


def counted(score, truth):
    keep = truth != 255
    return score[keep], truth[keep]


def naive_points(score, truth):
    """(threshold, TP, FP) at each distinct score of any pixel, from the highest."""
    score, truth = counted(score, truth)
    for threshold in np.unique(score)[::-1]:
        called = score >= threshold
        yield float(threshold), int(np.sum(called & (truth == 1))), int(np.sum(called & (truth == 0)))


@given(pixels(), RECALLS)
def test_first_above_is_taken_from_scikit_learns_thinned_points(pictures, recall):
    score, truth = counted(*pictures)
    false, true, thresholds = sklearn.roc_curve(truth, score)
    first = np.argmax(true > recall)
    assert fpr(count_operating_points(*pictures), "first_above", recall) == (false[first], thresholds[first])


@given(st.integers(1, 30), st.integers(1, 30), st.booleans(), RECALLS)
def test_first_above_drops_long_runs_of_equal_steps(anomalous, known, tied, recall):
    # Separated scores, or one known pixel at every anomalous score: all steps are equal and dropped.
    above = np.arange(anomalous) if tied else np.arange(known, known + anomalous)
    score = np.concatenate((above, np.arange(known))).astype(np.float32)[None]
    truth = np.repeat([1, 0], [anomalous, known])[None]
    false, true, thresholds = sklearn.roc_curve(truth[0], score[0])
    first = np.argmax(true > recall)
    assert fpr(count_operating_points(score, truth), "first_above", recall) == (
        false[first],
        thresholds[first],
    )


def test_dropping_points_moves_the_threshold():
    score, truth = np.arange(100, dtype=np.float32)[None], (np.arange(100) >= 50).astype(int)[None]
    points = count_operating_points(score, truth)
    assert fpr(points, "first_at_least")[1] == 52
    assert fpr(points, "first_above")[1] == 50


@given(pixels(), RECALLS)
def test_first_at_least_is_the_first_point_of_all(pictures, recall):
    points = count_operating_points(*pictures)
    expected = next(
        (false_positives / points.negatives, threshold)
        for threshold, true_positives, false_positives in naive_points(*pictures)
        if true_positives and true_positives / points.positives >= recall
    )
    assert fpr(points, "first_at_least", recall) == expected


@given(pixels(), RECALLS)
def test_nearest_takes_the_lowest_threshold_of_the_nearest_recall(pictures, recall):
    points = count_operating_points(*pictures)
    walk = [point for point in naive_points(*pictures) if point[1]]
    full = next(i for i, (_, true_positives, _) in enumerate(walk) if true_positives == points.positives)
    from_full_recall = walk[full::-1]
    distance = [abs(true_positives / points.positives - recall) for _, true_positives, _ in from_full_recall]
    _, true_positives, false_positives = from_full_recall[int(np.argmin(distance))]

    rate, threshold = fpr(points, "nearest", recall)

    assert rate == false_positives / points.negatives
    score, truth = counted(*pictures)
    called = score >= np.float32(threshold)
    assert np.sum(called & (truth == 0)) == false_positives
    assert np.sum(called & (truth == 1)) == true_positives


@given(pixels(), RECALLS)
def test_interpolated_is_numpys_interpolation_of_scikit_learns_curve(pictures, recall):
    score, truth = counted(*pictures)
    false, true, _ = sklearn.roc_curve(truth, score)
    points = count_operating_points(*pictures)
    rate, threshold = fpr(points, "interpolated", recall)
    assert rate == pytest.approx(np.interp(recall, true, false), abs=1e-12)
    assert threshold == fpr(points, "first_at_least", recall)[1]


def test_a_recall_that_is_met_exactly():
    points = count_operating_points(np.array([[3.0, 2.0, 1.0]]), np.array([[1, 0, 1]]))
    rates = {rule: fpr(points, rule, recall=0.5)[0] for rule in FPR_RULES}
    assert rates == {"first_above": 1.0, "first_at_least": 0.0, "nearest": 1.0, "interpolated": 1.0}


@given(pixels(scores=st.integers(-5, 5)), st.sampled_from([lambda s: 3 * s + 7, np.exp, lambda s: s**3]))
def test_monotone_transforms_change_no_rate(pictures, transform):
    score, truth = pictures
    before = count_operating_points(score, truth)
    after = count_operating_points(transform(score.astype(np.float64)), truth)
    assert [fpr(before, rule)[0] for rule in FPR_RULES] == [fpr(after, rule)[0] for rule in FPR_RULES]


@pytest.mark.parametrize("truth", [[[1, 1]], [[0, 255]], [[255, 255]]])
def test_one_kind_of_pixel_has_no_rate(truth):
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array(truth))
    assert np.isnan([fpr(points, rule) for rule in FPR_RULES]).all()


def test_an_unknown_rule_lists_the_rules():
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array([[0, 1]]))
    with pytest.raises(
        OddscapeError, match="rule 'fpr': expected one of first_above, first_at_least, nearest, interpolated"
    ):
        fpr(points, "fpr")
