"""What is kept of a picture, against naive loops."""

import math

import numpy as np
import pytest

from oddscape.detector import Prediction
from oddscape.errors import OddscapeError
from oddscape.labels import label_space_of
from oddscape.mining.facts import RANKINGS, picture_facts, region_score
from oddscape.regions import RegionRules, find_regions


def _prediction(score, threshold=1.0, **others):
    classes = (np.arange(score.size) % 3).astype(np.uint8).reshape(score.shape)
    image = np.zeros((*score.shape, 3), np.uint8)
    return Prediction(image, classes, score.astype(np.float32), threshold, label_space_of(4), **others)


def _score(*regions, size=(40, 60)):
    """A map of zeros with rectangles of a score: (rows, columns, score)."""
    score = np.zeros(size)
    for rows, columns, value in regions:
        score[rows, columns] = value
    return score


def test_the_figures_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    score = rng.normal(0, 1, (6, 8)).repeat(5, 0).repeat(5, 1) + rng.normal(0, 0.1, (30, 40))
    prediction = _prediction(score)
    facts = picture_facts(prediction, "ab")
    values = [float(value) for value in prediction.score.ravel()]
    assert facts.anomalous_share == pytest.approx(sum(value > 1 for value in values) / len(values))
    assert facts.mean_score == pytest.approx(math.fsum(values) / len(values))
    assert facts.class_shares == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0))
    assert (facts.width, facts.height, facts.picture_hash) == (40, 30, "ab")
    regions = find_regions(prediction.score, prediction.score > 1)
    assert facts.regions == len(regions) > 1
    by_hand = {}
    for region in regions:
        sides = region.box.right - region.box.left, region.box.bottom - region.box.top
        by_hand[region.box] = (region.mean_score - 1) * (region.area / max(sides) / (30 * 40) ** 0.5) ** 0.5
    assert facts.region_score == pytest.approx(max(by_hand.values()))
    expected = sorted(by_hand, key=lambda box: -by_hand[box])[:8]
    assert [region.box for region in facts.leading] == expected
    assert all(getattr(facts, figure) is not None for figure in RANKINGS.values())


def test_an_object_ranks_above_a_seam_of_as_many_pixels():
    blob, seam = np.s_[10:20], np.s_[2:22]
    solid = picture_facts(_prediction(_score((blob, np.s_[30:34], 3))), "")
    thin = picture_facts(_prediction(_score((seam, np.s_[30:32], 3))), "")
    assert solid.anomalous_share == thin.anomalous_share
    assert solid.region_score == pytest.approx(math.sqrt(2) * thin.region_score)


def test_a_strong_region_ranks_above_a_weak_one_and_size_counts():
    weak = _score((np.s_[5:15], np.s_[5:15], 2))
    strong = _score((np.s_[5:15], np.s_[5:15], 4))
    large = _score((np.s_[5:35], np.s_[5:35], 2))
    figures = [picture_facts(_prediction(score), "").region_score for score in (weak, strong, large)]
    assert figures[1] == pytest.approx(3 * figures[0])
    assert figures[2] == pytest.approx(math.sqrt(3) * figures[0])


def test_the_score_does_not_depend_on_the_resolution():
    score = _score((np.s_[5:15], np.s_[5:25], 2.5))
    twice = score.repeat(2, 0).repeat(2, 1)
    figures = [picture_facts(_prediction(it), "").region_score for it in (score, twice)]
    assert figures[0] == pytest.approx(figures[1])


def test_without_a_region_there_is_none():
    facts = picture_facts(_prediction(np.zeros((4, 6))), "")
    assert (facts.region_score, facts.anomalous_share, facts.regions, facts.leading) == (0, 0, 0, ())


def test_regions_are_those_of_the_detectors_rules():
    score = _score((np.s_[2:4], np.s_[2:4], 9), (np.s_[10:20], np.s_[10:20], 2))
    rules = RegionRules(min_region=10)
    facts = picture_facts(_prediction(score, rules=rules), "")
    assert (facts.regions, facts.leading[0].area) == (1, 100)
    grown = picture_facts(_prediction(score, threshold=8.0, rules=RegionRules(low=0.5)), "")
    assert grown.leading[0].area == 4
    assert region_score(find_regions(score, score == 2)[0], 8.0, 60, 40) == 0  # below it, never negative


def test_a_detector_without_a_threshold_is_refused():
    with pytest.raises(OddscapeError, match="has no threshold"):
        picture_facts(_prediction(np.zeros((4, 6)), threshold=None), "")
