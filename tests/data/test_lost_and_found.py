"""Lost and Found, as SegmentMeIfYouCan reads it."""

import numpy as np
import pytest

import oddscape.data
from oddscape.data.lost_and_found import sequence_of
from oddscape.errors import OddscapeError

IMAGE = np.zeros((2, 3, 3), np.uint8)
RAW = np.array([[0, 1, 2], [1, 1, 42]], np.uint8)
PICTURES = {
    "test": (
        "02_Hanns_Klemm_Str_44_000002_000180",
        "02_Hanns_Klemm_Str_44_000010_000090",
        "04_Maurener_Weg_8_000000_000030",
        "15_Rechbergstr_Deckenpfronn_000004_000210",
    ),
    "train": ("01_Hanns_Klemm_Str_45_000006_000020", "01_Hanns_Klemm_Str_45_000009_000020"),
}


def street(id_):
    return id_.rsplit("_", 2)[0]


@pytest.fixture
def folder(save, tmp_path):
    for split, ids in PICTURES.items():
        for id_ in ids:
            save(f"leftImg8bit/{split}/{street(id_)}/{id_}_leftImg8bit.png", IMAGE)
            save(f"gtCoarse/{split}/{street(id_)}/{id_}_gtCoarse_labelIds.png", RAW)
    return tmp_path


def names(dataset):
    return [entry.name for entry in dataset.entries]


def test_road_is_known_and_obstacles_are_anomalies(folder):
    scene = oddscape.data.open("lost-and-found", folder)[0]
    assert scene.anomaly.tolist() == [[255, 0, 1], [0, 0, 1]]
    assert scene.labels is None
    assert (scene.name, scene.sequence) == (PICTURES["test"][0], "02_Hanns_Klemm_Str_44_000002")


def test_children_and_bicycles_are_left_out_unless_kept(folder):
    assert names(oddscape.data.open("lost-and-found", folder)) == list(PICTURES["test"][:3])
    kept = oddscape.data.open("lost-and-found", folder, known_objects="keep")
    assert names(kept) == list(PICTURES["test"])
    assert names(oddscape.data.open("lost-and-found", folder, split="train")) == [PICTURES["train"][1]]


def test_pictures_without_any_label_are_left_out(folder, save):
    id_ = PICTURES["test"][1]
    save(f"gtCoarse/test/{street(id_)}/{id_}_gtCoarse_labelIds.png", RAW * 0)
    assert names(oddscape.data.open("lost-and-found", folder)) == [PICTURES["test"][0], PICTURES["test"][2]]


def test_mask_that_does_not_decode_is_named_when_its_turn_comes(folder):
    id_ = PICTURES["test"][2]
    path = folder / f"gtCoarse/test/{street(id_)}/{id_}_gtCoarse_labelIds.png"
    path.write_bytes(b"no picture")
    dataset = oddscape.data.open("lost-and-found", folder)
    with pytest.raises(OddscapeError, match=r"04_Maurener_Weg_8_000000_000030_gtCoarse.*: does not decode"):
        dataset[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, r"'val' is not one of train, test"),
        ({"known_objects": "hide"}, r"'hide' is not one of drop, keep"),
    ],
)
def test_wrong_options_are_one_line(folder, options, message):
    with pytest.raises(OddscapeError, match=message):
        oddscape.data.open("lost-and-found", folder, **options)


def test_missing_mask_and_unknown_value_are_named(folder, save):
    first, second = PICTURES["test"][:2]
    save(f"gtCoarse/test/{street(first)}/{first}_gtCoarse_labelIds.png", RAW + 200)
    with pytest.raises(OddscapeError, match=r"unknown label value \[201, 202, 242\]: .* knows \[0 to 200\]"):
        oddscape.data.open("lost-and-found", folder)[0]
    (folder / f"gtCoarse/test/{street(second)}/{second}_gtCoarse_labelIds.png").unlink()
    with pytest.raises(
        OddscapeError, match=rf"no label file {second}_gtCoarse_labelIds\.png in .*gtCoarse/test/02"
    ):
        oddscape.data.open("lost-and-found", folder)


def test_without_any_labelled_picture_there_is_no_data_set(folder, save):
    for id_ in PICTURES["train"]:
        save(f"gtCoarse/train/{street(id_)}/{id_}_gtCoarse_labelIds.png", RAW * 0)
    with pytest.raises(OddscapeError, match=r"no picture in .*train is left: none is labelled"):
        oddscape.data.open("lost-and-found", folder, split="train")


def test_missing_folder_of_labels_is_named(folder):
    (folder / "gtCoarse").rename(folder / "gone")
    with pytest.raises(OddscapeError, match=r"no folder .*/gtCoarse; expected leftImg8bit/\{train,test\}"):
        oddscape.data.open("lost-and-found", folder)


@pytest.mark.parametrize("name", ["12", "frame_000001", "4_Weg_000001_000002"])
def test_other_names_name_no_sequence(name):
    assert sequence_of(name) == ""
