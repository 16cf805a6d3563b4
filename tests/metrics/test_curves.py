"""Curves against plain loops over thresholds; thinned ones keep their areas."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from oddscape.metrics import (
    auroc,
    average_precision,
    count_operating_points,
    precision_recall_curve,
    roc_curve,
)

ANY_SCORES = st.integers(-5, 5) | st.floats(-2, 2, width=16)


@st.composite
def pixels(draw):
    """Scores with many ties and truths of one picture, both kinds present: float32 [1, n], uint8 [1, n]."""
    pairs = draw(st.lists(st.tuples(ANY_SCORES, st.sampled_from([0, 0, 1, 255])), min_size=2, max_size=60))
    score, truth = np.array(pairs).T
    truth = truth.astype(np.uint8)
    assume({0, 1} <= set(truth.tolist()))
    return score.astype(np.float32)[None], truth[None]


def noisy_points(decimals, pixels=20_000):
    """Many operating points; few decimals make ties."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, (1, pixels))
    return count_operating_points(np.round(rng.standard_normal(truth.shape) + truth, decimals), truth)


def steps(curve):
    return np.sum(np.diff(curve.x, prepend=0) * curve.y)


@given(pixels())
def test_curves_are_exact_where_not_thinned(pictures):
    points = count_operating_points(*pictures)
    keep = pictures[1] != 255
    score, truth = pictures[0][keep], pictures[1][keep]
    roc, precision_recall = roc_curve(points), precision_recall_curve(points)
    for x, y, threshold in zip(roc.x, roc.y, roc.thresholds, strict=True):
        called = score >= threshold
        assert (x, y) == (np.mean(called[truth == 0]), np.mean(called[truth == 1]))
    for x, y, threshold in zip(
        precision_recall.x, precision_recall.y, precision_recall.thresholds, strict=True
    ):
        called = score >= threshold
        assert x == np.mean(called[truth == 1])
        assert y == pytest.approx(np.mean(truth[called] == 1), abs=1e-15)


@given(pixels(), st.integers(10, 40))
def test_areas_do_not_depend_on_the_limit(pictures, limit):
    points = count_operating_points(*pictures)
    roc, precision_recall = roc_curve(points, limit), precision_recall_curve(points, limit)
    assert len(roc.x) <= limit
    assert len(precision_recall.x) <= limit
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(auroc(points), abs=1e-12)
    assert steps(precision_recall) == pytest.approx(average_precision(points), abs=1e-12)
    for coordinate in (roc.x, roc.y, precision_recall.x, -roc.thresholds, -precision_recall.thresholds):
        assert (coordinate[1:] >= coordinate[:-1]).all()


@pytest.mark.parametrize("limit", [10, 50, 500, 100_000])
@pytest.mark.parametrize("decimals", [2, 12])
def test_long_curves_keep_their_areas(limit, decimals):
    points = noisy_points(decimals)
    roc, precision_recall = roc_curve(points, limit), precision_recall_curve(points, limit)
    assert len(roc.x) <= limit
    assert len(precision_recall.x) <= limit
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(auroc(points), abs=1e-12)
    assert steps(precision_recall) == pytest.approx(average_precision(points), abs=1e-12)
    assert np.all((np.diff(roc.x) >= 0) & (np.diff(roc.y) >= 0))


def test_kept_points_lie_on_the_curve_and_thresholds_give_them():
    points = noisy_points(12)
    roc = roc_curve(points)
    index = len(points.thresholds) - np.searchsorted(points.thresholds[::-1], roc.thresholds[2:-1:2]) - 1
    np.testing.assert_array_equal(roc.y[2:-1:2], points.recall[index])
    np.testing.assert_array_equal(roc.x[2:-1:2], points.false_positives[index] / points.negatives)


def test_a_thinned_curve_lies_close_to_the_whole():
    points = noisy_points(12)
    thinned, whole = roc_curve(points, 500), roc_curve(points, 100_000)
    assert np.abs(np.interp(thinned.x[1::2], whole.x, whole.y) - thinned.y[1::2]).max() < 0.01


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_kept_points_leave_no_wide_gap_on_either_axis(curve):
    drawn = curve(noisy_points(12, pixels=200_000))
    assert np.diff(drawn.x).max() < 0.01
    # The step of the highest scores is as high as chance makes it.
    assert np.abs(np.diff(drawn.y[5:])).max() < 0.02


def test_infinite_and_greatest_scores_are_thresholds_too():
    greatest = np.finfo(np.float32).max
    score = np.array([[np.inf, greatest, 0, -np.inf, np.inf, -np.inf]], np.float32)
    truth = np.array([[1, 1, 1, 1, 0, 0]])
    points = count_operating_points(score, truth)
    roc = roc_curve(points)
    rank = np.unique(score[0], return_inverse=True)[1]
    assert np.trapezoid(roc.y, roc.x) == sklearn.roc_auc_score(truth[0], rank)
    np.testing.assert_array_equal(precision_recall_curve(points).thresholds, [np.inf, greatest, 0, -np.inf])


@pytest.mark.parametrize("truth", [[[1, 1]], [[0, 255]], [[255, 255]]])
def test_one_kind_of_pixel_has_no_curve(truth):
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array(truth))
    assert roc_curve(points).x.size == precision_recall_curve(points).x.size == 0
