import numpy as np
import pytest

import oddscape.data
from oddscape.data.camvid import label_space
from oddscape.errors import OddscapeError
from oddscape.town import labels, scene
from oddscape.town.raster import rasterise

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


def test_the_town_is_read_in_camvids_classes_by_what_its_words_mean(folder):
    own = oddscape.data.open("town", folder)
    camvids = oddscape.data.open("town", folder, classes="camvid")
    assert camvids.label_space.classes == label_space(held_out=()).classes
    assert camvids.label_space.colours == label_space(held_out=()).colours
    words = {
        (own.label_space.classes[one], camvids.label_space.classes[other])
        for one, other in zip(own[0].labels.ravel(), camvids[0].labels.ravel(), strict=True)
        if one != 255
    }
    assert words == {
        *(("background", "sky"), ("building", "building"), ("wall", "building"), ("fence", "fence")),
        *(("pole", "pole"), ("road", "road"), ("road line", "road"), ("sidewalk", "pavement")),
        *(("vegetation", "tree"), ("traffic sign", "sign"), ("car", "car"), ("person", "pedestrian")),
    }
    assert (camvids[0].anomaly == own[0].anomaly).all()
    assert ((camvids[0].labels == 255) == (own[0].labels == 255)).all()


def test_other_readings_of_the_town_are_refused(folder):
    with pytest.raises(OddscapeError, match=r"town: 'cityscapes' is not one of streethazards, camvid"):
        oddscape.data.open("town", folder, classes="cityscapes")
    with pytest.raises(OddscapeError, match=r"streethazards has no option classes"):
        oddscape.data.open("streethazards", folder, classes="camvid")


@pytest.mark.parametrize(("town", "index"), [("t1", 0), ("t2", 1), ("t3", 2), ("t4", 3)])
def test_the_towns_background_is_sky_and_nothing_else(town, index, monkeypatch):
    """Else it could not be CamVid's sky: where raw 1 is, no thing and no ground is seen."""
    drawn = {}

    def noted(faces, corners, camera):
        drawn["seen"] = seen = rasterise(faces, corners, camera)
        return seen

    monkeypatch.setattr(scene, "rasterise", noted)
    _, raw = scene.render_scene(town, 0, index, (90, 160))
    face, nearness = (part[1::2, 1::2] for part in (drawn["seen"].face, drawn["seen"].nearness))
    assert ((raw == labels.BACKGROUND) == ((face < 0) & (nearness <= 0))).all()
    assert (raw == labels.BACKGROUND).any()
