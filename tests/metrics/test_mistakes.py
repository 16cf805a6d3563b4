"""cFPR and eFPR against plain loops over pixels."""

import numpy as np
import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.metrics.fpr_rules import fpr
from oddscape.metrics.mistakes import MistakeMetrics
from oddscape.metrics.operating_points import count_operating_points

K = 3


def made_picture(seed, size=(12, 15)):
    """Maps of a picture: score, predicted, labels, anomaly; label 255 among the known pixels too."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(K + 3, size)  # K: anomaly, K + 1: ignored, K + 2: known without a class
    labels = np.where(kind < K, kind, 255).astype(np.uint8)
    anomaly = np.select([kind == K, kind == K + 1], [1, 255], 0).astype(np.uint8)
    predicted = np.where(rng.random(size) < 0.6, kind, rng.integers(0, K, size)) % K
    score = np.round(rng.standard_normal(size) + 2 * (kind == K) + (predicted != kind), 1)
    return score.astype(np.float32), predicted.astype(np.uint8), labels, anomaly


def plain_rates(score, predicted, labels, anomaly, threshold):
    called, pixels = [0, 0], [0, 0]
    for s, p, label, kind in zip(*map(np.ravel, (score, predicted, labels, anomaly)), strict=True):
        if kind == 0 and label != 255:
            wrong = int(p != label)
            pixels[wrong] += 1
            called[wrong] += s >= threshold
    return [c / n for c, n in zip(called, pixels, strict=True)]


def threshold_of(picture, rule):
    return fpr(count_operating_points(picture[0], picture[3]), rule)[1]


@pytest.mark.parametrize("rule", ["nearest", "first_at_least"])
@pytest.mark.parametrize("given", [False, True])
def test_rates_equal_a_loop_over_pixels(rule, given):
    pictures = [made_picture(seed) for seed in range(5)]
    metrics = MistakeMetrics(rule)
    for picture in pictures:
        metrics.update(*picture, thresholds=[threshold_of(picture, rule)] if given else None)
    result = metrics.compute()
    expected = np.array([plain_rates(*picture, threshold_of(picture, rule)) for picture in pictures])
    np.testing.assert_allclose(np.stack((result.each_cfpr, result.each_efpr), axis=1), expected)
    assert (result.cfpr, result.efpr) == pytest.approx(tuple(expected.mean(axis=0)))
    assert result.cfpr < result.efpr
    assert (result.cfpr_pictures, result.efpr_pictures, result.left_out) == (5, 5, 0)
    assert result.undefined is None


def test_the_rule_is_dicnet_s_unless_another_is_asked_for():
    picture = made_picture(0)
    metrics = MistakeMetrics()
    metrics.update(*picture)
    assert metrics.compute().cfpr == plain_rates(*picture, threshold_of(picture, "nearest"))[0]


def test_thresholds_are_not_rounded_to_the_scores_type():
    score, predicted = np.array([[1.0, 0.0]], np.float32), np.array([[0, 0]])
    metrics = MistakeMetrics()
    metrics.update(score, predicted, np.array([[0, 255]]), np.array([[0, 1]]), thresholds=[1 + 1e-12])
    assert metrics.compute().cfpr == 0


def test_pictures_without_threshold_or_mistakes_are_left_out():
    whole, calm, perfect = (made_picture(seed) for seed in range(3))
    calm[3][calm[3] == 1] = 255
    perfect = (perfect[0], np.where(perfect[2] == 255, 0, perfect[2]), *perfect[2:])
    metrics = MistakeMetrics()
    metrics.update(*(np.stack(maps) for maps in zip(whole, calm, perfect, strict=True)))
    result = metrics.compute()
    np.testing.assert_array_equal(np.isnan(result.each_cfpr), [False, True, False])
    np.testing.assert_array_equal(np.isnan(result.each_efpr), [False, True, True])
    assert (result.cfpr_pictures, result.efpr_pictures, result.left_out) == (2, 1, 1)
    assert result.efpr == result.each_efpr[0]


def test_undefined_means_say_why():
    result = MistakeMetrics().compute()
    assert np.isnan([result.cfpr, result.efpr]).all()
    assert result.undefined == "no picture with a threshold holds correctly or wrongly classified pixels"
    score, _, labels, anomaly = made_picture(0)
    metrics = MistakeMetrics()
    metrics.update(score, np.where(labels == 255, 0, labels), labels, anomaly)
    assert metrics.compute().undefined == "no picture with a threshold holds wrongly classified pixels"
    assert metrics.compute().cfpr >= 0


def test_merged_parts_equal_the_whole_in_numpy_and_torch():
    first, second, whole = MistakeMetrics(), MistakeMetrics(), MistakeMetrics()
    first.update(*(torch.tensor(values) for values in made_picture(0)))
    second.update(*made_picture(1))
    first.merge(second)
    whole.update(*(np.stack(maps) for maps in zip(made_picture(0), made_picture(1), strict=True)))
    np.testing.assert_array_equal(first.compute().each_efpr, whole.compute().each_efpr)
    with pytest.raises(OddscapeError, match="cannot merge FPR rule 'first_above' into 'nearest'"):
        first.merge(MistakeMetrics("first_above"))


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({0: np.full((12, 15), np.nan)}, {}, "score is NaN at"),
        ({0: np.full((12, 15), np.nan)}, {"thresholds": [0.0]}, "score is NaN at"),
        ({1: np.zeros((2, 2))}, {}, "shapes differ: .* predicted"),
        ({3: np.full((12, 15), 7)}, {}, r"anomaly holds \[7\]"),
        ({}, {"thresholds": [0.0, 1.0]}, "2 thresholds for 1 pictures"),
    ],
)
def test_bad_input_is_one_clear_line_and_adds_nothing(changed, options, message):
    metrics = MistakeMetrics()
    maps = (changed.get(i, values) for i, values in enumerate(made_picture(0)))
    with pytest.raises(OddscapeError, match=message):
        metrics.update(*maps, **options)
    assert metrics.compute().each_cfpr.size == 0


def test_unknown_rule_lists_the_rules():
    with pytest.raises(OddscapeError, match="unknown FPR rule 'last': expected one of"):
        MistakeMetrics("last")
