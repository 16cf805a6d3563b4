"""The pictures of an evaluation."""

import base64
import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from oddscape.data import open as open_dataset
from oddscape.evaluation import evaluate, evaluate_scores
from oddscape.examples import chosen, failures, illustrate, illustrate_scores, keep_thumbnails
from oddscape.inference import run_network
from oddscape.packed_maps import unpack_map
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES
from oddscape.threshold_stops import score_levels, threshold_stops


@pytest.fixture
def net(tiny_network):
    return tiny_network(12)


@pytest.fixture
def masks_results(net, masks_folder):
    return evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp", "energy"])


def decoded(text: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(text)))


def test_half_are_spread_and_the_others_are_best_and_worst(masks_results):
    precision = np.random.default_rng(0).permutation(np.linspace(0, 1, 100))
    alarms = np.random.default_rng(1).permutation(np.linspace(0, 1, 100))
    shown = replace(
        masks_results.scores[0],
        picture_average_precision=[math.nan, *precision[1:].tolist()],
        picture_false_alarms=alarms.tolist(),
    )
    found = chosen(shown, 100, 16)
    assert found == sorted(set(found))
    assert len(found) == 16
    assert set(np.linspace(0, 99, 8).round().astype(int).tolist()) <= set(found)
    ranked = [number for number in np.argsort(precision).tolist() if number]
    assert {*ranked[:4], *ranked[-2:], *np.argsort(alarms)[-2:].tolist()} <= set(found)


def test_all_are_chosen_where_they_are_few_and_none_where_none_is_asked_for(masks_results):
    assert chosen(masks_results.scores[0], 4, 60) == [0, 1, 2, 3]
    assert chosen(masks_results.scores[0], 4, 0) == []


def test_the_shown_score_is_the_one_with_the_highest_precision(net, masks_results, masks_folder):
    winner = max(masks_results.scores, key=lambda result: result.pooled.average_precision)
    gallery = illustrate(net, masks_results, masks_folder)
    assert gallery.score == winner.score
    assert gallery.shown_threshold == np.nextafter(np.float32(winner.best_f1_threshold), -np.inf)
    assert gallery.class_names[0] == "class 0"
    assert [it.name for it in gallery.illustrations] == list("abcd")


def test_an_illustration_holds_the_scene_and_what_the_network_made_of_it(net, streethazards_folder):
    results = evaluate(net, PROTOCOLS["streethazards"], streethazards_folder, ["energy"])
    gallery = illustrate(net, results, streethazards_folder, count=2)
    scenes = {scene.name: scene for scene in open_dataset("streethazards", streethazards_folder)}
    assert len(gallery.illustrations) == 2
    for it in gallery.illustrations:
        scene = scenes[it.name]
        said = run_network(net, scene.image, {"energy": SCORES["energy"]})
        levels = score_levels(said.scores["energy"][0].numpy(), threshold_stops(results.of("energy")))
        expected = {
            "levels": levels,
            "classes": said.classes[0],
            "labels": scene.labels,
            "anomaly": scene.anomaly,
        }
        for name, found in expected.items():
            assert unpack_map(getattr(it, name), it.size).tolist() == found.tolist(), name
        assert decoded(it.photograph).size == (32, 32)
    assert gallery.class_names[0] == "background"
    assert list(gallery.thumbnails) == results.pictures


def test_wide_pictures_are_sampled(net, masks_folder, monkeypatch):
    monkeypatch.setattr("oddscape.examples.MAX_WIDTH", 12)
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"])
    it = illustrate(net, results, masks_folder).illustrations[0]
    assert (it.size, it.full_size) == ((8, 12), (32, 48))
    truth = open_dataset("masks", masks_folder)[0].anomaly
    assert unpack_map(it.anomaly, it.size).tolist() == truth[2::4, 2::4].tolist()


def test_everything_has_the_evaluation_size(net, masks_folder):
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"], evaluation_size=(16, 24))
    for it in illustrate(net, results, masks_folder).illustrations:
        assert it.size == it.full_size == (16, 24)
        assert decoded(it.photograph).size == (24, 16)


def test_score_files_are_shown_without_classes(net, masks_results, masks_folder, tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    for scene in open_dataset("masks", masks_folder):
        score = run_network(net, scene.image, {"msp": SCORES["msp"]}).scores["msp"][0].numpy()
        np.save(folder / f"{scene.name}.npy", score)
    results = evaluate_scores(folder, PROTOCOLS["masks"], masks_folder)
    gallery = illustrate_scores(folder, results, masks_folder)
    (of_network,) = illustrate(net, masks_results, masks_folder, "msp", count=1).illustrations
    first = gallery.illustrations[0]
    assert (gallery.class_names, first.classes) == ([], None)
    assert (first.levels, first.photograph) == (of_network.levels, of_network.photograph)


def test_scenes_that_passed_by_are_not_read_again(net, masks_folder):
    kept: dict[str, str] = {}
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"], progress=keep_thumbnails(iter, kept))
    assert list(kept) == list("abcd")
    for file in (masks_folder / "images").iterdir():
        file.write_bytes(b"nothing")
    gallery = illustrate(net, results, masks_folder, count=0, thumbnails=kept)
    assert (gallery.thumbnails, gallery.illustrations) == (kept, [])


def test_false_regions_and_missed_anomalies():
    anomaly, score = np.zeros((2, 40, 60), np.uint8), np.zeros((40, 60))
    anomaly = anomaly[0]
    anomaly[5:15, 5:15], score[5:15, 5:9] = 1, 1  # two fifths of it found
    anomaly[20:30, 20:30], score[18:32, 18:30] = 1, 1  # found, and spilled over
    score[2:6, 40:50] = 1  # false
    anomaly[34:, :], score[36:38, :] = 255, 1  # ignored
    image = np.zeros((40, 60, 3), np.uint8)
    false, missed = failures(score, anomaly, image, 0.5)
    assert (false.kind, false.pixels) == ("false alarm", 40)
    assert false.box == pytest.approx((2 / 40, 40 / 60, 6 / 40, 50 / 60))
    assert (missed.kind, missed.pixels) == ("missed", 60)
    assert missed.box == pytest.approx((5 / 40, 5 / 60, 15 / 40, 15 / 60))


def test_a_crop_shows_the_outline_of_its_region():
    score = np.zeros((60, 80))
    score[20:40, 30:50], score[27:33, 37:43] = 1, 0  # with a hole
    (false,) = failures(score, np.zeros((60, 80), np.uint8), np.full((60, 80, 3), 128, np.uint8), 0.5)
    crop = np.asarray(decoded(false.crop)).astype(int)
    outlined = np.abs(crop - 128).max(axis=2) > 40
    # The crop of 80×60, the box in its middle, is not enlarged.
    assert outlined.shape == (60, 80)
    rows, columns = outlined[30], outlined[:, 40]
    for line, edges in ((rows, (30, 37, 43, 50)), (columns, (20, 27, 33, 40))):
        assert all(line[edge - 2 : edge + 3].any() for edge in edges)
        assert not line[: edges[0] - 4].any()
        assert not line[edges[3] + 5 :].any()


def test_the_largest_failures_come_first_and_no_more_than_three_of_a_kind():
    score = np.zeros((40, 60))
    for size in (1, 2, 3, 4, 5):
        score[8 * (size - 1) : 8 * (size - 1) + size, 0:2] = 1
    found = failures(score, np.zeros((40, 60), np.uint8), np.zeros((40, 60, 3), np.uint8), 0.5)
    assert [failure.pixels for failure in found] == [10, 8, 6]


def test_an_anomaly_is_missed_whatever_of_others_inside_its_box_is_found():
    anomaly = np.zeros((24, 30), np.uint8)
    anomaly[2:22, 2:22], anomaly[3:21, 3:21] = 1, 0  # a ring of 76 pixels, missed
    anomaly[6:18, 6:18] = 1  # 144 pixels within it, found
    score = np.zeros((24, 30))
    score[6:18, 6:18] = 1
    (missed,) = failures(score, anomaly, np.zeros((24, 30, 3), np.uint8), 0.5)
    assert (missed.kind, missed.pixels) == ("missed", 76)
