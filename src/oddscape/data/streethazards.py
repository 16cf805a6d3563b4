"""StreetHazards (Hendrycks et al., ICML 2022), in the two readings of its labels; the made town reads alike.

``<directory>/train/{images,annotations}/{training,validation}/<town>/<n>.png`` and
``<directory>/test/{images,annotations}/test/<town>/<n>.png``. Figures of the two readings do not compare.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oddscape.data import camvid
from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.label_spaces import numbered_classes
from oddscape.data.layout import folders_in, one_of, partners, pictures_in
from oddscape.labels import LabelSpace

SPLITS = {"training": "train", "validation": "train", "test": "test"}
"""Split → the folder of the archive that it lies in."""

_EXPECTED = (
    "expected train/{images,annotations}/{training,validation}/<town>/<n>.png "
    "and test/{images,annotations}/test/<town>/<n>.png"
)

# By raw label, which begins at 1. Raw 0 is no part of the data set, so it is an error.
_CLASSES = {
    "background": (112, 160, 208),
    "building": (96, 88, 84),
    "fence": (190, 153, 120),
    "other": (72, 40, 110),
    "person": (220, 30, 50),
    "pole": (170, 170, 170),
    "road line": (250, 250, 220),
    "road": (104, 72, 120),
    "sidewalk": (200, 170, 196),
    "vegetation": (80, 140, 50),
    "car": (30, 50, 190),
    "wall": (128, 124, 160),
    "traffic sign": (240, 215, 20),
}
_OTHER, _ANOMALY = 4, 14


STREETHAZARDS_12 = numbered_classes(
    "streethazards-12", _CLASSES, first=1, anomalies={_ANOMALY}, ignored={_OTHER}
)
"""DenseHybrid's reading: 12 classes; "other" (raw 4) is ignored, in anomaly figures too."""

STREETHAZARDS_13 = numbered_classes("streethazards-13", _CLASSES, first=1, anomalies={_ANOMALY})
"""The reading of its authors and of DiCNet: 13 classes, "other" among them; nothing is ignored."""


# The town's word → CamVid's, after the way in which SegNet's packaging draws CamVid's 32 classes together to
# 11: walls are building there, lane markings road, all vegetation tree, traffic lights sign. "other", the
# town's bins, benches, hydrants and gravel, has no place among the 11.
_IN_CAMVID = {
    "background": "sky",  # in the made town alone, where nothing else is background
    "building": "building",
    "fence": "fence",
    "person": "pedestrian",
    "pole": "pole",
    "road line": "road",
    "road": "road",
    "sidewalk": "pavement",
    "vegetation": "tree",
    "car": "car",
    "wall": "building",
    "traffic sign": "sign",
}
_CAMVID_11 = camvid.label_space(held_out=())

TOWN_CAMVID_11 = replace(
    _CAMVID_11,
    name="town-camvid-11",
    raw_to_train={
        raw: _CAMVID_11.classes.index(_IN_CAMVID[word])
        for raw, word in enumerate(_CLASSES, start=1)
        if word in _IN_CAMVID
    },
    anomalies=frozenset({_ANOMALY}),
    ignored=frozenset({_OTHER}),
)
"""The made town in CamVid's 11 classes, for training on both; "other" is ignored, no bicyclist occurs."""

TOWN_CLASSES = {"streethazards": STREETHAZARDS_12, "camvid": TOWN_CAMVID_11}
"""Whose classes the made town is read in."""


def streethazards(directory: Path, split: str = "test") -> Dataset:
    """Open StreetHazards as DenseHybrid reads it: 12 classes, "other" ignored; a fold is a town.

    No sequence is named: the files are numbered through a town, and the two towns of the test split are
    too few to draw from.

    Args:
        directory: the folder that holds ``train`` and ``test``.
        split: ``"training"``, ``"validation"`` or ``"test"``.

    Raises:
        OddscapeError: the split is unknown; a folder is missing; there are no pictures.
    """
    return _open("streethazards", directory, split, STREETHAZARDS_12)


def streethazards_13(directory: Path, split: str = "test") -> Dataset:
    """Open StreetHazards as its authors and DiCNet read it: 13 classes (see :func:`streethazards`)."""
    return _open("streethazards-13", directory, split, STREETHAZARDS_13)


def town(directory: Path, split: str = "test", classes: str = "streethazards") -> Dataset:
    """Open a synthetic town made by ``oddscape town make``; a fold is a town.

    Args:
        directory: the folder that holds ``train`` and ``test``.
        split: ``"training"``, ``"validation"`` or ``"test"``.
        classes: ``"streethazards"``, 12 classes (see :func:`streethazards`), or ``"camvid"``, CamVid's 11.

    Raises:
        OddscapeError: an option is unknown; a folder is missing; there are no pictures.
    """
    return _open("town", directory, split, TOWN_CLASSES[one_of("town", classes, TOWN_CLASSES)])


def _open(name: str, directory: Path, split: str, label_space: LabelSpace) -> Dataset:
    root = directory / SPLITS[one_of(name, split, SPLITS)]
    towns = folders_in(root / "images" / split, _EXPECTED)
    entries = (entry for town in towns for entry in _town_entries(town, root / "annotations" / split))
    return class_dataset(name, label_space, entries, "StreetHazards'")


def _town_entries(town: Path, annotations: Path) -> list[Entry]:
    images = pictures_in(town, _EXPECTED)
    truths = partners(images, annotations / town.name, _EXPECTED)
    return [
        Entry(f"{town.name}/{image.stem}", image, truth, fold=town.name)
        for image, truth in zip(images, truths, strict=True)
    ]
