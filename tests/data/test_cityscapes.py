import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

# Every label id in its order, and the train ids that the official table gives them.
RAW = np.arange(34, dtype=np.uint8).reshape(2, 17)
TRAIN_IDS = [
    *[255] * 7, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255,
    5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18,
]  # fmt: skip


@pytest.fixture
def folder(save, tmp_path):
    for city, id_ in (("lindau", "lindau_000000_000019"), ("frankfurt", "frankfurt_000001_000294")):
        save(f"leftImg8bit/val/{city}/{id_}_leftImg8bit.png", np.zeros((2, 17, 3), np.uint8))
        save(f"gtFine/val/{city}/{id_}_gtFine_labelIds.png", RAW)
        save(f"gtFine/val/{city}/{id_}_gtFine_instanceIds.png", RAW)
    return tmp_path


def test_label_ids_become_train_ids(folder):
    dataset = oddscape.data.open("cityscapes", folder)
    assert [scene.name for scene in dataset] == ["frankfurt_000001_000294", "lindau_000000_000019"]
    assert dataset[0].labels.ravel().tolist() == TRAIN_IDS
    assert dataset[0].anomaly.ravel().tolist() == [0 if label != 255 else 255 for label in TRAIN_IDS]
    assert dataset.label_space.classes[13] == "car"


def test_what_is_missing_or_unknown_is_named(folder, save):
    with pytest.raises(OddscapeError, match=r"'test' is not one of train, val"):
        oddscape.data.open("cityscapes", folder, split="test")
    with pytest.raises(OddscapeError, match=r"no folder .*gtFine/train; expected leftImg8bit/<split>"):
        oddscape.data.open("cityscapes", folder, split="train")
    save("gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png", RAW + 1)
    with pytest.raises(OddscapeError, match=r"unknown label value \[34\]: 'cityscapes' knows \[0 to 33\]"):
        oddscape.data.open("cityscapes", folder)[1]
    (folder / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(OddscapeError, match=r"no label file lindau_000000_000019_gtFine_labelIds\.png"):
        oddscape.data.open("cityscapes", folder)
