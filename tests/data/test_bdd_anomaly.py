"""BDD-Anomaly, whose splits follow from the labels."""

import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

IMAGE = np.zeros((3, 7, 3), np.uint8)
KNOWN = np.array([*range(16), *[255] * 5], np.uint8).reshape(3, 7)
MASKS = {
    "train": {"a": KNOWN, "b": np.where(KNOWN == 3, 16, KNOWN), "c": KNOWN},
    "val": {"d": KNOWN, "e": np.where(KNOWN == 3, 18, KNOWN)},
}


@pytest.fixture(
    params=[
        "images/{}/{}.jpg labels/{}/{}_train_id.png",
        "images/10k/{}/{}.jpg labels/sem_seg/masks/{}/{}.png",
    ]
)
def folder(request, save, tmp_path):
    image, truth = request.param.split()
    for part, masks in MASKS.items():
        for name, mask in masks.items():
            save(image.format(part, name), IMAGE)
            save(truth.format(part, name), mask.astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("split", "names"), [("test", ["b", "e"]), ("train", ["a", "c"]), ("validation", ["d"])]
)
def test_pictures_with_held_out_classes_are_the_test_split(folder, split, names):
    assert [scene.name for scene in oddscape.data.open("bdd-anomaly", folder, split=split)] == names


def test_sixteen_classes_are_known_and_three_are_anomalies(folder):
    dataset = oddscape.data.open("bdd-anomaly", folder)
    assert dataset.label_space.classes[-1] == "bus"
    assert dataset.label_space.num_classes == 16
    scene = dataset[1]
    assert scene.labels.ravel().tolist() == [0, 1, 2, 255, *range(4, 16), *[255] * 5]
    assert scene.anomaly.ravel().tolist() == [0, 0, 0, 1, *[0] * 12, *[255] * 5]


def test_what_is_wrong_is_named(folder, tmp_path):
    with pytest.raises(OddscapeError, match=r"'val' is not one of train, validation, test"):
        oddscape.data.open("bdd-anomaly", folder, split="val")
    mask = next(tmp_path.glob("labels/**/val/e*.png"))
    mask.write_bytes(b"")
    dataset = oddscape.data.open("bdd-anomaly", folder)
    with pytest.raises(OddscapeError, match=r"val/e.*: does not decode"):
        dataset[1]
    mask.unlink()
    with pytest.raises(OddscapeError, match=r"e\.jpg: no label file e.*\.png in .*labels/.*val$"):
        oddscape.data.open("bdd-anomaly", folder)


def test_split_without_pictures_is_an_error(save, tmp_path):
    for part in ("train", "val"):
        save(f"images/{part}/a.jpg", IMAGE)
        save(f"labels/{part}/a_train_id.png", KNOWN)
    with pytest.raises(OddscapeError, match=r"no picture of split test in "):
        oddscape.data.open("bdd-anomaly", tmp_path)
