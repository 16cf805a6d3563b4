import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

RAW = np.arange(1, 15, dtype=np.uint8).reshape(2, 7)


@pytest.fixture
def folder(save, tmp_path):
    places = {"train": {"training": ["t1", "t2"], "validation": ["t1"]}, "test": {"test": ["t6", "t5"]}}
    for part, splits in places.items():
        for split, towns in splits.items():
            for town in towns:
                for frame in (10, 9):
                    save(f"{part}/images/{split}/{town}/{frame}.png", np.zeros((2, 7, 3), np.uint8))
                    save(f"{part}/annotations/{split}/{town}/{frame}.png", RAW)
    return tmp_path


@pytest.mark.parametrize("name", ["streethazards", "town"])
def test_twelve_classes_ignore_other(folder, name):
    dataset = oddscape.data.open(name, folder)
    assert dataset.label_space.num_classes == 12
    assert dataset.label_space.classes == (
        *("background", "building", "fence", "person", "pole", "road line", "road", "sidewalk"),
        *("vegetation", "car", "wall", "traffic sign"),
    )
    scene = dataset[0]
    assert scene.labels.ravel().tolist() == [0, 1, 2, 255, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]
    assert scene.anomaly.ravel().tolist() == [0, 0, 0, 255, *[0] * 9, 1]


def test_thirteen_classes_ignore_nothing(folder):
    dataset = oddscape.data.open("streethazards-13", folder)
    assert dataset.label_space.classes[3] == "other"
    scene = dataset[0]
    assert scene.labels.ravel().tolist() == [*range(13), 255]
    assert scene.anomaly.ravel().tolist() == [0] * 13 + [1]


def test_a_fold_is_a_town(folder):
    dataset = oddscape.data.open("streethazards", folder)
    assert dataset.folds == ("t5", "t6")
    assert [scene.name for scene in dataset] == ["t5/9", "t5/10", "t6/9", "t6/10"]
    assert [scene.fold for scene in dataset] == ["t5", "t5", "t6", "t6"]
    assert {scene.sequence for scene in dataset} == {""}


@pytest.mark.parametrize(("split", "count"), [("training", 4), ("validation", 2), ("test", 4)])
def test_splits(folder, split, count):
    assert len(oddscape.data.open("streethazards", folder, split=split)) == count


def test_unknown_split_lists_them(folder):
    with pytest.raises(OddscapeError, match=r"streethazards: 'val' is not one of training, validation, test"):
        oddscape.data.open("streethazards", folder, split="val")


def test_raw_zero_is_no_label(folder, save):
    save("test/annotations/test/t5/9.png", np.zeros((2, 7), np.uint8))
    with pytest.raises(OddscapeError, match=r"t5/9\.png: unknown label value \[0\].*\[1 to 14\]"):
        oddscape.data.open("streethazards", folder)[0]


def test_missing_folders_are_named(folder, tmp_path):
    with pytest.raises(OddscapeError, match=r"no folder .*/nowhere; expected train/"):
        oddscape.data.open("streethazards", tmp_path / "nowhere" / "deeper")
    (folder / "test/annotations").rename(folder / "gone")
    with pytest.raises(OddscapeError, match=r"no folder .*/test/annotations; expected"):
        oddscape.data.open("streethazards", folder)


def test_split_without_towns_is_an_error(tmp_path):
    (tmp_path / "test/images/test").mkdir(parents=True)
    with pytest.raises(OddscapeError, match=r"no folder in .*test/images/test; expected"):
        oddscape.data.open("streethazards", tmp_path)
