"""Street scenes: the same seed gives the same pixels, with StreetHazards' labels."""

import subprocess
import sys

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.town import contact_sheet, render_scene
from oddscape.town.labels import ANOMALY
from oddscape.town.styles import STYLES

SMALL = (72, 128)
RAW_IDS = set(range(1, 15))


@pytest.fixture(scope="module")
def pictures():
    return {town: [render_scene(town, 3, index, SMALL) for index in range(6)] for town in STYLES}


def test_same_arguments_same_pixels_whatever_came_before(pictures):
    for town in ("t1", "t5"):
        for index in (5, 2):
            image, raw = render_scene(town, 3, index, SMALL)
            np.testing.assert_array_equal(image, pictures[town][index][0])
            np.testing.assert_array_equal(raw, pictures[town][index][1])


def test_another_process_gives_the_same_pixels(pictures):
    code = "import sys, numpy; from oddscape.town.scene import render_scene; image, raw = render_scene('t6', 3, 4, (72, 128)); sys.stdout.buffer.write(image.tobytes() + raw.tobytes())"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    image, raw = pictures["t6"][4]
    assert done.stdout == image.tobytes() + raw.tobytes()


def test_seeds_towns_and_indices_differ():
    pictures = [
        render_scene(*key, SMALL)[0]
        for key in (("t1", 0, 0), ("t1", 0, 1), ("t1", 1, 0), ("t2", 0, 0), ("t5", 0, 0))
    ]
    for number, first in enumerate(pictures):
        for second in pictures[number + 1 :]:
            assert np.abs(first.astype(int) - second).mean() > 5


def test_labels_are_raw_ids_of_streethazards(pictures):
    for scenes in pictures.values():
        for image, raw in scenes:
            assert image.shape == (*SMALL, 3)
            assert raw.shape == SMALL
            assert image.dtype == raw.dtype == np.uint8
            assert set(np.unique(raw).tolist()) <= RAW_IDS


def test_anomalies_are_in_the_test_towns_alone(pictures):
    for town, scenes in pictures.items():
        shown = [bool((raw == ANOMALY).any()) for _, raw in scenes]
        if town in ("t5", "t6"):
            assert np.mean(shown) >= 0.8
        else:
            assert not any(shown)


def test_anomalies_are_a_few_hundredths_of_the_test_pictures(pictures):
    shares = [np.mean(raw == ANOMALY) for town in ("t5", "t6") for _, raw in pictures[town]]
    assert 0.01 < np.mean(shares) < 0.06


def test_every_known_class_occurs_often(pictures):
    for towns in (("t1", "t2", "t3"), ("t5", "t6")):
        labels = [raw for town in towns for _, raw in pictures[town]]
        for raw_id in RAW_IDS - {ANOMALY}:
            assert np.mean([(raw == raw_id).sum() > 8 for raw in labels]) >= 0.3, raw_id


@pytest.mark.parametrize("size", [(16, 16), (37, 91), (120, 50), (540, 961)])
def test_any_size(size):
    image, raw = render_scene("t5", 0, 1, size)
    assert image.shape == (*size, 3)
    assert raw.shape == size
    assert image.std() > 10


def test_a_larger_picture_shows_the_same_scene():
    _, small = render_scene("t6", 0, 2, (90, 160))
    _, large = render_scene("t6", 0, 2, (180, 320))
    assert np.mean(large[1::2, 1::2] == small) > 0.9


def test_pictures_are_neither_dark_nor_washed_out(pictures):
    for scenes in pictures.values():
        for image, _ in scenes:
            assert 50 < image.mean() < 205
            assert image.std() > 20


def test_colours_of_classes_overlap(pictures):
    """The mean colour of a region alone does not tell its class."""
    colours, classes = [], []
    for town in ("t1", "t2", "t3"):
        for image, raw in pictures[town]:
            for raw_id in np.unique(raw):
                colours.append(image[raw == raw_id].mean(axis=0))
                classes.append(raw_id)
    distance = np.linalg.norm(np.array(colours)[:, None] - np.array(colours)[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.array(classes)[distance.argmin(axis=1)]
    assert np.mean(nearest == np.array(classes)) < 0.7


def test_unknown_town_is_named_with_those_there_are():
    with pytest.raises(OddscapeError, match=r"'t9'.*t1, t2, t3, t4, t5, t6"):
        render_scene("t9", 0, 0, SMALL)


def test_too_small_a_size_is_refused():
    with pytest.raises(OddscapeError, match="320x8 "):
        render_scene("t1", 0, 0, (8, 320))


def test_contact_sheet_shows_pictures_in_rows():
    sheet = contact_sheet(count=5, columns=2, size=(36, 64))
    assert sheet.size == (128, 108)
    first = np.asarray(sheet)[:36, :64]
    np.testing.assert_array_equal(first, render_scene("t1", 0, 0, (36, 64))[0])


def test_contact_sheet_of_labels_has_label_colours():
    sheet = np.asarray(contact_sheet(count=1, columns=1, size=(36, 64), labels=True))
    assert (sheet == (110, 80, 120)).all(axis=2).any() or (sheet == (255, 200, 40)).all(axis=2).any()
