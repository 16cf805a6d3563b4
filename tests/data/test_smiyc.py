"""SegmentMeIfYouCan's two tracks."""

import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

IMAGE = np.zeros((2, 3, 3), np.uint8)
TRUTH = np.array([[0, 1, 255], [0, 0, 1]], np.uint8)


@pytest.fixture
def archive(save, tmp_path):
    """The benchmark's archive: test pictures without masks among the validation pictures."""
    for name in ("validation_2", "validation_10", "curvy-street_1", "curvy-street_2", "gravel_7"):
        save(f"images/{name}.webp", IMAGE)
    for name in ("validation_2", "validation_10"):
        save(f"labels_masks/{name}_labels_semantic.png", TRUTH)
        save(f"labels_masks/{name}_labels_semantic_color.png", IMAGE)
    return tmp_path


TRACKS = pytest.mark.parametrize("name", ["roadanomaly21", "roadobstacle21"])


@TRACKS
def test_validation_pictures_are_opened_by_default(archive, name):
    dataset = oddscape.data.open(name, archive)
    assert [scene.name for scene in dataset] == ["validation_2", "validation_10"]
    assert all((scene.anomaly == TRUTH).all() for scene in dataset)
    assert dataset.packaging == (
        "the benchmark's archive: images/ beside labels_masks/<id>_labels_semantic.png"
    )


@TRACKS
def test_all_pictures_are_opened_for_a_submission(archive, name):
    everything = oddscape.data.open(name, archive, split="all")
    assert [scene.name for scene in everything if scene.anomaly is not None] == [
        "validation_2",
        "validation_10",
    ]
    assert len(everything) == 5
    test = oddscape.data.open(name, archive, split="test")
    assert [entry.name for entry in test.entries] == ["curvy-street_1", "curvy-street_2", "gravel_7"]
    assert len(oddscape.data.open(name, archive, split="all", frames="gravel*")) == 1


@TRACKS
@pytest.mark.parametrize("split", ["validation", "all"])
def test_validation_picture_without_its_mask_is_an_error(archive, name, split):
    (archive / "labels_masks/validation_10_labels_semantic.png").unlink()
    with pytest.raises(
        OddscapeError,
        match=r"validation_10\.webp: no label file validation_10_labels_semantic\.png in .*masks$",
    ):
        oddscape.data.open(name, archive, split=split)


@TRACKS
def test_repackaged_by_number_every_picture_needs_its_mask(save, tmp_path, name):
    for number in range(3):
        save(f"images/{number}.webp", IMAGE)
        save(f"labels_masks/{number}.png", TRUTH)
    assert len(oddscape.data.open(name, tmp_path)) == 3
    (tmp_path / "labels_masks/1.png").unlink()
    with pytest.raises(OddscapeError, match=r"1\.webp: no label file 1\.png in .*labels_masks$"):
        oddscape.data.open(name, tmp_path)


def test_a_sequence_is_a_scene_of_the_obstacle_track(archive):
    obstacles = oddscape.data.open("roadobstacle21", archive, split="all")
    sequences = {entry.name: entry.sequence for entry in obstacles.entries}
    assert sequences == {
        "validation_2": "",
        "validation_10": "",
        "curvy-street_1": "curvy-street",
        "curvy-street_2": "curvy-street",
        "gravel_7": "gravel",
    }
    anomalies = oddscape.data.open("roadanomaly21", archive, split="all")
    assert {entry.sequence for entry in anomalies.entries} == {""}


def test_unknown_splits_and_splits_without_pictures_are_named(archive):
    with pytest.raises(OddscapeError, match=r"'val' is not one of validation, test, all"):
        oddscape.data.open("roadanomaly21", archive, split="val")
    for options in {"split": "test", "frames": "validation*"}, {"frames": "gravel*"}:
        with pytest.raises(OddscapeError, match=r"roadanomaly21: no picture '\w+\*' of split \w+ in "):
            oddscape.data.open("roadanomaly21", archive, **options)
