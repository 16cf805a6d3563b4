"""The thresholds of a page's slider, against counting."""

import math
from dataclasses import replace

import numpy as np
import pytest

from oddscape.metrics.bootstrap import resample
from oddscape.protocols import PROTOCOLS
from oddscape.scenes import Scene
from oddscape.score_tally import ScoreSource, ScoreTally
from oddscape.threshold_stops import MOST_STOPS, score_levels, threshold_stops


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (3, 40, 60), p=(0.85, 0.1, 0.05))
    return (rng.normal(0, 1, truth.shape) + 2 * (truth == 1)).astype(np.float32), truth


@pytest.fixture
def result(maps):
    tally = ScoreTally("made", ScoreSource("f", False), PROTOCOLS["masks"], "exact", None)
    image = np.zeros((40, 60, 3), np.uint8)
    for score, truth in zip(*maps, strict=True):
        tally.add(Scene("a", image, anomaly=truth), truth, score, None, None)
    return tally.result(np.empty(0, np.int64), resample(["a", "b", "c"]))


def test_every_stop_has_the_rates_that_counting_gives(maps, result):
    score, truth = maps
    known, anomalous = score[truth == 0], score[truth == 1]
    stops = threshold_stops(result)
    for stop in stops:
        assert stop.tpr == pytest.approx((anomalous >= stop.threshold).mean(), abs=1e-12)
        assert stop.fpr == pytest.approx((known >= stop.threshold).mean(), abs=1e-12)
    assert 150 < len(stops) <= MOST_STOPS
    assert np.diff([stop.threshold for stop in stops]).min() > 0


def test_the_thresholds_of_the_figures_are_among_them(result):
    thresholds = [stop.threshold for stop in threshold_stops(result)]
    assert result.threshold in thresholds
    assert result.best_f1_threshold in thresholds


def test_they_leave_little_between_them(result):
    stops = threshold_stops(result)
    assert np.abs(np.diff([stop.tpr for stop in stops])).max() < 0.03
    assert np.abs(np.diff([stop.fpr for stop in stops])).max() < 0.06


def test_a_level_says_which_stops_a_score_reaches(maps, result):
    score, _ = maps
    stops = threshold_stops(result)
    levels = score_levels(score, stops)
    for number, stop in enumerate(stops):
        assert ((levels > number) == (score >= stop.threshold)).all()


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
