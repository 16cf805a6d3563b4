"""Rates at a few thresholds, against counting."""

import numpy as np

from oddscape.metrics.operating_points import count_operating_points
from oddscape.metrics.rates import rates_by_threshold


def made(seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (100, 200), p=(0.9, 0.05, 0.05))
    return np.round(rng.normal(0, 1, truth.shape) + 2 * (truth == 1), 3).astype(np.float32), truth


def test_rates_are_those_of_counting_and_rise_with_the_threshold():
    score, truth = made()
    rates = rates_by_threshold(count_operating_points(score, truth))
    assert 100 < len(rates) <= 180
    assert (np.diff(rates[:, 0]) > 0).all()
    for threshold, tpr, fpr in rates:
        assert tpr == (score[truth == 1] >= threshold).mean()
        assert fpr == (score[truth == 0] >= threshold).mean()


def test_wanted_thresholds_are_among_them():
    score, truth = made()
    wanted = np.sort(score[truth == 1])[[17, 333]]
    rates = rates_by_threshold(count_operating_points(score, truth), (*wanted.tolist(), float("nan")))
    assert set(wanted.tolist()) <= set(rates[:, 0].tolist())


def test_few_false_alarms_are_told_apart():
    rates = rates_by_threshold(count_operating_points(*made()))
    assert np.count_nonzero(rates[:, 2] < 0.01) > 20


def test_infinite_scores_are_no_thresholds():
    score, truth = made()
    score[truth == 1] = np.where(score[truth == 1] > 3, np.inf, score[truth == 1])
    assert np.isfinite(rates_by_threshold(count_operating_points(score, truth))).all()


def test_there_are_none_without_both_kinds():
    score, truth = made()
    assert rates_by_threshold(count_operating_points(score, np.zeros_like(truth))).shape == (0, 3)
