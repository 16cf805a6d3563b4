"""A detector's threshold, chosen and checked on scenes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from oddscape import data as data_sets
from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.regions import RegionRules, anomaly_mask
from oddscape.scenes import Scene
from oddscape.scored_pictures import scored_picture
from oddscape.threshold_figures import figures_at
from oddscape.threshold_rules import BestF1, FalseAlarms, FalseRegions, Recall
from oddscape.thresholds import calibrate, check_threshold


@pytest.fixture
def detector(tiny_network):
    return Detector(tiny_network(5), "energy")


def plain(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Scene(f"{n}", rng.integers(0, 256, (16, 24, 3), np.uint8)) for n in range(count)]


def test_the_detector_is_given_the_threshold_and_the_one_given_is_left(detector):
    scenes = plain(8)
    done = calibrate(detector, scenes, FalseAlarms(0.2))
    assert detector.threshold is None
    above = [done.detector.predict(scene.image).anomaly.mean() for scene in scenes]
    assert np.mean(above) == pytest.approx(done.figures[0].fpr.value)
    assert done.figures[0].fpr.value < done.bound <= 0.2
    assert done.figures[0].pictures == done.figures[0].units == 8


def test_pictures_of_one_recording_bound_less(detector):
    # A car that waits: each recording is one picture three times, which says no more than one.
    alone = [replace(scene, name=f"{scene.name}{n}") for scene in plain(4) for n in range(3)]
    together = [replace(scene, sequence=scene.name[0]) for scene in alone]
    thresholds = [calibrate(detector, scenes, FalseAlarms(0.3)).threshold for scenes in (alone, together)]
    assert thresholds[0] < thresholds[1]


def test_labelled_pictures_of_a_data_set(detector, masks_folder):
    scenes = data_sets.open("masks", masks_folder)
    for rule in (Recall(0.9), BestF1(), FalseRegions(1e5, 1)):
        done = calibrate(detector, scenes, rule, RegionRules(3))
        (alone, treated), checked = done.figures, check_threshold(done.detector, scenes, RegionRules(3))
        assert (str(alone.rules), str(treated.rules)) == ("none", "regions ≥ 3 px")
        np.testing.assert_equal(checked, done.figures)
        called = [done.detector.predict(scene.image).anomaly for scene in scenes]
        truth = [scene.anomaly for scene in scenes]
        hits = sum(np.sum(c & (t == 1)) for c, t in zip(called, truth, strict=True))
        false = sum(np.sum(c & (t == 0)) for c, t in zip(called, truth, strict=True))
        assert alone.tpr.value == pytest.approx(hits / alone.anomalous)
        assert alone.fpr.value == pytest.approx(false / alone.known)
        assert alone.f1.value == pytest.approx(2 * hits / (hits + false + alone.anomalous))
        assert treated.fpr.value <= alone.fpr.value


def test_figures_of_each_way_of_treating_regions():
    rng = np.random.default_rng(0)
    maps = [(rng.normal(size=(12, 14)), rng.choice([0, 1, 255], (12, 14)).astype(np.uint8)) for _ in range(6)]
    rules = RegionRules(4, 0.5)
    found = figures_at((scored_picture(*m, str(n)) for n, m in enumerate(maps)), 1.0, rules)
    expected = [RegionRules(), RegionRules(4), RegionRules(low=0.5), rules]
    assert [row.rules for row in found] == expected
    for row in found:
        counted = [(np.where(t == 255, -9, s), t) for s, t in maps]
        false = sum(np.sum(anomaly_mask(s, 1.0, row.rules) & (t == 0)) for s, t in counted)
        assert row.fpr.value == pytest.approx(false / row.known)
        for low, value, high in ((e.interval.low, e.value, e.interval.high) for e in (row.fpr, row.tpr)):
            assert low <= value <= high
    assert found[0].false_regions.interval.high > found[0].false_regions.value


def test_without_anomalies_there_is_no_recall_and_no_f1():
    (row,) = figures_at([scored_picture(np.zeros((2, 2)), np.zeros((2, 2), np.uint8), n) for n in "ab"], 1.0)
    assert (row.fpr.value, row.false_regions.value) == (0, 0)
    assert row.false_regions.interval.high == pytest.approx(3.69 / 2, abs=0.01)
    assert np.isnan([row.tpr.value, row.f1.value]).all()


def test_bad_input_is_one_line(detector):
    with pytest.raises(OddscapeError, match="no pictures: a threshold is chosen and checked on pictures"):
        calibrate(detector, [], FalseAlarms(0.1))
    with pytest.raises(OddscapeError, match="this detector has no threshold to check"):
        check_threshold(detector, plain(2))
    with pytest.raises(
        OddscapeError, match="the low threshold of hysteresis, 1e\\+06, is above the threshold"
    ):
        calibrate(detector, plain(8), FalseAlarms(0.2), RegionRules(low=1e6))
    with torch.no_grad():
        detector.net.classifier.bias[0] = torch.nan
    with pytest.raises(OddscapeError, match="0: score is NaN at 384 pixels that count"):
        calibrate(detector, plain(8), FalseAlarms(0.2))
