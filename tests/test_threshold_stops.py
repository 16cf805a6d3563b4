"""The thresholds of a page's slider, against counting."""

import math
from dataclasses import replace

import numpy as np
import pytest

from oddscape.metrics.bootstrap import resample
from oddscape.protocols import PROTOCOLS
from oddscape.regions import anomaly_mask
from oddscape.scenes import Scene
from oddscape.score_tally import ScoreSource, ScoreTally
from oddscape.threshold_stops import MOST_STOPS, score_levels, stop_for, threshold_stops


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (3, 40, 60), p=(0.85, 0.1, 0.05))
    return (rng.normal(0, 1, truth.shape) + 2 * (truth == 1)).astype(np.float32), truth


def tallied(scores, truths):
    """What an evaluation finds of score maps."""
    tally = ScoreTally("made", ScoreSource("f", False), PROTOCOLS["masks"], "exact", None)
    image = np.zeros((40, 60, 3), np.uint8)
    for score, truth in zip(scores, truths, strict=True):
        tally.add(Scene("a", image, anomaly=truth), truth, score, None, None)
    return tally.result(np.empty(0, np.int64), resample(["a", "b", "c"]))


@pytest.fixture
def result(maps):
    return tallied(*maps)


def test_every_stop_has_the_rates_that_counting_gives(maps, result):
    score, truth = maps
    known, anomalous = score[truth == 0], score[truth == 1]
    stops = threshold_stops(result)
    for stop in stops:
        assert stop.tpr == pytest.approx((anomalous > stop.threshold).mean(), abs=1e-12)
        assert stop.fpr == pytest.approx((known > stop.threshold).mean(), abs=1e-12)
    assert 150 < len(stops) <= MOST_STOPS
    assert np.diff([stop.threshold for stop in stops]).min() > 0


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_ties_are_called_as_a_detector_calls_them(maps, kind):
    score, truth = np.round(maps[0].astype(np.float64), 1).astype(kind), maps[1]
    known, anomalous = score[truth == 0], score[truth == 1]
    found = tallied(score, truth)
    stops = threshold_stops(found)
    for stop in stops:
        called = np.stack([anomaly_mask(one, np.float64(stop.threshold)) for one in score])
        assert stop.tpr == pytest.approx(called[truth == 1].mean(), abs=1e-12)
        assert stop.fpr == pytest.approx(called[truth == 0].mean(), abs=1e-12)
    for level, stop in ((found.threshold, "fpr95"), (found.best_f1_threshold, "best F1")):
        at = stops[stop_for(stops, level)]
        assert at.threshold < level, stop
        assert at.tpr == (anomalous >= kind(level)).mean(), stop
        assert at.fpr == (known >= kind(level)).mean(), stop


def test_a_detector_takes_the_thresholds_of_single_precision_as_they_are(maps, result):
    for stop in threshold_stops(result):
        # A Python float is rounded to the score's precision before it is compared.
        assert anomaly_mask(maps[0], stop.threshold)[maps[1] == 0].mean() == pytest.approx(
            stop.fpr, abs=1e-12
        )


def test_double_precision_is_known_also_where_anomalies_saturate(maps):
    score, truth = maps[0].astype(np.float64) / 7, maps[1]
    score[truth == 1] = 1.0
    score[0, 0, 0], truth[0, 0, 0] = 1 - 1e-12, 0
    stops = threshold_stops(tallied(score, truth))
    for stop in stops:
        assert stop.fpr == pytest.approx((score[truth == 0] > stop.threshold).mean(), abs=1e-12)


def test_the_stop_of_an_undefined_score_is_in_the_middle(result):
    stops = threshold_stops(result)
    assert stop_for(stops, math.nan) == len(stops) // 2
    assert stop_for(stops, -math.inf) == 0
    assert stop_for(stops, math.inf) == len(stops) - 1


def test_they_leave_little_between_them(result):
    stops = threshold_stops(result)
    assert np.abs(np.diff([stop.tpr for stop in stops])).max() < 0.03
    assert np.abs(np.diff([stop.fpr for stop in stops])).max() < 0.06


def test_a_level_says_which_stops_a_score_exceeds(maps, result):
    score, _ = maps
    stops = threshold_stops(result)
    levels = score_levels(score, stops)
    for number, stop in enumerate(stops):
        assert ((levels > number) == (score > stop.threshold)).all()


def test_without_anomalies_there_are_stops_without_a_true_positive_rate(result):
    nothing = replace(result.pooled, auroc=math.nan)
    curves = replace(result.curves, anomaly=[0.0] * len(result.curves.known), rates=[])
    stops = threshold_stops(replace(result, pooled=nothing, curves=curves))
    assert len(stops) == 60
    assert all(math.isnan(stop.tpr) and 0 <= stop.fpr <= 1 for stop in stops)
    assert stops[0].fpr == 1


def test_each_picture_has_its_false_alarms(maps, result):
    for score, truth, found in zip(*maps, result.picture_false_alarms, strict=True):
        assert found == pytest.approx((score[truth == 0] >= result.threshold).mean(), abs=0.005)
