import pickle
import subprocess
import sys

import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError
from oddscape.labels import ANOMALY_COLOUR


def test_unknown_name_lists_the_names(tmp_path):
    with pytest.raises(
        OddscapeError, match=r"unknown data set 'kitti'; there are ade20k, bdd-anomaly, .*town"
    ):
        oddscape.data.open("kitti", tmp_path)


def test_unknown_option_lists_the_options(tmp_path):
    with pytest.raises(OddscapeError, match=r"camvid has no option part; it has split, held_out"):
        oddscape.data.open("camvid", tmp_path, part="train")


@pytest.mark.parametrize("name", oddscape.data.DATASETS)
def test_missing_folder_is_named_with_the_layout(name, tmp_path):
    with pytest.raises(OddscapeError, match=r"no folder .*/nowhere; expected "):
        oddscape.data.open(name, tmp_path / "nowhere")


def test_folder_without_pictures_is_an_error(tmp_path):
    for folder in ("images", "labels_masks"):
        (tmp_path / folder).mkdir()
    with pytest.raises(OddscapeError, match=r"no picture .* in .*/images; expected"):
        oddscape.data.open("masks", tmp_path)


def test_scenes_come_by_index_by_iteration_and_from_another_process(save, tmp_path):
    for name in "abc":
        save(f"images/{name}.png", np.zeros((2, 2, 3), np.uint8))
        save(f"labels_masks/{name}.png", np.zeros((2, 2), np.uint8))
    dataset = oddscape.data.open("masks", str(tmp_path))
    copy = pickle.loads(pickle.dumps(dataset))
    assert [scene.name for scene in dataset] == [copy[i].name for i in range(len(copy))] == ["a", "b", "c"]
    assert dataset[-1].name == "c"


@pytest.mark.parametrize(
    "space",
    [
        oddscape.data.streethazards.STREETHAZARDS_12,
        oddscape.data.streethazards.STREETHAZARDS_13,
        oddscape.data.camvid.label_space(()),
    ],
    ids=lambda space: space.name,
)
def test_colours_tell_classes_and_anomalies_apart(space):
    colours = np.array([*space.colours, ANOMALY_COLOUR, (0, 0, 0)], float)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert distances[np.triu_indices(len(colours), 1)].min() > 25
    assert distances[space.num_classes, : space.num_classes].min() > 100


def test_every_missing_file_is_counted(save, tmp_path):
    for name in "abc":
        save(f"images/{name}.png", np.zeros((2, 2, 3), np.uint8))
    save("labels_masks/b.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(
        OddscapeError, match=r"a\.png: no label file a\.png in .*labels_masks \(and 1 more missing\)$"
    ):
        oddscape.data.open("masks", tmp_path)
    found = oddscape.data.find("masks", tmp_path)
    assert oddscape.data.missing_files(found) == [
        f"{tmp_path}/images/{name}.png: no label file {name}.png in {tmp_path}/labels_masks" for name in "ac"
    ]


def test_reading_data_needs_no_torch():
    code = "import sys, oddscape.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
