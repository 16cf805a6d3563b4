"""The pixel accumulator against given figures, scikit-learn and itself in other orders."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn

from oddscape.errors import OddscapeError
from oddscape.metrics import PixelMetrics, auroc, average_precision, count_operating_points, fpr

SHAPE = (3, 4, 5)
SCORES = arrays.arrays(np.float32, SHAPE, elements=st.integers(-4, 4) | st.floats(-2, 2, width=16))
TRUTHS = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 1, 255]))


def measured(*pictures, **options):
    metrics = PixelMetrics(**options)
    for score, truth in pictures:
        metrics.update(score, truth)
    return metrics.compute()


def figures(result):
    """Every figure of a result, in one array."""
    per_picture = result.per_picture
    return np.concatenate(
        (
            [result.average_precision, result.auroc, result.fpr95, result.threshold],
            [result.positives, result.negatives],
            [per_picture.average_precision, per_picture.auroc, per_picture.fpr95],
            [per_picture.pictures, per_picture.left_out],
            per_picture.each.average_precision,
            per_picture.each.auroc,
            per_picture.each.fpr95,
            per_picture.each.threshold,
            per_picture.each.positives,
            per_picture.each.negatives,
        )
    )


@pytest.mark.parametrize("name", ["11", "12", "edge"])
def test_reference_figures(shared_reference, name):
    expected = json.loads((shared_reference / "metrics/expected.json").read_text())[name]
    frames = np.load(shared_reference / f"metrics/frames_{name}.npz")
    count = len(frames.files) // 2
    result = measured(*((frames[f"score{i}"], frames[f"label{i}"]) for i in range(count)))

    pooled, mean = expected["pooled"], expected["per_image"]
    assert result.average_precision == pytest.approx(pooled["ap"], abs=1e-12)
    assert result.auroc == pytest.approx(pooled["auroc"], abs=1e-12)
    assert (result.fpr95, result.threshold) == (pooled["fpr95"], pooled["threshold"])
    assert result.per_picture.average_precision == pytest.approx(mean["ap"], abs=1e-12)
    assert result.per_picture.auroc == pytest.approx(mean["auroc"], abs=1e-12)
    assert result.per_picture.fpr95 == pytest.approx(mean["fpr95"], abs=1e-12)
    assert result.per_picture.left_out == sum(1 not in frames[f"label{i}"] for i in range(count))


@given(SCORES, TRUTHS)
def test_pooled_figures_are_those_of_all_pixels_at_once(score, truth):
    result = measured((score, truth))
    kept = truth != 255
    if len(set(truth[kept].tolist())) < 2:
        assert np.isnan(result.average_precision)
        return
    expected = sklearn.average_precision_score(truth[kept], score[kept])
    assert result.average_precision == pytest.approx(expected, abs=1e-12)
    assert result.auroc == pytest.approx(sklearn.roc_auc_score(truth[kept], score[kept]), abs=1e-12)
    assert result.prevalence == pytest.approx(np.mean(truth[kept]))


def test_many_pictures_pooled_in_chunks_equal_the_one_call():
    rng = np.random.default_rng(5)
    truth = rng.choice([0, 1], (5, 700, 800), p=[0.99, 0.01])
    score = np.round(rng.standard_normal(truth.shape, np.float32) + truth, 3)
    result, points = measured((score, truth)), count_operating_points(score, truth)
    assert result.average_precision == average_precision(points)
    assert result.auroc == auroc(points)
    assert (result.fpr95, result.threshold) == fpr(points)


@given(SCORES, TRUTHS)
def test_means_are_over_pictures_with_both_kinds(score, truth):
    result = measured((score, truth)).per_picture
    alone = [measured((score[i], truth[i])) for i in range(len(score))]
    complete = [one for one in alone if one.positives and one.negatives]
    assert (result.pictures, result.left_out) == (len(complete), len(alone) - len(complete))
    np.testing.assert_array_equal(result.each.auroc, [one.auroc for one in alone])
    np.testing.assert_array_equal(result.each.threshold, [one.threshold for one in alone])
    if complete:
        assert result.undefined is None
        assert result.average_precision == pytest.approx(np.mean([one.average_precision for one in complete]))
        assert result.fpr95 == pytest.approx(np.mean([one.fpr95 for one in complete]))
    else:
        assert result.undefined == "none of 3 pictures holds both kinds of pixel"
        assert np.isnan([result.average_precision, result.auroc, result.fpr95]).all()


@given(SCORES, TRUTHS, st.integers(0, 3))
def test_merged_parts_equal_the_whole(score, truth, cut):
    first, second = PixelMetrics(), PixelMetrics()
    first.update(score[:cut], truth[:cut])
    for i in range(cut, len(score)):
        second.update(score[i], truth[i])
    first.merge(second)
    np.testing.assert_array_equal(figures(first.compute()), figures(measured((score, truth))))


@given(SCORES, TRUTHS, st.sampled_from([np.nan, np.inf, -np.inf, 1e30]))
def test_ignored_pixels_never_matter(score, truth, anything):
    other = np.where(truth == 255, np.float32(anything), score)
    np.testing.assert_array_equal(figures(measured((other, truth))), figures(measured((score, truth))))


@pytest.mark.parametrize(
    "convert",
    [
        lambda s: s.astype(np.float16),
        lambda s: s.astype(np.float64),
        lambda s: s[:, ::-1].copy()[:, ::-1],
        torch.tensor,
        lambda s: torch.tensor(s, dtype=torch.bfloat16),
        lambda s: torch.tensor(s, requires_grad=True),
    ],
    ids=["half", "double", "reversed", "torch", "bfloat16", "with gradient"],
)
def test_any_float_type_of_numpy_and_torch(convert):
    rng = np.random.default_rng(0)
    score = rng.integers(-60, 60, (2, 8, 9)).astype(np.float32) / 16  # exact in every float type
    truth = rng.choice([0, 1, 255], score.shape).astype(np.uint8)
    expected = figures(measured((score, truth)))
    np.testing.assert_array_equal(figures(measured((convert(score), truth))), expected)
    np.testing.assert_array_equal(figures(measured((convert(score), torch.tensor(truth)))), expected)


def test_float64_scores_are_not_rounded():
    score = np.array([[1.0, 1.0 + 1e-12]])
    assert measured((score, np.array([[0, 1]]))).auroc == 1.0


def test_infinite_scores_are_ordered_like_any_other():
    score = np.array([[np.inf, 1.0, -np.inf, -np.inf]], np.float32)
    assert measured((score, np.array([[1, 0, 0, 1]]))).auroc == 0.625


def test_the_rule_is_kept():
    score, truth = np.arange(100.0)[None], (np.arange(100) >= 50).astype(int)[None]
    assert measured((score, truth), fpr_rule="first_at_least").threshold == 52
    result = measured((score, truth))
    assert (result.threshold, result.fpr_rule) == (50, "first_above")


def test_nothing_at_all_is_undefined():
    result = PixelMetrics().compute()
    assert result.undefined == "no pixel counts"
    assert np.isnan([result.average_precision, result.auroc, result.fpr95, result.threshold]).all()
    assert np.isnan(result.prevalence)
    assert result.per_picture.each.auroc.shape == (0,)


def test_histogram_counts_both_kinds_over_the_common_range():
    rng = np.random.default_rng(1)
    score, truth = rng.standard_normal((2, 30, 40), np.float32), rng.choice([0, 1, 255], (2, 30, 40))
    metrics = PixelMetrics()
    metrics.update(score, truth)
    histogram = metrics.histogram(bins=20)
    expected = np.histogram_bin_edges(score[truth != 255], 20)
    np.testing.assert_allclose(histogram.edges, expected, atol=1e-6)
    np.testing.assert_array_equal(histogram.known, np.histogram(score[truth == 0], histogram.edges)[0])
    np.testing.assert_array_equal(histogram.anomalous, np.histogram(score[truth == 1], histogram.edges)[0])


def test_bins_of_coarse_scores_hold_their_lower_edge():
    # Many edges lie among the scores, and are not the float32 ones that are next to them.
    score = (np.float32(0.3) + np.float32(0.017) * np.arange(61, dtype=np.float32))[None]
    truth = np.arange(61)[None] % 2
    metrics = PixelMetrics()
    metrics.update(score, truth)
    histogram = metrics.histogram(bins=60)
    for kind, counts in ((0, histogram.known), (1, histogram.anomalous)):
        reached = score[truth == kind] >= histogram.edges[:-1, None]
        np.testing.assert_array_equal(counts[::-1].cumsum()[::-1], np.count_nonzero(reached, axis=1))


def test_histogram_of_constant_and_infinite_scores_loses_no_pixel():
    metrics = PixelMetrics()
    metrics.update(np.array([[2.0, 2.0, np.inf, -np.inf]], np.float32), np.array([[0, 1, 1, 0]]))
    histogram = metrics.histogram(bins=4)
    assert (histogram.edges[0], histogram.edges[-1]) == (1.5, 2.5)
    assert (histogram.known.tolist(), histogram.anomalous.tolist()) == ([1, 0, 1, 0], [0, 0, 1, 1])


@pytest.mark.parametrize(
    "score", [[1.0, 1 + 2e-16, 1.0], [1e20, 1e20, 1e20], [-1e300, -1e300, np.inf], [0, 0, 0]]
)
@pytest.mark.parametrize("engine", ["exact", "streaming"])
def test_histogram_of_scores_too_close_to_be_parted_loses_no_pixel(score, engine):
    metrics = PixelMetrics(engine=engine)
    metrics.update(np.array([score], np.float64), np.array([[0, 1, 1]]))
    histogram = metrics.histogram()
    assert (np.diff(histogram.edges) > 0).all()
    assert (histogram.known.sum(), histogram.anomalous.sum()) == (1, 2)


GOOD = np.zeros((2, 2), np.float32)


@pytest.mark.parametrize(
    ("score", "truth", "message"),
    [
        (GOOD, np.array([[0, 1], [2, 255]]), r"truth holds \[2\]: expected 0 known, 1 anomaly, 255 ignored"),
        (GOOD, np.zeros((2, 3)), r"shapes differ: score \(1, 2, 2\), truth \(1, 2, 3\)"),
        (np.array([[0, np.nan]]), np.array([[0, 1]]), "score is NaN at 1 pixels that count"),
        (np.zeros((2, 2), int), np.zeros((2, 2)), "score is int64: expected floating-point numbers"),
        (np.zeros(4), np.zeros(4), r"score has shape \(4,\): expected \[H, W\] or \[N, H, W\]"),
    ],
)
def test_bad_input_is_one_clear_line_and_adds_nothing(score, truth, message):
    metrics = PixelMetrics()
    with pytest.raises(OddscapeError, match=message) as raised:
        metrics.update(score, truth)
    assert "\n" not in str(raised.value)
    assert metrics.compute().per_picture.each.auroc.size == 0


def test_a_bad_picture_in_a_batch_adds_none_of_it():
    metrics = PixelMetrics()
    score = np.zeros((2, 1, 2))
    score[1, 0, 1] = np.nan
    with pytest.raises(OddscapeError, match="NaN"):
        metrics.update(score, np.array([[[0, 1]], [[0, 1]]]))
    assert metrics.compute().positives == 0


def test_rules_are_checked_at_the_start_and_when_merging():
    with pytest.raises(OddscapeError, match="unknown FPR rule 'last': expected one of first_above"):
        PixelMetrics(fpr_rule="last")
    with pytest.raises(OddscapeError, match="cannot merge fpr_rule 'nearest' into 'first_above'"):
        PixelMetrics().merge(PixelMetrics("nearest"))
