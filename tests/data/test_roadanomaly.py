"""RoadAnomaly in its own layout and re-packaged."""

import json

import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

IMAGE = np.zeros((2, 3, 3), np.uint8)
OWN_TRUTH = np.array([[0, 2, 2], [0, 0, 2]], np.uint8)


@pytest.fixture
def own(save, tmp_path):
    for name in ("animals02_cow", "animals10_sheep", "cones01_street"):
        save(f"frames/{name}.jpg", IMAGE)
        save(f"frames/{name}.labels/labels_semantic.png", OWN_TRUTH)
        save(f"frames/{name}.labels/labels_instance.png", OWN_TRUTH)
    return tmp_path


def test_own_layout_is_read_without_a_list(own):
    dataset = oddscape.data.open("roadanomaly", own)
    assert [scene.name for scene in dataset] == ["animals02_cow", "animals10_sheep", "cones01_street"]
    np.testing.assert_array_equal(dataset[0].anomaly, OWN_TRUTH // 2)
    assert dataset.packaging == "RoadAnomaly's own"


def test_the_list_says_which_pictures_belong_to_the_set(own):
    (own / "frame_list.json").write_text(json.dumps(["cones01_street.webp", "animals02_cow.jpg"]))
    dataset = oddscape.data.open("roadanomaly", own)
    assert [scene.name for scene in dataset] == ["cones01_street", "animals02_cow"]
    part = oddscape.data.open("roadanomaly", own, frames="animals*")
    assert [scene.name for scene in part] == ["animals02_cow"]


def test_listed_picture_that_is_not_there_is_named(own):
    (own / "frame_list.json").write_text(json.dumps(["cones01_street.jpg", "rocks05.jpg"]))
    with pytest.raises(OddscapeError, match=r"no picture rocks05\.jpg in .*frames$"):
        oddscape.data.open("roadanomaly", own)


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_list_of_another_form_is_named(own, text):
    (own / "frame_list.json").write_text(text)
    with pytest.raises(OddscapeError, match=r"frame_list\.json: expected a list of file names"):
        oddscape.data.open("roadanomaly", own)


def test_picture_without_labels_is_named(own):
    (own / "frames/animals10_sheep.labels/labels_semantic.png").unlink()
    with pytest.raises(
        OddscapeError, match=r"sheep\.jpg: no label file labels_semantic\.png in .*animals10_sheep\.labels$"
    ):
        oddscape.data.open("roadanomaly", own)


def test_value_that_is_neither_is_named(own, save):
    save("frames/animals02_cow.labels/labels_semantic.png", np.full((2, 3), 3, np.uint8))
    with pytest.raises(
        OddscapeError, match=r"unknown label value \[3\]: 'roadanomaly' knows \[0 to 2, 255\]"
    ):
        oddscape.data.open("roadanomaly", own)[0]


@pytest.mark.parametrize("folders", [("images", "labels_masks"), ("original", "labels")])
def test_repackagings_say_one(save, tmp_path, folders):
    save(f"{folders[0]}/7.jpg", IMAGE)
    save(f"{folders[1]}/7.png", OWN_TRUTH // 2)
    dataset = oddscape.data.open("roadanomaly", tmp_path)
    np.testing.assert_array_equal(dataset[0].anomaly, OWN_TRUTH // 2)
    assert dataset.packaging == f"re-packaged: {folders[0]}/ beside {folders[1]}/<id>.png"
