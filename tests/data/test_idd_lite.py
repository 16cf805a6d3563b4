import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

RAW = np.array([[*range(7), 255]], np.uint8)


@pytest.fixture
def folder(save, tmp_path):
    for drive in ("10", "2"):
        save(f"leftImg8bit/train/{drive}/024541_image.jpg", np.zeros((1, 8, 3), np.uint8))
        save(f"gtFine/train/{drive}/024541_label.png", RAW)
        save(f"gtFine/train/{drive}/024541_inst_label.png", RAW)
    return tmp_path


def test_a_sequence_is_a_drive(folder):
    dataset = oddscape.data.open("idd-lite", folder, split="train")
    assert [(scene.name, scene.sequence) for scene in dataset] == [("2/024541", "2"), ("10/024541", "10")]
    assert dataset[0].labels.tolist() == [[*range(7), 255]]
    assert set(dataset[0].anomaly.ravel()) == {0, 255}


def test_classes_can_be_held_out(folder):
    dataset = oddscape.data.open("idd-lite", folder, split="train", held_out="living things,sky")
    assert dataset.label_space.num_classes == 5
    assert dataset[0].labels.tolist() == [[0, 1, 255, 2, 3, 4, 255, 255]]
    assert dataset[0].anomaly.tolist() == [[0, 0, 1, 0, 0, 0, 1, 255]]


def test_what_is_wrong_is_named(folder):
    with pytest.raises(OddscapeError, match=r"idd-lite has no class cow; it has drivable, "):
        oddscape.data.open("idd-lite", folder, split="train", held_out="cow")
    with pytest.raises(OddscapeError, match=r"no folder .*gtFine/val; expected leftImg8bit/"):
        oddscape.data.open("idd-lite", folder)


@pytest.mark.parametrize(("split", "count"), [("train", 1403), ("val", 204)])
def test_real_splits(shared_data, split, count):
    dataset = oddscape.data.open("idd-lite", shared_data / "idd_lite", split=split)
    assert len(dataset) == count
    assert dataset[0].size == (227, 320)
    assert dataset[0].labels[dataset[0].labels != 255].max() < 7
