"""SegmentMeIfYouCan's component metric against given figures and loops over components and pixels."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from oddscape.component_sizes import OBSTACLE_TRACK, ComponentSizes
from oddscape.errors import OddscapeError
from oddscape.metrics.smiyc.component import LEVELS, ComponentMetrics, match_components

SHAPE = (3, 9, 11)
SIZES = ComponentSizes(predicted=3, true=2)
SCORES = arrays.arrays(np.float32, SHAPE, elements=st.sampled_from([-1, 0, 0.5, 1, 2]))
TRUTHS = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 1, 1, 255]))
PICTURES = st.tuples(SCORES, TRUTHS)


def measured(score, truth, threshold=0.5, sizes=SIZES):
    metrics = ComponentMetrics(threshold, sizes)
    metrics.update(score, truth)
    return metrics.compute()


def counts(result):
    return np.stack((result.true_positives, result.false_negatives, result.false_positives))


def means(result):
    return [result.mean_f1, result.mean_siou, result.mean_ppv, result.mean_siou_predicted]


def flooded(pixels):
    """The 8-connected components of a set of pixels, as sets."""
    left, components = set(pixels), []
    while left:
        component, front = set(), [left.pop()]
        while front:
            y, x = front.pop()
            component.add((y, x))
            near = {(y + dy, x + dx) for dy, dx in product((-1, 0, 1), repeat=2)} & left
            left -= near
            front += near
        components.append(component)
    return components


def siou_by_sets(component, others, own_kind):
    union = set().union(*(other for other in others if other & component))
    elsewhere = set().union(*(other for other in own_kind if other is not component))
    return len(component & union) / len((component | union) - (union & elsewhere))


def matched_by_sets(predicted, truth, sizes):
    pixels = set(np.ndindex(truth.shape))
    region = {at for at in pixels if truth[at] != 255}
    found = [c for c in flooded({at for at in region if predicted[at]}) if len(c) >= sizes.predicted]
    true = flooded({at for at in region if truth[at] == 1})
    region -= set().union(*(component for component in true if len(component) < sizes.true))
    found = [component & region for component in found if component & region]
    true = [component for component in true if len(component) >= sizes.true]
    siou = [siou_by_sets(component, found, true) for component in true]
    ppv = [len(component & set().union(*true)) / len(component) for component in found]
    return siou, ppv, [siou_by_sets(component, true, found) for component in found]


@pytest.mark.parametrize("name", ["11", "12", "edge"])
def test_reference_figures(shared_reference, name):
    expected = json.loads((shared_reference / "metrics/expected.json").read_text())[name]
    threshold = expected["smiyc_pixel"]["best_f1_threshold"]
    expected = expected["smiyc_component"]
    frames = np.load(shared_reference / f"metrics/frames_{name}.npz")
    count = len(frames.files) // 2
    pictures = (np.stack([frames[f"{key}{i}"] for i in range(count)]) for key in ("score", "label"))
    result = measured(*pictures, threshold, OBSTACLE_TRACK)
    assert result.undefined is None
    for short, figure in (
        ("tp", result.true_positives),
        ("fn", result.false_negatives),
        ("fp", result.false_positives),
        ("f1", result.f1),
    ):
        given_figures = [expected[f"{short}_{level}"] for level in (25, 50, 75, "mean")]
        np.testing.assert_allclose([*figure[[0, 5, 10]], figure.mean()], given_figures, rtol=0, atol=1e-12)
    names = ("f1_mean", "sIoU_gt", "prec_pred", "sIoU_pred")
    np.testing.assert_allclose(means(result), [expected[name] for name in names], rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(PICTURES)
def test_matches_are_those_of_sets_of_pixels(picture):
    for score, truth in zip(*picture, strict=True):
        expected = matched_by_sets(score > 0.5, truth, SIZES)
        matched = match_components(score > 0.5, truth, SIZES)
        for own, plain in zip((matched.siou, matched.ppv, matched.siou_predicted), expected, strict=True):
            np.testing.assert_allclose(np.sort(own), np.sort(plain), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(PICTURES)
def test_pooled_figures_are_those_of_all_components(picture):
    result = measured(*picture)
    matched = [matched_by_sets(score > 0.5, truth, SIZES) for score, truth in zip(*picture, strict=True)]
    siou, ppv, siou_predicted = (np.concatenate(values) for values in zip(*matched, strict=True))
    assert (result.true, result.predicted) == (len(siou), len(ppv))
    for i, level in enumerate(np.linspace(0.25, 0.75, 11)):
        tp, fn, fp = np.sum(siou >= level), np.sum(siou < level), np.sum(ppv < level)
        assert counts(result)[:, i].tolist() == [tp, fn, fp]
        if tp + fn + fp:
            assert result.f1[i] == 2 * tp / (2 * tp + fn + fp)
    for figure, values in (
        (result.mean_siou, siou),
        (result.mean_ppv, ppv),
        (result.mean_siou_predicted, siou_predicted),
    ):
        assert figure == pytest.approx(values.mean()) if len(values) else np.isnan(figure)
    assert bool(result.undefined) == (not len(siou) or not len(ppv))


@settings(max_examples=60, deadline=None)
@given(PICTURES, st.integers(0, 3), st.permutations(range(3)))
def test_parts_and_their_order_change_nothing(picture, cut, order):
    score, truth = picture
    first, second = ComponentMetrics(0.5, SIZES), ComponentMetrics(0.5, SIZES)
    first.update(score[order][:cut], truth[order][:cut])
    for i in order[cut:]:
        second.update(torch.from_numpy(score[i]), torch.from_numpy(truth[i]))
    first.merge(second)
    parts, whole = first.compute(), measured(score, truth)
    np.testing.assert_array_equal(counts(parts), counts(whole))
    np.testing.assert_allclose(means(parts), means(whole), rtol=1e-12)
    np.testing.assert_array_equal(parts.each.false_positives, whole.each.false_positives[order])
    np.testing.assert_array_equal(parts.each.siou, whole.each.siou[order])


@settings(max_examples=60, deadline=None)
@given(PICTURES, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_ignored_pixels_never_matter(picture, anything):
    score, truth = picture
    other = np.where(truth == 255, np.float32(anything), score)
    np.testing.assert_array_equal(counts(measured(other, truth)), counts(measured(score, truth)))


def matched(predicted, truth, smallest_predicted=1, smallest_true=1):
    """Match one row of pixels: ``#`` predicted; ``1`` anomaly, ``x`` ignored, anything else not."""
    values = {"1": 1, "x": 255}
    found = match_components(
        np.array([[pixel == "#" for pixel in predicted]]),
        np.array([[values.get(pixel, 0) for pixel in truth]]),
        ComponentSizes(smallest_predicted, smallest_true),
    )
    return found.siou.tolist(), found.ppv.tolist(), found.siou_predicted.tolist()


def test_one_prediction_over_two_anomalies_pays_for_the_gap_only():
    assert matched("######", "11..11") == ([2 / 4, 2 / 4], [4 / 6], [4 / 6])


def test_an_anomaly_under_two_predictions_is_found_by_their_union():
    assert matched("##..##", "111111") == ([4 / 6], [1, 1], [2 / 4, 2 / 4])


def test_predictions_are_measured_without_ignored_pixels():
    assert matched("####", "x111", smallest_predicted=4) == ([0], [], [])
    assert matched("####", "x111", smallest_predicted=3) == ([1], [1], [1])


def test_an_ignored_band_cuts_a_prediction():
    assert matched("#####", "11x11", smallest_predicted=2) == ([1, 1], [1, 1], [1, 1])


def test_small_truth_becomes_ignored_and_what_is_left_of_a_prediction_is_not_measured_again():
    assert matched("####....", "11....11", smallest_predicted=4, smallest_true=3) == ([], [0], [0])
    assert matched("##..", "11..", smallest_predicted=2, smallest_true=3) == ([], [], [])


def test_a_prediction_that_small_truth_cuts_in_two_stays_one():
    assert matched("#######", "111.1..", smallest_true=2) == ([3 / 6], [3 / 6], [3 / 6])


def test_diagonal_neighbours_are_one_component():
    assert len(match_components(np.eye(4, dtype=bool), np.zeros((4, 4)), ComponentSizes(4, 1)).ppv) == 1


def test_the_threshold_is_compared_in_float64():
    threshold = float(np.float32(0.1)) + 1e-12  # rounds to the float32 below it
    score = np.full((2, 2), 0.1, np.float32)
    assert measured(score, np.ones((2, 2)), threshold).predicted == 0
    assert measured(score, np.ones((2, 2)), threshold - 2e-12).predicted == 1


@pytest.mark.parametrize(
    ("score", "truth", "reason", "f1"),
    [
        (0, 0, "no ground-truth and no predicted component counts", np.nan),
        (0, 255, "no ground-truth and no predicted component counts", np.nan),
        (1, 255, "no ground-truth and no predicted component counts", np.nan),
        (1, 0, "no ground-truth component counts", 0),
        (0, 1, "no predicted component counts", 0),
        (1, 1, None, 1),
    ],
)
def test_undefined_means_say_why(score, truth, reason, f1):
    result = measured(np.full((3, 3), score, np.float32), np.full((3, 3), truth))
    assert result.undefined == reason
    np.testing.assert_array_equal([result.mean_f1, *result.f1], f1)
    assert np.isnan(result.mean_siou) == (result.true == 0)
    assert np.isnan(result.mean_ppv) == np.isnan(result.mean_siou_predicted) == (result.predicted == 0)


def test_nothing_added_yet():
    result = ComponentMetrics(0.5, SIZES).compute()
    assert result.undefined == "no ground-truth and no predicted component counts"
    assert result.each.true_positives.shape == (0, len(LEVELS))


@pytest.mark.parametrize(
    ("score", "truth", "message"),
    [
        ([[0, np.nan, np.nan]], [[0, 1, 255]], "score is NaN at 1 pixels that count"),
        ([[0.0]], [[0, 1]], r"shapes differ: score \(1, 1, 1\), truth \(1, 1, 2\)"),
        ([[0.0]], [[3]], r"truth holds \[3\]: expected 0 known, 1 anomaly, 255 ignored"),
    ],
)
def test_bad_maps_are_refused(score, truth, message):
    metrics = ComponentMetrics(0.5, SIZES)
    with pytest.raises(OddscapeError, match=message):
        metrics.update(np.array(score, np.float32), np.array(truth))
    assert metrics.compute().each.true.size == 0


def test_a_threshold_that_is_undefined_is_refused():
    with pytest.raises(OddscapeError, match="threshold is NaN: expected a number"):
        ComponentMetrics(float("nan"), SIZES)


def test_other_thresholds_or_sizes_do_not_merge():
    with pytest.raises(OddscapeError, match=r"cannot merge components at \(0.6, .*\) into those at \(0.5, "):
        ComponentMetrics(0.5, SIZES).merge(ComponentMetrics(0.6, SIZES))
