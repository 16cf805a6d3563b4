import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

TRUTH = np.array([[0, 1, 255], [0, 0, 1]], np.uint8)
IMAGE = np.zeros((2, 3, 3), np.uint8)


@pytest.fixture
def folder(save, tmp_path):
    for name in ("10.jpg", "2.png", "1.webp"):
        save(f"images/{name}", IMAGE)
    save("labels_masks/1.png", TRUTH)
    save("labels_masks/2_labels_semantic.png", TRUTH)
    save("labels_masks/10.png", TRUTH)
    return tmp_path


@pytest.mark.parametrize("name", ["masks", "roadanomaly21", "roadobstacle21", "roadanomaly"])
def test_scenes_come_in_natural_order_with_anomaly_truth_alone(folder, name):
    dataset = oddscape.data.open(name, folder)
    assert (dataset.name, dataset.label_space, len(dataset)) == (name, None, 3)
    assert [scene.name for scene in dataset] == ["1", "2", "10"]
    for scene in dataset:
        assert scene.labels is None
        assert scene.size == (2, 3)
        np.testing.assert_array_equal(scene.anomaly, TRUTH)


def test_original_roadanomaly_says_two(folder, save):
    save("labels_masks/2_labels_semantic.png", np.where(TRUTH == 1, 2, TRUTH).astype(np.uint8))
    np.testing.assert_array_equal(oddscape.data.open("roadanomaly", folder)[1].anomaly, TRUTH)
    with pytest.raises(
        OddscapeError, match=r"2_labels_semantic\.png: unknown label value \[2\]: 'masks' knows"
    ):
        oddscape.data.open("masks", folder)[1]


def test_frames_pick_pictures(folder, save):
    save("images/test3.png", IMAGE)
    assert len(oddscape.data.open("masks", folder, frames="1*")) == 2
    with pytest.raises(OddscapeError, match=r"no picture 'val\*'"):
        oddscape.data.open("masks", folder, frames="val*")


def test_picture_without_mask_is_named(folder, save):
    save("images/3.png", IMAGE)
    with pytest.raises(OddscapeError, match=r"3\.png: no label file 3_labels_semantic\.png in .*masks$"):
        oddscape.data.open("masks", folder)


def test_mask_of_another_size_is_named(folder, save):
    save("labels_masks/1.png", np.zeros((3, 3), np.uint8))
    dataset = oddscape.data.open("masks", folder)
    with pytest.raises(OddscapeError, match=r"labels_masks/1\.png: the mask is 3x3, but its picture is 3x2"):
        dataset[0]


def test_hidden_and_foreign_files_are_passed_over(folder):
    (folder / "images" / "._1.png").write_bytes(b"")
    (folder / "images" / "notes.txt").write_text("")
    assert len(oddscape.data.open("masks", folder)) == 3


@pytest.mark.parametrize(
    ("name", "folder", "count", "prevalence"),
    [
        ("roadanomaly21", "RoadAnomaly21", 10, 0.148),
        ("roadobstacle21", "RoadObstacle21", 30, 0.0067),
        ("roadanomaly", "RoadAnomaly", 60, 0.0985),
    ],
)
def test_real_sets(shared_data, name, folder, count, prevalence):
    dataset = oddscape.data.open(name, shared_data / folder)
    assert len(dataset) == count
    anomalies = valid = 0
    for entry in dataset.entries:
        size = (1080, 1920) if name == "roadobstacle21" else (720, 1280)
        _, anomaly = dataset.read_truth(entry.truth, size)
        anomalies, valid = anomalies + np.sum(anomaly == 1), valid + np.sum(anomaly != 255)
    assert anomalies / valid == pytest.approx(prevalence, rel=0.01)
    assert dataset[0].size == size
