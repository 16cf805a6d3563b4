"""The best and the worst scenes of an evaluation."""

import math

import numpy as np
import pytest

from oddscape.data import open as open_dataset
from oddscape.evaluation import evaluate
from oddscape.examples import illustrate
from oddscape.protocols import PROTOCOLS


@pytest.fixture
def net(tiny_network):
    return tiny_network(12)


@pytest.fixture
def masks_results(net, masks_folder):
    return evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp", "energy"])


def ranks(illustrations):
    return [(shown.rank, shown.name) for shown in illustrations]


def test_best_and_worst_by_the_pictures_precision_each_once(net, masks_results, masks_folder):
    precision = dict(
        zip(masks_results.pictures, masks_results.of("msp").picture_average_precision, strict=True)
    )
    assert math.isnan(precision.pop("d"))
    best, middle, worst = sorted(precision, key=precision.__getitem__, reverse=True)
    one = illustrate(net, masks_results, masks_folder, "msp", count=1)
    assert ranks(one) == [("best", best), ("worst", worst)]
    two = illustrate(net, masks_results, masks_folder, "msp", count=2)
    assert ranks(two) == [("best", best), ("best", middle), ("worst", worst)]
    assert [shown.average_precision for shown in one] == [precision[best], precision[worst]]


def test_the_shown_score_is_the_one_with_the_highest_precision(net, masks_results, masks_folder):
    winner = max(masks_results.scores, key=lambda result: result.pooled.average_precision)
    (shown, *_) = illustrate(net, masks_results, masks_folder)
    assert shown.score_name == winner.score
    assert shown.threshold == winner.threshold
    assert shown.labels is None
    assert shown.label_space.num_classes == 12


def test_an_illustration_holds_the_scene_and_what_the_network_made_of_it(net, streethazards_folder):
    results = evaluate(net, PROTOCOLS["streethazards"], streethazards_folder, ["energy"])
    thresholds = {fold.fold: fold.threshold for fold in results.of("energy").open_set.folds}
    scenes = {scene.name: scene for scene in open_dataset("streethazards", streethazards_folder)}
    for shown in illustrate(net, results, streethazards_folder, count=2):
        scene = scenes[shown.name]
        assert shown.threshold == thresholds[scene.fold]
        np.testing.assert_array_equal(shown.image, scene.image)
        np.testing.assert_array_equal(shown.labels, scene.labels)
        np.testing.assert_array_equal(shown.anomaly, scene.anomaly)
        assert shown.classes.shape == shown.score.shape == (32, 32)
        assert shown.label_space.classes[0] == "background"
        assert shown.open_set.tolist() == np.where(shown.score > shown.threshold, 12, shown.classes).tolist()


def test_everything_has_the_evaluation_size(net, masks_folder):
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"], evaluation_size=(16, 24))
    for shown in illustrate(net, results, masks_folder):
        sizes = {part.shape[:2] for part in (shown.image, shown.classes, shown.score, shown.anomaly)}
        assert sizes == {(16, 24)}


def test_nothing_is_shown_where_no_picture_has_a_precision(net, masks_folder):
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"], reader={"frames": "d*"})
    assert illustrate(net, results, masks_folder) == []
