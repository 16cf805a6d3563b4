import numpy as np
import pytest

import oddscape.data
from oddscape.data.camvid import label_space
from oddscape.errors import OddscapeError

RAW = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.fixture
def folder(save, tmp_path):
    for name, raw in {"0001TP_10": RAW, "0001TP_9": RAW % 9, "Seq05VD_f1": np.full_like(RAW, 11)}.items():
        save(f"train/{name}.webp", np.zeros((3, 4, 3), np.uint8))
        save(f"trainannot/{name}.png", raw)
    return tmp_path


def test_held_out_classes_are_anomalies_and_the_rest_is_renumbered(folder):
    scene = oddscape.data.open("camvid", folder, split="train")[1]
    assert scene.name == "0001TP_10"
    assert scene.labels.ravel().tolist() == [*range(9), 255, 255, 255]
    assert scene.anomaly.ravel().tolist() == [*[0] * 9, 1, 1, 255]


def test_any_class_may_be_held_out(folder):
    dataset = oddscape.data.open("camvid", folder, split="train", held_out=("sky", "car"))
    assert dataset.label_space.classes[:2] == ("building", "pole")
    as_text = oddscape.data.open("camvid", folder, split="train", held_out="sky,car")
    assert as_text.label_space == dataset.label_space
    assert dataset[1].labels.ravel().tolist() == [255, 0, 1, 2, 3, 4, 5, 6, 255, 7, 8, 255]
    assert dataset[1].anomaly.ravel().tolist() == [1, *[0] * 7, 1, 0, 0, 255]


def test_nothing_held_out_leaves_eleven_classes(folder):
    scene = oddscape.data.open("camvid", folder, split="train", held_out=())[1]
    assert scene.labels.ravel().tolist() == [*range(11), 255]
    assert label_space(()).num_classes == 11


def test_a_fold_and_a_sequence_is_a_recording(folder):
    dataset = oddscape.data.open("camvid", folder, split="train")
    assert dataset.folds == ("0001TP", "Seq05VD")
    assert [scene.sequence for scene in dataset] == ["0001TP", "0001TP", "Seq05VD"]


def test_pictures_with_held_out_pixels_can_be_dropped(folder):
    dataset = oddscape.data.open("camvid", folder, split="train", held_out_pictures="drop")
    assert [scene.name for scene in dataset] == ["0001TP_9", "Seq05VD_f1"]


def test_dropping_every_picture_is_an_error(folder, save):
    save("trainannot/Seq05VD_f1.png", RAW)
    with pytest.raises(OddscapeError, match="none is left"):
        oddscape.data.open("camvid", folder, split="train", held_out=("sky",), held_out_pictures="drop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": ("cow", "sky")}, r"no class cow; it has sky, building"),
        ({"split": "training"}, r"'training' is not one of train, val, test"),
        ({"held_out_pictures": "hide"}, r"'hide' is not one of keep, drop"),
        ({"split": "val"}, r"no folder .*/val; expected"),
    ],
)
def test_wrong_options_are_one_line(folder, options, message):
    with pytest.raises(OddscapeError, match=message):
        oddscape.data.open("camvid", folder, **options)


@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101), ("test", 233)])
def test_real_splits(shared_data, split, count):
    dataset = oddscape.data.open("camvid", shared_data / "camvid", split=split)
    assert len(dataset) == count
    scene = dataset[count - 1]
    assert scene.size == (360, 480)
    assert scene.labels[scene.labels != 255].max() < 9


def test_real_pictures_without_held_out_pixels(shared_data):
    dataset = oddscape.data.open("camvid", shared_data / "camvid", split="train", held_out_pictures="drop")
    assert len(dataset) == 43
