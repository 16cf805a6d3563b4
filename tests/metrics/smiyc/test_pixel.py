"""SegmentMeIfYouCan's pixel metric against given figures and a plain reading of its definition."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from oddscape.errors import OddscapeError
from oddscape.metrics.smiyc.pixel import SmiycPixelMetrics, count_quantile_bins

SHAPE = (3, 6, 7)
SCORES = arrays.arrays(np.float32, SHAPE, elements=st.integers(-2, 2) | st.floats(-3, 3, width=32))
TRUTHS = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 1, 255]))


def measured(score, truth):
    metrics = SmiycPixelMetrics()
    metrics.update(score, truth)
    return metrics.compute()


def figures(result):
    return [
        *(result.average_precision, result.auroc, result.fpr95, result.best_f1, result.threshold),
        *(result.positives, result.negatives),
    ]


def plain_bins(positives, negatives):
    """Lower edges and counts of one picture, by numpy.quantile and numpy.histogram."""
    both = np.concatenate((positives, negatives)).astype(np.float64)
    margin = max(0.01 * (both.max() - both.min()), 0.01)
    present = [kind for kind in (positives, negatives) if kind.size]
    quantiles = [np.quantile(kind, np.linspace(0, 1, min(384, kind.size))) for kind in present]
    edges = np.unique(np.concatenate([[both.min() - margin, both.max() + margin], *quantiles]))
    return edges[:-1], *(np.histogram(kind, edges)[0] for kind in (positives, negatives))


def plain_figures(score, truth):
    """AP, AUROC, FPR95, best F1 and its threshold, threshold after threshold."""
    rows = []
    for s, t in zip(score, truth, strict=True):
        if (t < 255).any():
            rows += zip(*plain_bins(s[t == 1], s[t == 0]), strict=True)
    positives, negatives = np.sum(truth == 1), np.sum(truth == 0)
    points = {}  # of equal thresholds the last stays
    tp = fp = 0
    for edge, true, false in sorted(rows, key=lambda row: -row[0]):
        tp, fp = tp + true, fp + false
        points[edge] = (tp, fp)
    assert (tp, fp) == (positives, negatives)
    precision = area = 0.0
    fpr95, best = None, (0.0, None)
    before = (0, 0)
    for edge, (tp, fp) in points.items():
        if tp + fp:
            precision += (tp - before[0]) / positives * tp / (tp + fp)
        area += (fp - before[1]) * (tp + before[0]) / 2 / positives / negatives
        if fpr95 is None and tp / positives >= 0.95:
            fpr95 = fp / negatives
        f1 = 2 * tp / (tp + fp + positives)
        best = (f1, edge) if f1 > best[0] else best
        before = (tp, fp)
    return precision, area, fpr95, *best


@pytest.mark.parametrize("name", ["11", "12", "edge"])
def test_reference_figures(shared_reference, name):
    expected = json.loads((shared_reference / "metrics/expected.json").read_text())[name]["smiyc_pixel"]
    frames = np.load(shared_reference / f"metrics/frames_{name}.npz")
    count = len(frames.files) // 2
    result = measured(*(np.stack([frames[f"{key}{i}"] for i in range(count)]) for key in ("score", "label")))
    assert result.undefined is None
    assert result.average_precision == pytest.approx(expected["area_PRC"], abs=1e-12)
    assert result.auroc == pytest.approx(expected["area_ROC"], abs=1e-12)
    assert result.fpr95 == pytest.approx(expected["tpr95_fpr"], abs=1e-12)
    assert result.best_f1 == pytest.approx(expected["best_f1"], abs=1e-12)
    assert result.threshold == expected["best_f1_threshold"]


@settings(max_examples=60, deadline=None)
@given(SCORES, TRUTHS)
def test_figures_are_those_of_the_definition(score, truth):
    result = measured(score, truth)
    assert (result.positives, result.negatives) == (np.sum(truth == 1), np.sum(truth == 0))
    if not result.positives or not result.negatives:
        assert result.undefined
        assert np.isnan(figures(result)[:5]).all()
        return
    np.testing.assert_allclose(figures(result)[:5], plain_figures(score, truth), rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.01, 0.6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("saturated", [False, True])
def test_bins_of_a_large_picture_are_numpys_to_the_last_bit(share, dtype, saturated):
    rng = np.random.default_rng(3)
    truth = rng.random(500_000) < share
    score = (rng.standard_normal(truth.size) + truth).astype(dtype)
    score = np.tanh(9 * score).astype(dtype) if saturated else score
    bins = count_quantile_bins(score[truth], score[~truth])
    edges, anomalous, known = plain_bins(score[truth], score[~truth])
    np.testing.assert_array_equal(bins.edges[1:], edges[1:])
    np.testing.assert_allclose(bins.edges[0], edges[0])
    np.testing.assert_array_equal(bins.anomalous, anomalous)
    np.testing.assert_array_equal(bins.known, known)


@settings(max_examples=60, deadline=None)
@given(SCORES, TRUTHS, st.integers(0, 3), st.permutations(range(3)))
def test_parts_and_their_order_change_nothing(score, truth, cut, order):
    first, second = SmiycPixelMetrics(), SmiycPixelMetrics()
    first.update(score[order][:cut], truth[order][:cut])
    for i in order[cut:]:
        second.update(torch.from_numpy(score[i]), torch.from_numpy(truth[i]))
    first.merge(second)
    np.testing.assert_array_equal(figures(first.compute()), figures(measured(score, truth)))


@settings(max_examples=60, deadline=None)
@given(SCORES, TRUTHS, st.sampled_from([np.nan, np.inf, 1e30]))
def test_ignored_pixels_never_matter(score, truth, anything):
    other = np.where(truth == 255, np.float32(anything), score)
    np.testing.assert_array_equal(figures(measured(other, truth)), figures(measured(score, truth)))


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ([[255, 255]], "no pixel counts"),
        ([[0, 255]], "no anomalous pixel among the 1 that count"),
        ([[1, 1]], "no known pixel among the 2 that count"),
    ],
)
def test_undefined_figures_say_why(truth, reason):
    result = measured(np.zeros((1, 2), np.float32), np.array(truth))
    assert result.undefined == reason
    assert np.isnan(figures(result)[:5]).all()


@pytest.mark.parametrize("value", [2, -2, 2.0**80, -(2.0**80)])
def test_one_score_for_all_pixels(value):
    result = measured(np.full((1, 4), value, np.float32), np.array([[0, 0, 0, 1]]))
    assert (result.average_precision, result.auroc, result.fpr95) == (0.25, 0.5, 1)
    assert (result.best_f1, result.threshold) == (0.4, value)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ([[0.0, np.nan]], "score is NaN at 1 pixels that count"),
        ([[np.inf, -np.inf]], "score is infinite at 2 pixels that count: expected finite scores"),
        ([[0.0]], r"shapes differ: score \(1, 1, 1\), truth \(1, 1, 2\)"),
    ],
)
def test_bad_scores_are_refused_and_add_nothing(score, message):
    metrics = SmiycPixelMetrics()
    with pytest.raises(OddscapeError, match=message):
        metrics.update(np.array(score, np.float32), np.array([[0, 1]]))
    assert metrics.pictures == []
