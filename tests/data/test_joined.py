import pickle

import numpy as np
import pytest

import oddscape.data
from oddscape.data.cache import SceneCache
from oddscape.data.camvid import label_space
from oddscape.data.class_uniform import class_uniform
from oddscape.data.dataset import Dataset, Entry, anomaly_dataset, class_dataset, missing_files
from oddscape.data.joined import joined
from oddscape.data.label_spaces import mask_values, numbered_classes
from oddscape.errors import OddscapeError

CLASSES = {"road": (1, 1, 1), "car": (2, 2, 2), "rider": (3, 3, 3)}
FROM_0 = numbered_classes("from-0", CLASSES, ignored={3})
FROM_5 = numbered_classes("from-5", CLASSES, first=5, anomalies={9}, ignored={0})


@pytest.fixture
def data_set(save):
    """Make a data set of pictures as wide as their masks, each a row of raw values."""

    def make(name, space, *rows):
        entries = []
        for number, row in enumerate(rows):
            image = save(f"{name}/{number}.png", np.full((1, len(row), 3), number, np.uint8))
            truth = save(f"{name}/{number}_raw.png", np.array([row], np.uint8))
            entries.append(Entry(str(number), image, truth, fold=name, sequence=f"{name}-s"))
        return class_dataset(name, space, entries)

    return make


@pytest.fixture
def parts(data_set):
    return {
        "one": data_set("one", FROM_0, (0, 1, 2, 3), (1, 1)),
        "other": data_set("other", FROM_5, (5, 6, 7, 0, 9), (5, 5)),
    }


def test_each_picture_is_read_as_its_own_data_set_means_it(parts):
    both = joined(parts)
    assert both.name == "one + other"
    assert both.label_space.classes == ("road", "car", "rider")
    assert [scene.name for scene in both] == ["one/0", "one/1", "other/0", "other/1"]
    assert [scene.fold for scene in both] == ["one", "one", "other", "other"]
    assert [scene.sequence for scene in both] == ["one-s", "one-s", "other-s", "other-s"]
    assert [scene.labels[0].tolist() for scene in both] == [
        *([0, 1, 2, 255], [1, 1]),
        *([0, 1, 2, 255, 255], [0, 0]),
    ]
    assert both[2].anomaly[0].tolist() == [0, 0, 0, 255, 1]
    for part in parts.values():
        alone = {scene.labels.tobytes() for scene in part}
        assert alone <= {scene.labels.tobytes() for scene in both}


def test_reading_processes_read_alike(parts):
    again = pickle.loads(pickle.dumps(joined(parts)))
    assert [scene.labels.tolist() for scene in again] == [scene.labels.tolist() for scene in joined(parts)]


def test_pictures_are_listed_as_often_as_asked(parts):
    both = joined(parts, {"other": 3})
    names = [entry.name for entry in both.entries]
    assert names == ["one/0", "one/1", *["other/0", "other/1"] * 3]


def test_joined_data_sets_are_joined_again(parts, data_set):
    third = data_set("third", FROM_0, (2,))
    all_three = joined({"both": joined(parts), "third": third})
    assert all_three[2].name == "both/other/0"
    assert [scene.labels[0, 0] for scene in all_three] == [0, 1, 0, 0, 2]


def test_the_cache_keeps_a_picture_that_is_listed_several_times_once(parts):
    both = joined(parts, {"other": 2})
    cache = SceneCache(both, 1000)
    scenes = [cache[index] for index in range(len(cache))]
    assert scenes[2] is scenes[4]
    assert scenes[3] is scenes[5]
    bytes_of_a_pixel = 3 + 1 + 1  # picture, labels and anomaly truth
    assert cache.room == 1000 - bytes_of_a_pixel * sum(scene.labels.size for scene in scenes[:4])


def test_the_same_file_in_two_data_sets_is_read_in_each_ones_way(data_set):
    space = numbered_classes("shifted", CLASSES, first=1, ignored={0})
    plain = data_set("plain", FROM_0, (1, 2))
    shifted = class_dataset("shifted", space, plain.entries)
    cache = SceneCache(joined({"plain": plain, "shifted": shifted}), 1000)
    assert [cache[index].labels[0].tolist() for index in (0, 1, 0, 1)] == [[1, 2], [0, 1]] * 2


def test_classes_are_found_in_every_part(parts):
    found = class_uniform(joined(parts, {"other": 2}), 0.5).pictures
    assert {train_id: list(pictures) for train_id, pictures in found.items()} == {
        0: [0, 2, 3, 4, 5],
        1: [0, 1, 2, 4],
        2: [0, 2, 4],
    }


def test_missing_files_are_named(parts):
    parts["other"].entries[1].truth.unlink()
    [line] = missing_files(joined(parts))
    assert "no label file 1_raw.png in" in line


def test_a_bad_label_is_named_by_its_file_and_its_own_encoding(parts, save):
    save("other/0_raw.png", np.full((1, 5), 4, np.uint8))
    with pytest.raises(OddscapeError, match=r"0_raw\.png: unknown label value \[4\]: 'from-5' knows"):
        joined(parts)[2]


@pytest.mark.parametrize("names", [("road", "car"), ("road", "rider", "car"), ("road", "car", "bus")])
def test_other_classes_are_refused_by_name_and_order(parts, data_set, names):
    space = numbered_classes("x", dict.fromkeys(names, (1, 1, 1)))
    third = data_set("third", space, (0,))
    message = f"one and third cannot be joined, .*: road, car, rider in one, {', '.join(names)} in third$"
    with pytest.raises(OddscapeError, match=message) as error:
        joined({**parts, "third": third})
    assert "\n" not in str(error.value)


def test_data_without_classes_is_refused(parts):
    masks = anomaly_dataset("masks", mask_values("masks"), parts["one"].entries)
    for without in (masks, Dataset("plain", None, parts["one"].entries, lambda *_: (None, None))):
        with pytest.raises(OddscapeError, match="third has no class labels to be joined by"):
            joined({**parts, "third": without})


def test_the_town_joins_camvid_in_camvids_classes(save, tmp_path):
    save("town/train/images/training/t1/0.png", np.zeros((2, 7, 3), np.uint8))
    save("town/train/annotations/training/t1/0.png", np.arange(1, 15, dtype=np.uint8).reshape(2, 7))
    save("camvid/train/a_0.png", np.zeros((3, 4, 3), np.uint8))
    save("camvid/trainannot/a_0.png", np.arange(12, dtype=np.uint8).reshape(3, 4))
    town = oddscape.data.open("town", tmp_path / "town", split="training", classes="camvid")
    camvid = oddscape.data.open("camvid", tmp_path / "camvid", split="train", held_out="")
    both = joined({"camvid": camvid, "town": town})
    words = (*label_space(()).classes, *(None,) * (256 - 11))
    assert [words[train_id] for train_id in both[0].labels.ravel()] == [*words[:11], None]
    assert [words[train_id] for train_id in both[1].labels.ravel()] == [
        *("sky", "building", "fence", None, "pedestrian", "pole", "road"),
        *("road", "pavement", "tree", "car", "building", "sign", None),
    ]
    assert both[1].anomaly.ravel().tolist() == [0, 0, 0, 255, *[0] * 9, 1]
    held_out = oddscape.data.open("camvid", tmp_path / "camvid", split="train")
    with pytest.raises(OddscapeError, match="their classes differ"):
        joined({"camvid": held_out, "town": town})
