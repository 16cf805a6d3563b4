"""Operating points against scikit-learn and plain loops over thresholds."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from oddscape.errors import OddscapeError
from oddscape.metrics import (
    FPR_RULES,
    auroc,
    average_precision,
    count_operating_points,
    fpr,
    precision_recall_curve,
    roc_curve,
)

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


@given(pixels())
def test_average_precision_is_the_step_sum(pictures):
    points = count_operating_points(*pictures)
    previous, expected = 0.0, 0.0
    for _, true_positives, false_positives in naive_points(*pictures):
        recall = true_positives / points.positives
        expected += (recall - previous) * true_positives / (true_positives + false_positives)
        previous = recall
    assert average_precision(points) == pytest.approx(expected, abs=1e-12)


@given(pixels())
def test_auroc_is_the_share_of_pairs_in_order(pictures):
    score, truth = counted(*pictures)
    pairs = np.sign(score[truth == 1][:, None] - score[truth == 0][None])
    assert auroc(count_operating_points(*pictures)) == pytest.approx(np.mean((pairs + 1) / 2), abs=1e-12)


@given(pixels())
def test_areas_equal_scikit_learn(pictures):
    points = count_operating_points(*pictures)
    score, truth = counted(*pictures)
    assert average_precision(points) == pytest.approx(
        sklearn.average_precision_score(truth, score), abs=1e-12
    )
    assert auroc(points) == pytest.approx(sklearn.roc_auc_score(truth, score), abs=1e-12)


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


def test_a_tie_at_the_threshold_counts_as_called():
    points = count_operating_points(np.array([[1.0, 1.0, 0.0]]), np.array([[1, 0, 0]]))
    assert average_precision(points) == 0.5
    assert auroc(points) == 0.75
    assert {rule: fpr(points, rule)[0] for rule in FPR_RULES} == {
        "first_above": 0.5,
        "first_at_least": 0.5,
        "nearest": 0.5,
        "interpolated": pytest.approx(0.475),
    }


@given(pixels(scores=st.integers(-5, 5)), st.sampled_from([lambda s: 3 * s + 7, np.exp, lambda s: s**3]))
def test_monotone_transforms_change_nothing(pictures, transform):
    score, truth = pictures
    before, after = (
        count_operating_points(score, truth),
        count_operating_points(transform(score.astype(np.float64)), truth),
    )
    assert average_precision(before) == average_precision(after)
    assert auroc(before) == auroc(after)
    assert [fpr(before, rule)[0] for rule in FPR_RULES] == [fpr(after, rule)[0] for rule in FPR_RULES]


@given(pixels(), st.randoms(use_true_random=False))
def test_the_order_of_pixels_changes_nothing(pictures, random):
    order = list(range(pictures[0].size))
    random.shuffle(order)
    before, after = (
        count_operating_points(*pictures),
        count_operating_points(*(maps[:, order] for maps in pictures)),
    )
    for name in ("thresholds", "true_positives", "false_positives", "false_positives_above"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_many_pixels_counted_in_chunks_equal_scikit_learn(share):
    rng = np.random.default_rng(3)
    truth = (rng.random((3, 1000, 1024)) < share).astype(np.uint8)
    score = np.round(rng.standard_normal(truth.shape, dtype=np.float32) + truth, 4)
    points = count_operating_points(score, truth)
    false, true, thresholds = sklearn.roc_curve(truth.ravel(), score.ravel())
    first = np.argmax(true > 0.95)
    expected = sklearn.average_precision_score(truth.ravel(), score.ravel())
    assert average_precision(points) == pytest.approx(expected, abs=1e-12)
    assert auroc(points) == pytest.approx(sklearn.auc(false, true), abs=1e-12)
    assert fpr(points) == (false[first], thresholds[first])


@given(pixels())
def test_curves_are_exact_where_not_thinned(pictures):
    points = count_operating_points(*pictures)
    roc, precision_recall = roc_curve(points), precision_recall_curve(points)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(auroc(points), abs=1e-12)
    score, truth = counted(*pictures)
    for x, y, threshold in zip(roc.x, roc.y, roc.thresholds, strict=True):
        called = score >= threshold
        assert (x, y) == (np.mean(called[truth == 0]), np.mean(called[truth == 1]))
    for x, y, threshold in zip(
        precision_recall.x, precision_recall.y, precision_recall.thresholds, strict=True
    ):
        called = score >= threshold
        assert (x, y) == (np.mean(called[truth == 1]), np.mean(truth[called] == 1))


def test_long_curves_are_thinned_and_keep_their_area():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, (1, 20_000))
    points = count_operating_points(rng.standard_normal(truth.shape) + truth, truth)
    roc, precision_recall = roc_curve(points), precision_recall_curve(points)
    assert 400 < len(roc.x) <= 500
    assert 200 < len(precision_recall.x) <= 500
    assert (np.diff(roc.x) >= 0).all()
    assert (np.diff(roc.y) >= 0).all()
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(auroc(points), abs=1e-3)


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ([[1, 1]], "no known pixel among the 2 that count"),
        ([[0, 255]], "no anomalous pixel among the 1 that count"),
        ([[255, 255]], "no pixel counts"),
    ],
)
def test_one_kind_of_pixel_is_undefined_and_says_why(truth, reason):
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array(truth))
    assert points.undefined == reason
    figures = [average_precision(points), auroc(points)]
    figures += [figure for rule in FPR_RULES for figure in fpr(points, rule)]
    assert np.isnan(figures).all()
    assert roc_curve(points).x.size == precision_recall_curve(points).x.size == 0


def test_an_unknown_rule_lists_the_rules():
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array([[0, 1]]))
    with pytest.raises(
        OddscapeError, match="rule 'fpr': expected one of first_above, first_at_least, nearest, interpolated"
    ):
        fpr(points, "fpr")
