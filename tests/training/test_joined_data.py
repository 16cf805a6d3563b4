"""Runs on several data sets: CamVid's pictures with the town's, in CamVid's classes."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.training.config import TrainConfig
from oddscape.training.loop import train
from oddscape.training.setup import divided_data, training_data, training_pictures

CLASSES = 11


class TinyNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Conv2d(3, CLASSES, 5, 4, 2)

    def forward(self, image):
        return DenseOutput(NativeMaps(self.classifier(image)), tuple(image.shape[-2:]))


def tiny_network():
    torch.manual_seed(0)
    return TinyNetwork()


@pytest.fixture
def camvid_with_val(camvid_folder, tmp_path):
    """CamVid with a second split, whose three pictures have the names of the first one's."""
    folder = tmp_path / "camvid"
    for part in ("train", "trainannot"):
        shutil.copytree(camvid_folder / part, folder / part)
        for number in range(3):
            (folder / part.replace("train", "val")).mkdir(exist_ok=True)
            shutil.copy(folder / part / f"a_{number}.png", folder / part.replace("train", "val"))
    return folder


@pytest.fixture
def both(config, streethazards_folder):
    """Nine pictures of CamVid and eight of the town, twice: six steps in an epoch."""
    town = {"data": str(streethazards_folder), "classes": "camvid", "times": 2}
    return replace(config, dataset_options={"held_out": ""}, also={"town": town}, epochs=1, crop=(24, 24))


def weights(config):
    return (config.out / "weights.safetensors").read_bytes()


def interrupt_at(step):
    def on_step(report):
        if report.step == step:
            raise KeyboardInterrupt

    return on_step


def test_a_run_trains_on_all_of_them_and_leaves_their_classes(both):
    seen = []
    train(both, seen.append)
    assert [report.steps for report in seen] == [6] * 6
    metadata = checkpoint_metadata(both.out / "weights.safetensors")
    assert metadata["num_classes"] == "11"
    assert json.loads(metadata["classes"])[:2] == ["sky", "building"]
    assert TrainConfig.from_toml(both.out / "config.toml").differences(both) == ()


def test_an_epoch_takes_each_picture_as_often_as_asked(both):
    names = [entry.name for entry in training_data(both).entries]
    camvid, town = names[:9], names[9:]
    assert camvid == [f"camvid/a_{number}" for number in range(9)]
    assert sorted(town) == sorted([f"also.town/t1/{number}" for number in range(8)] * 2)


def test_a_run_that_was_stopped_ends_in_the_same_weights_though_the_town_has_moved(both, tmp_path):
    both = replace(both, checkpoint_every=1, class_uniform=0.5)
    whole = replace(both, out=tmp_path / "whole")
    train(whole, net=tiny_network())
    with pytest.raises(KeyboardInterrupt):
        train(both, interrupt_at(2), net=tiny_network())
    elsewhere = Path(both.also["town"]["data"]).rename(tmp_path / "elsewhere")
    moved = replace(both, also={"town": {**both.also["town"], "data": str(elsewhere)}})
    seen = []
    train(moved, seen.append, net=tiny_network())
    assert seen[0].step == 3
    assert weights(moved) == weights(whole)
    once = replace(moved, also={"town": {**moved.also["town"], "times": 1}})
    with pytest.raises(OddscapeError, match=r"holds a run with another also; give the same"):
        train(once, net=tiny_network())


def test_another_split_of_the_same_data_set_joins_under_the_same_name(both, camvid_with_val):
    also = {"camvid": {"data": str(camvid_with_val), "split": "val", "held_out": ""}}
    dataset = training_data(replace(both, data=camvid_with_val, also=also))
    names = [entry.name for entry in dataset.entries]
    assert names[8:] == ["camvid/a_8", "also.camvid/a_0", "also.camvid/a_1", "also.camvid/a_2"]
    assert len(set(names)) == len(dataset)
    assert (dataset[0].labels == dataset[9].labels).all()


def test_no_picture_is_both_trained_on_and_held_back(both):
    kept, held_back = divided_data(replace(both, hold_back_every=4))
    names = [entry.name for entry in held_back.entries]
    assert names == ["camvid/a_3", "camvid/a_7", "also.town/t1/3", "also.town/t1/7"]
    assert not set(names) & {entry.name for entry in kept.entries}
    assert len(kept) == 7 + 2 * 6


def test_what_the_classes_suffer_is_told_over_all_of_them(both):
    train(replace(both, hold_back_every=4))
    cost = json.loads((both.out / "closed_set_cost.json").read_text())
    assert cost["pictures"] == 4
    assert (both.out / "own_classes" / "also.town" / "t1" / "3.png").is_file()


def test_class_uniform_sampling_centres_on_classes_of_every_part(both):
    pictures = training_pictures(replace(both, class_uniform=1.0), training_data(both))
    classes = {int(value) for index in range(25) for value in pictures[index]["labels"].unique()}
    assert classes == {*range(CLASSES), 255}
    shown = pictures.class_uniform.pictures
    assert (shown[CLASSES - 1] < 9).all()  # the town knows no bicyclist
    assert (shown[0] >= 9).any()


def test_a_loss_that_is_not_finite_names_pictures_by_their_data_set(both):
    net = tiny_network()
    with torch.no_grad():
        net.classifier.bias[0] = math.nan
    with pytest.raises(OddscapeError, match=r"pictures ((camvid/a|also\.town/t1/)_?\d(, )?){4}$"):
        train(both, net=net)
    failed = json.loads((both.out / "failed_step.json").read_text())
    assert [Path(picture["truth"]).is_file() for picture in failed["pictures"]] == [True] * 4


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"dataset_options": {}}, r"camvid and also\.town cannot be joined, their classes differ: sky, "),
        ({"batch_size": 26}, r"camvid.*, .*streethazards: 25 pictures to train on, fewer than batch_size"),
        ({"also": {"town": {"data": "nowhere", "classes": "camvid"}}}, "no folder nowhere"),
        ({"also": {"village": {"data": "nowhere"}}}, "unknown data set 'village'"),
        ({"also": {"town": {"data": "nowhere", "colour": 1}}}, "town has no option colour"),
    ],
)
def test_what_does_not_join_is_one_clear_line(both, told, message):
    with pytest.raises(OddscapeError, match=message) as error:
        train(replace(both, **told))
    assert "\n" not in str(error.value)
    assert not both.out.exists()


def test_a_missing_label_file_of_a_further_data_set_is_named(both, streethazards_folder):
    (streethazards_folder / "train" / "annotations" / "training" / "t1" / "6.png").unlink()
    with pytest.raises(OddscapeError, match=r"no label file 6\.png in .*training/t1"):
        train(both)


@pytest.mark.parametrize("workers", [0, 1])
def test_pictures_of_other_sizes_need_a_crop(both, streethazards_folder, workers):
    for part in ("images", "annotations"):
        for file in (streethazards_folder / "train" / part / "training" / "t1").iterdir():
            Image.fromarray(np.asarray(Image.open(file))[:16]).save(file)
    train(replace(both, out=both.out / "crops"), net=tiny_network())
    with pytest.raises(OddscapeError, match=r"^pictures of 32x16 and 32x32 do not go into one step: give a"):
        train(replace(both, crop=None, workers=workers), net=tiny_network())
